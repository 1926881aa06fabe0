"""Those who do not keep to the language: a worker that lies to its host, and strangers at the sockets."""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zmq

from tests.integration.host.conftest import until
from tests.integration.host.drivers import make
from tierhost.ipc.codec import encode
from tierhost.ipc.messages import Request
from tierhost.workers.runtime.contract import change, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.host.conftest import Site

LENGTH = struct.Struct(">I")


@read(inline=True)
def say(self: Any, words: list[bytes | int], incarnation: int) -> int:
    """Say this (a number: so many zeros) to the host, in this life of the worker only. Inline: in the loop, on its own line."""
    if self.context.incarnation != incarnation:
        return 0
    line = self.context.later.__self__._control  # the worker itself, which no driver is given
    return sum(line.send(bytes(word)) for word in words)


@change()
def report(self: Any, count: int, kind: str) -> None:
    """Tell of so many things, as fast as that goes."""
    for number in range(count):
        self.context.emit(kind, f"drop {number}", {"size": "x" * 1000})


@read(inline=True)
def nod(self: Any, text: str) -> str:
    """Return what was said, from the loop itself."""
    return text


Liar = make("liar", say=say, report=report)
Nodder = make("nodder", nod=nod)


@contextmanager
def stranger(site: Site, identity: bytes = b"") -> Iterator[zmq.Socket[bytes]]:
    """A line to the host that no worker and no client of ours has."""
    context = zmq.Context()
    line = context.socket(zmq.DEALER)
    line.linger = 0
    if identity:
        line.setsockopt(zmq.ROUTING_ID, identity)
    line.connect(f"ipc://{site.root.host_socket}")
    try:
        yield line
    finally:
        line.close()
        context.term()


def caller(path: str) -> socket.socket:
    """A bare connection to a worker's door."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    until(lambda: made.connect_ex(path) == 0, "the door is not that full any more")
    made.settimeout(20.0)
    return made


def asking(text: str, method: str = "echo") -> bytes:
    """A whole and right request for an echo, framed."""
    data = encode(Request(b"hostile", 0, method, [text], {}, 20.0, "", 0, 1))
    return LENGTH.pack(len(data)) + data


def door_of(site: Site, name: str) -> str:
    """Where a driver is called."""
    return str(site.root.worker_socket(name, site.driver(name)["incarnation"]))
