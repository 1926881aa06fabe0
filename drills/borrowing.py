"""Connections of other processes, borrowed: the kernel gives whoever may trace a process a copy of its descriptors."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import termios
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PIDFD_GETFD: Final = 438
CREDENTIALS: Final = struct.Struct("3i")
COUNT: Final = struct.Struct("i")
LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Between:
    """The connections from one process to the door of another: copies of both ends. Who is who stays the kernel's word."""

    callers: tuple[socket.socket, ...]
    callees: tuple[socket.socket, ...]

    def pending(self, *, to_callee: bool) -> tuple[socket.socket, socket.socket] | None:
        """Return the one end where something waits to be read, and the one it was sent from; None if that is not just one."""
        readers, writers = (self.callees, self.callers) if to_callee else (self.callers, self.callees)
        waiting = [end for end in readers if _count(end, termios.FIONREAD)]
        sent = [end for end in writers if _count(end, termios.TIOCOUTQ)]
        return (waiting[0], sent[0]) if len(waiting) == len(sent) == 1 else None


@contextmanager
def between(caller: int, callee: int, door: str) -> Iterator[Between]:
    """Borrow what there is just now. Raises ProcessLookupError if one of them is gone, PermissionError if we may not."""
    with ExitStack() as stack:
        theirs = [end for end in _sockets(stack, caller) if _name(end, peer=True) == door]
        ours = [end for end in _sockets(stack, callee) if _name(end, peer=False) == door and _peer(end) == caller]
        yield Between(tuple(theirs), tuple(ours))


def _sockets(stack: ExitStack, pid: int) -> list[socket.socket]:
    found = []
    pidfd = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if not str(Path(f"/proc/{pid}/fd/{name}").readlink()).startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue
            fd = LIBC.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0 and ctypes.get_errno() == 1:
                raise PermissionError(1, "we may not have its descriptors", str(pid))
            if fd >= 0:
                found.append(stack.enter_context(socket.socket(fileno=fd)))
    finally:
        os.close(pidfd)
    return [end for end in found if end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM]


def _name(end: socket.socket, *, peer: bool) -> str:
    try:
        return str(end.getpeername() if peer else end.getsockname())
    except OSError:
        return ""


def _peer(end: socket.socket) -> int:
    try:
        return int(CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0])
    except OSError:
        return 0


def _count(end: socket.socket, question: int) -> int:
    return int(COUNT.unpack(fcntl.ioctl(end, question, COUNT.pack(0)))[0])
