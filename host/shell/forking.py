"""The host's end of the pair to the process that forks: made before all else, so that its imports run beside the host's own."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgpack

from tierhost.host.shell import zygote
from tierhost.host.shell.forks import multiprocess
from tierhost.ipc.limits import ORDER_BYTES_MAX

WORKER_ENTRY = "tierhost.workers.runtime.main:live"
"""What a forked child runs. A string: the host never imports workers."""


class Zygote:
    """One at a time; another one when it died. It imports what workers run at once, and forks nobody before `begin`."""

    def __init__(self) -> None:
        """Start it. For the first one: while this process has neither threads nor sockets, for a child inherits what is there."""
        self.preload: tuple[str, ...] = ()
        self.bore = False
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.channel, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ORDER_BYTES_MAX * 2)
        process = multiprocess.get_context("fork").Process(
            target=zygote.serve, args=(theirs, WORKER_ENTRY), name="tierhost-zygote", daemon=False
        )
        process.start()
        theirs.close()
        self.channel.setblocking(False)
        self.pid: int = process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def begin(self, preload: tuple[str, ...]) -> None:
        """Name what it is to import for everybody before it forks the first one. Asked once, before the first order."""
        self.preload = preload
        self.order({"preload": list(preload)})

    def order(self, words: dict[str, Any]) -> bool:
        """Ask for one fork. False: the zygote does not take orders just now (dead, or very far behind)."""
        try:
            self.channel.send(msgpack.packb(words))
        except OSError:
            return False
        return True

    def hear(self) -> list[tuple[dict[str, Any], int]]:
        """Return what it said since, each with the pidfd that came along (or -1)."""
        words: list[tuple[dict[str, Any], int]] = []
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.channel, ORDER_BYTES_MAX, 1)
            except (BlockingIOError, ConnectionResetError):
                return words
            if not data:
                return words
            words.append((msgpack.unpackb(data), fds[0] if fds else -1))
            self.bore = True

    def close(self) -> None:
        """Let it go: it exits when it sees our end closed."""
        self.channel.close()
        os.close(self.pidfd)
