"""The floor under our restarts: a parent with a pidfd and one parked, forked, connected child; no records, no contract.

usage: floor.py FOLDER. A client connects to FOLDER/floor.sock; for each "spare" it says one more child is parked; each
life that begins is told to it as msgpack [endpoint, pid]. Kill that pid, and the next life is told.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from typing import NoReturn

import msgpack
import zmq

SPARE = b"spare"
PARKED = b"parked"
UP = b"up"


def zygote(orders: socket.socket, folder: str) -> NoReturn:
    """Fork a spare for each byte that comes. Single-threaded, everything imported, frozen."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while orders.recv(1):
        if os.fork() == 0:
            orders.close()
            spare(folder)
    os._exit(0)


def spare(folder: str) -> NoReturn:
    """Park with a connected socket; on the role (an endpoint) bind, say so, and serve."""
    context = zmq.Context()
    control = context.socket(zmq.DEALER)
    control.connect(f"ipc://{folder}/floor.sock")
    control.send_multipart([PARKED, msgpack.packb(os.getpid())])
    endpoint = control.recv()
    door = context.socket(zmq.ROUTER)
    door.bind(endpoint.decode())
    control.send_multipart([UP, msgpack.packb(os.getpid())])
    while True:
        routing_id, _ = door.recv_multipart()
        door.send_multipart([routing_id, msgpack.packb(os.getpid())])


class Parent:
    """Hands the role on: to the parked spare, the moment the pidfd says that its holder is gone."""

    def __init__(self, folder: str, orders: socket.socket) -> None:
        self._folder = folder
        self._orders = orders
        self._door = zmq.Context().socket(zmq.ROUTER)
        self._door.bind(f"ipc://{folder}/floor.sock")
        self._poller = zmq.Poller()
        self._poller.register(self._door, zmq.POLLIN)
        self._client = b""
        self._spare = b""
        self._pidfd = -1
        self._lives = 0

    def run(self) -> NoReturn:
        """Serve for ever."""
        while True:
            for ready, _ in self._poller.poll():
                if ready is self._door:
                    self._hear(*self._door.recv_multipart())
                else:
                    self._poller.unregister(self._pidfd)
                    os.close(self._pidfd)
                    self._pidfd = -1
            if self._pidfd < 0 and self._spare and self._client:
                self._lives += 1
                self._door.send_multipart([self._spare, f"ipc://{self._folder}/life.{self._lives}".encode()])
                self._spare = b""

    def _hear(self, who: bytes, word: bytes, data: bytes) -> None:
        if word == SPARE:
            self._client = who
            self._orders.send(b"f")
        elif word == PARKED:
            self._spare = who
        elif word == UP:
            pid = msgpack.unpackb(data)
            self._pidfd = os.pidfd_open(pid)
            self._poller.register(self._pidfd, zmq.POLLIN)
            self._door.send_multipart([self._client, msgpack.packb([f"ipc://{self._folder}/life.{self._lives}", pid])])


def main() -> None:
    """Fork the zygote before there is any thread, then be the parent."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        zygote(theirs, sys.argv[1])
    theirs.close()
    Parent(sys.argv[1], ours).run()


if __name__ == "__main__":
    main()
