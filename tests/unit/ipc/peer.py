"""A program: another process to talk with. `peer.py answers|hangs PATH` listens, `peer.py asks PATH` sends one request."""

from __future__ import annotations

import os
import sys

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.messages import Reply, Request
from tierhost.ipc.sockets import Poller, Sockets
from tierhost.ipc.wires import Gate


def main(does: str, path: str) -> None:
    sockets = Sockets()
    if does == "asks":
        line = sockets.line(path)
        line.wait_sendable(60)
        line.send(encode(Request(b"call", 1, "echo", [], {}, 5.0, "", 0, 1)))
        say_ready()
        line.wait(60)
        return
    gate, poller = Gate(path), Poller()
    poller.register(gate)
    say_ready()
    while poller.poll(60):
        arrived = gate.receive()
        if arrived is None or does == "hangs":
            continue
        request = decode(arrived[2])
        if isinstance(request, Request):
            gate.send(arrived[0], encode(Reply(request.call_id, request.incarnation, os.getpid())))


def say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


main(*sys.argv[1:])
