"""A proxy at a worker's door, a process of its own: lets everything pass until it is told to tamper; makes way when it ends.

The worker sees the proxy as the caller: its client calls go on as before, calls of other workers are refused, because who
calls is the kernel's word. It is told over its standard input, one JSON object a line, and says what it did in the same way.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tierhost.drills.tampering import REPLY, REQUEST, Tampering, Wireside, passing
from tierhost.ipc.frames import Unframer, framed

ASIDE: Final = ".aside"
CHUNK_BYTES: Final = 1 << 20
BACKLOG: Final = 128
WAIT_S: Final = 1.0
SEND_LIMIT_S: Final = 5.0


@dataclass(slots=True)
class End:
    """One end of a connection that goes through the proxy: what is read here goes out at `other`."""

    raw: socket.socket
    side: str
    unframer: Unframer = field(default_factory=Unframer)
    state: Wireside = field(default_factory=Wireside)
    other: End | None = None
    mute: bool = False


class Proxy:
    """Single-threaded; one connection to the worker for each caller."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.aside = path.with_name(path.name + ASIDE)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._ends: dict[int, End] = {}
        self._poll = select.poll()
        self._late: list[tuple[float, int, End, Any]] = []
        self._order = itertools.count()
        self._tampering: Tampering | None = None
        self._numbers = {REQUEST: 0, REPLY: 0}

    def stand_in(self) -> None:
        """Take the door's name. Who is connected to the worker already stays so."""
        new = self.path.with_name(self.path.name + ".new")
        self._listening.bind(str(new))
        self._listening.listen(BACKLOG)
        os.link(self.path, self.aside)
        new.rename(self.path)
        self._poll.register(self._listening, select.POLLIN)
        self._poll.register(sys.stdin, select.POLLIN)

    def run(self) -> None:
        """Pass on until standard input ends."""
        while True:
            wait_s = min(WAIT_S, max(0.0, self._late[0][0] - time.monotonic())) if self._late else WAIT_S
            for fd, _ in self._poll.poll(wait_s * 1000):
                if fd == sys.stdin.fileno():
                    line = os.read(fd, CHUNK_BYTES)
                    if not line:
                        return
                    self._obey(line)
                elif fd == self._listening.fileno():
                    self._accept()
                elif fd in self._ends:
                    self._pass(self._ends[fd])
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, end, frames = heapq.heappop(self._late)
                self._send(end, frames)

    def _obey(self, line: bytes) -> None:
        words = json.loads(line)
        self._tampering = Tampering(**words) if words else None
        self._numbers = {REQUEST: 0, REPLY: 0}
        tell({"heard": True})

    def _accept(self) -> None:
        try:
            caller, _ = self._listening.accept()
        except OSError:
            return
        callee = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            callee.connect(str(self.aside))
        except OSError:
            caller.close()
            callee.close()
            return
        ends = (End(caller, REQUEST), End(callee, REPLY))
        for end, other in (ends, ends[::-1]):
            end.other = other
            end.raw.settimeout(SEND_LIMIT_S)
            self._ends[end.raw.fileno()] = end
            self._poll.register(end.raw, select.POLLIN)

    def _pass(self, end: End) -> None:
        try:
            chunk = end.raw.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            self._close(end)
            return
        for message in end.unframer.take(chunk):
            number = self._numbers[end.side]
            self._numbers[end.side] += 1
            way = self._tampering if self._tampering and self._tampering.concerns(end.side, number) else None
            out = passing(framed(message), way, end.state, os.urandom(len(message)) if way else b"")
            if way is not None:
                tell({"way": way.way, "side": end.side, "bytes": len(message)})
            if out.mute:
                end.mute = True
            if out.delay_s:
                heapq.heappush(self._late, (time.monotonic() + out.delay_s, next(self._order), end, out.frames))
            elif not end.mute:
                self._send(end, out.frames)
            if out.ends:
                self._close(end)
                return

    def _send(self, end: End, frames: tuple[bytes, ...]) -> None:
        if end.other is not None:
            with suppress(OSError):
                end.other.raw.sendall(b"".join(frames))

    def _close(self, end: End) -> None:
        for one in (end, end.other):
            if one is not None and self._ends.pop(one.raw.fileno(), None) is not None:
                self._poll.unregister(one.raw)
                one.raw.close()

    def make_way(self) -> None:
        """Give the door its name back, if it is there still."""
        give_back(self.path)
        for end in list(self._ends.values()):
            end.raw.close()
        self._listening.close()


def give_back(path: Path) -> None:
    """Put a door that was set aside back to its name. May be called again, by anybody."""
    aside = path.with_name(path.name + ASIDE)
    # The worker may be gone, and its door with it: nobody looks for that name any more.
    with suppress(FileNotFoundError):
        aside.rename(path)


def tell(words: dict[str, Any]) -> None:
    """Say what happened; nobody may be listening any more."""
    with suppress(OSError):
        os.write(1, (json.dumps(words) + "\n").encode())


def main(argv: list[str]) -> int:
    """Stand at the door named on the command line until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    proxy = Proxy(Path(argv[0]))
    proxy.stand_in()
    tell({"stands": os.getpid()})
    try:
        proxy.run()
    finally:
        proxy.make_way()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
