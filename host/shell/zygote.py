"""The process that forks workers: single-threaded, everything preloaded, frozen; it knows no driver and no socket of ZeroMQ."""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

import msgpack

from tierhost.ipc.limits import ORDER_BYTES_MAX

REAP_AFTER_S = 0.02
"""A zombie says how it died to whoever looks; the host gets a moment to look before it is reaped."""

EXIT_ENTRY_FAILED = 70
EXIT_NEVER_WORKER = 1

FIRST_FD = 3
"""Below it are stdin, stdout and stderr."""


def serve(channel: socket.socket, entry: str) -> NoReturn:
    """Fork a child for each order that comes over `channel`, until the host closes it.

    Run as the target of one `multiprocess` process, started by the host before it opens any socket or thread of its
    own. `entry` is "module:function"; the child calls it with the order's `launch` map and never returns. The first word
    is `{"preload": [module, ...]}`, each other one an order. Answers to the host: `{"born": serial, "pid": pid}` with a
    pidfd, `{"gone": serial, "status": n}` once it was reaped.
    """
    channel.settimeout(None)
    _close_all_but(channel.fileno())
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module(entry.partition(":")[0])
    for name in _hear(channel)["preload"]:
        # A module that is not there is missed by the driver that needs it, and said by that driver.
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    # Without this every collection in a child writes into the pages it shares with all the others.
    gc.freeze()
    gc.disable()
    _loop(channel, entry)


def _hear(channel: socket.socket) -> dict[str, Any]:
    """Return the host's next word. Does not return if the host is gone: workers are not ours to end, the next one adopts them."""
    try:
        data = channel.recv(ORDER_BYTES_MAX)
    except ConnectionResetError:
        data = b""
    if not data:
        os._exit(0)
    words: dict[str, Any] = msgpack.unpackb(data)
    return words


def _loop(channel: socket.socket, entry: str) -> NoReturn:
    children: dict[int, tuple[str, int]] = {}
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    zombies: dict[int, float] = {}
    while True:
        now_s = time.monotonic()
        while zombies and now_s >= next(iter(zombies.values())):
            fd = next(iter(zombies))
            del zombies[fd]
            _reap(channel, fd, *children.pop(fd))
        ready = poll.poll(1000 * (next(iter(zombies.values())) - now_s) if zombies else None)
        for fd, _ in ready:
            if fd != channel.fileno():
                poll.unregister(fd)
                zombies[fd] = time.monotonic() + REAP_AFTER_S
                continue
            order = _hear(channel)
            pid = _fork(channel, order, entry)
            # Nobody but us can reap it, so this pid cannot have been given to another process yet.
            pidfd = os.pidfd_open(pid)
            _tell(channel, {"born": order["serial"], "pid": pid}, pidfd)
            children[pidfd] = (order["serial"], pid)
            poll.register(pidfd, select.POLLIN)


def _fork(channel: socket.socket, order: dict[str, Any], entry: str) -> int:
    """Fork one child; only the parent returns.

    A plain fork: what `multiprocess` does around one copies 150 pages more in each child, and 1 ms before it serves.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(channel, order, entry)
    finally:
        # Here only with an exception. This is the child: nothing may climb out into the parent's loop.
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(EXIT_NEVER_WORKER)


def _reap(channel: socket.socket, pidfd: int, serial: str, pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(pidfd)
    _tell(channel, {"gone": serial, "status": os.waitstatus_to_exitcode(status)})


def _tell(channel: socket.socket, words: dict[str, Any], *fds: int) -> None:
    try:
        socket.send_fds(channel, [msgpack.packb(words)], list(fds))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _become(channel: socket.socket, order: dict[str, Any], entry: str) -> NoReturn:
    """Turn the forked child into a worker: own session, own cgroup, own log; then run the entry point."""
    channel.detach()
    os.setsid()
    _move_to(order["cgroup"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # Whoever hangs up before its answer is an error of one send, and not the end of the worker.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _close_all_but(2)
    gc.enable()
    module, _, function = entry.partition(":")
    getattr(sys.modules[module], function)(order["launch"])
    os._exit(EXIT_ENTRY_FAILED)


def _move_to(cgroup: str) -> None:
    if not cgroup:
        return
    # Plain calls: everybody who is forked passes here, on the way to serving.
    os.makedirs(cgroup, exist_ok=True)  # noqa: PTH103
    fd = os.open(f"{cgroup}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, b"0")
    os.close(fd)


def _close_all_but(keep: int) -> None:
    """Close every file above stderr but one: the host's lock must not live on in its children."""
    top = os.sysconf("SC_OPEN_MAX")
    os.closerange(FIRST_FD, keep)
    os.closerange(max(FIRST_FD, keep + 1), top)
