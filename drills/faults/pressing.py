"""Feeding a worker through its own door: messages that are announced, begin, and never end, so that it must keep them."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tierhost.ipc.frames import LENGTH
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONNECTIONS_MAX: Final = 512
CHUNK: Final = bytes(1 << 20)


def door_of(folder: Path, driver: str) -> str | None:
    """Where the latest life of a driver is called; None if there is no such place."""
    lives = [path for path in Root.under(folder).worker_sockets() if path.name.rpartition(".")[0] == driver]
    newest = max(lives, key=lambda path: int(path.name.rpartition(".")[2]), default=None)
    return str(newest) if newest else None


def knock(path: str) -> socket.socket | None:
    """Connect to a door; None: nobody opens."""
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        raw.connect(path)
    except OSError:
        raw.close()
        return None
    return raw


@contextmanager
def press(folder: Path, driver: str) -> Iterator[Callable[[], None]]:
    """Make a worker keep more and more; call what is given to go on. It has one more connection to read whenever it has read all.

    What it has freed before is still its own, and is filled first: so there is no telling beforehand how much it takes.
    """
    path = door_of(folder, driver) or ""
    with ExitStack() as stack:
        unsent: dict[socket.socket, int] = {}

        def feed() -> None:
            if not any(unsent.values()) and len(unsent) < CONNECTIONS_MAX:
                raw = knock(path)
                if raw is not None:
                    stack.enter_context(raw)
                    with suppress(OSError):
                        raw.send(LENGTH.pack(FRAME_BYTES_MAX))
                    unsent[raw] = FRAME_BYTES_MAX - 1
            for raw, count in unsent.items():
                unsent[raw] = count - _send(raw, count)

        feed()
        yield feed


def _send(raw: socket.socket, count: int) -> int:
    """Send as much as fits now."""
    sent = 0
    with suppress(OSError):
        while sent < count:
            sent += raw.send(CHUNK[: count - sent])
    return sent
