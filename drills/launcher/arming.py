"""How a program outside tells a running host where to die, and hears that it did: shared memory in, datagrams out."""

from __future__ import annotations

import json
import mmap
import os
import select
import socket
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tierhost.ipc.errors import TierhostError

COUNT: Final = "count"
KILL: Final = "kill"
SHEET_BYTES: Final = 4096
WORDS_BYTES_MAX: Final = 160 << 10
_HEAD: Final = struct.Struct("=II")
_COUNT: Final = struct.Struct("=I")


class BadArming(TierhostError):
    """Raised when an arming file or an order cannot be used."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to happen in the next call of `driver.method`: its points are counted, or the process dies at one.

    A method may be a verb ("state_initialize"); for the host itself `driver` is "host" and `method` "start" or "stop".
    """

    mode: str
    driver: str
    method: str
    point: str = ""


@dataclass(frozen=True, slots=True)
class Arming:
    """The file that the launcher is given: where the sheet and the socket are, and which drivers' code to have ready.

    `gates` is at how many logical points somebody may be held; `phases`: the host too, where a driver enters a phase.
    `tied`: the host ends with the thread that started it.
    """

    sheet: Path
    news: Path
    preload: tuple[str, ...] = ()
    gates: int = 1
    phases: bool = False
    tied: bool = True

    @classmethod
    def read(cls, path: Path) -> Arming:
        """Read it. Raises BadArming."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            more = {name: raw[name] for name in ("gates", "phases", "tied") if name in raw}
            return cls(Path(raw["sheet"]), Path(raw["news"]), tuple(raw.get("preload", ())), **more)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadArming(
                f"{path} is no arming file: {error}", hint="it has sheet, news, and perhaps preload, gates, phases, tied"
            ) from None

    def write(self, path: Path) -> None:
        """Write it."""
        raw = {**asdict(self), "sheet": str(self.sheet), "news": str(self.news)}
        path.write_text(json.dumps(raw), encoding="utf-8")


class Sheet:
    """One page of shared memory that holds the order, or none. Forked processes keep it; reading it is no system call."""

    def __init__(self, path: Path) -> None:
        """Open the page, or make it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SHEET_BYTES)
            self._page = mmap.mmap(descriptor, SHEET_BYTES)
        finally:
            os.close(descriptor)

    def read(self) -> Order | None:
        """Return the order."""
        given, length = _HEAD.unpack_from(self._page)
        return Order(**json.loads(self._page[_HEAD.size : _HEAD.size + length])) if given else None

    def give(self, order: Order) -> None:
        """Put an order in force. Called by one program only, while none is in force."""
        text = json.dumps(asdict(order)).encode()
        if _HEAD.size + len(text) + _COUNT.size > SHEET_BYTES:
            raise BadArming(f"an order has at most {SHEET_BYTES} bytes", subject=order.point[:80])
        self._page[_HEAD.size : _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._page, 0, 1, len(text))

    def clear(self) -> None:
        """Take the order back. Called by the runner, and by whoever dies of it: the next life lives."""
        _HEAD.pack_into(self._page, 0, 0, 0)

    def count(self) -> int:
        """Add one to the count that all processes share, and return it. Not exact when two do so at once."""
        (before,) = _COUNT.unpack_from(self._page, SHEET_BYTES - _COUNT.size)
        _COUNT.pack_into(self._page, SHEET_BYTES - _COUNT.size, before + 1)
        return int(before) + 1

    def reset(self) -> None:
        """Begin to count from one again."""
        _COUNT.pack_into(self._page, SHEET_BYTES - _COUNT.size, 0)

    def close(self) -> None:
        """Let go of the page."""
        self._page.close()


class News:
    """Where the runner hears what became of its orders. What a process said before it died is not lost with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))

    def hear(self, patience_s: float) -> dict[str, Any] | None:
        """Return the next word, after waiting for it at most so long."""
        select.select([self._socket], [], [], patience_s)
        try:
            word: dict[str, Any] = json.loads(self._socket.recv(WORDS_BYTES_MAX))
        except BlockingIOError:
            return None
        return word

    def drop(self) -> None:
        """Forget what nobody asked for."""
        while self.hear(0.0) is not None:
            pass

    def close(self) -> None:
        """Close the socket and remove its name."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def tell(path: Path, what: str, **words: Any) -> None:
    """Say a word to the runner, if there still is one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WORDS_BYTES_MAX * 2)
        line.sendto(json.dumps({"what": what, "pid": os.getpid(), **words}).encode(), str(path))
