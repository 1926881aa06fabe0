"""The least that a question from one process to another costs: 64 bytes over a raw UNIX socket, or over bare ZeroMQ.

usage: echo.py SOCKET unix|unix-apart|zmq. Forks into two ends ("apart": each tied to a core of its own; otherwise the
kernel places them). A line with a number on stdin makes the one end ask the other that often, and print the times in
seconds as one JSON list.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import msgpack
import zmq

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = b"x" * 64


def serve_unix(listener: socket.socket) -> None:
    """Return what comes, one caller after the other."""
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def serve_zmq(path: str) -> None:
    """Return what comes, unpacked and packed again."""
    door = zmq.Context().socket(zmq.ROUTER)
    door.bind(f"ipc://{path}")
    while True:
        routing_id, data = door.recv_multipart()
        door.send_multipart([routing_id, msgpack.packb(msgpack.unpackb(data))])


def ask_unix(path: str) -> Callable[[], object]:
    """Connect; return what asks once."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)

    def ask() -> bytes:
        line.sendall(MESSAGE)
        return line.recv(4096)

    return ask


def ask_zmq(path: str) -> Callable[[], object]:
    """Connect; return what asks once."""
    line = zmq.Context().socket(zmq.DEALER)
    line.connect(f"ipc://{path}")

    def ask() -> object:
        line.send(msgpack.packb(MESSAGE))
        return msgpack.unpackb(line.recv())

    return ask


def measure(ask: Callable[[], object]) -> None:
    """Ask as often as stdin says, one line after the other."""
    for count in sys.stdin:
        times = []
        for _ in range(int(count)):
            start_s = time.perf_counter()
            ask()
            times.append(time.perf_counter() - start_s)
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Fork into the two ends."""
    path, mode = sys.argv[1:]
    cores = sorted(os.sched_getaffinity(0))
    listener = socket.socket(socket.AF_UNIX)
    if mode != "zmq":
        listener.bind(path)
        listener.listen()
    child = os.fork()
    if mode == "unix-apart":
        os.sched_setaffinity(0, {cores[0] if child else cores[-1]})
    if child:
        measure(ask_zmq(path) if mode == "zmq" else ask_unix(path))
    elif mode == "zmq":
        serve_zmq(path)
    else:
        serve_unix(listener)


if __name__ == "__main__":
    main()
