"""One caller that asks without end, and waits for no answer before it asks again: a process of its own floods a worker."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.bodies import body_of, check_known, number, text
from tierhost.drills.faults.pressing import door_of, knock
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import Busy
from tierhost.ipc.frames import Unframer, framed
from tierhost.ipc.limits import IN_FLIGHT_MAX
from tierhost.ipc.messages import Failure, Request

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

MODULE: Final = "tierhost.drills.faults.flooding"
CONNECTIONS: Final = 8
OPEN_EACH: Final = IN_FLIGHT_MAX // 4
"""All together twice as many as a callee takes of everybody."""

DEADLINE_S: Final = 30.0
END_LIMIT_S: Final = 10.0
CHUNK: Final = 1 << 16


class Flood:
    """`method` ("storage_pool_refresh") with `argument`, asked as fast as can be for `for_s` seconds (default 1)."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("flood", options, {"method", "argument", "for_s"})
        self._for_s = number("flood", options, "for_s", 1.0, 0.1, 600)
        self._words = (text("flood", options, "method", ""), text("flood", options, "argument", ""))
        if not self._words[0]:
            raise BadPlan("a flood needs the option `method`", hint='method = "storage_pool_refresh"')
        self._target = target
        self._whom = whom

    def strike(self) -> str:
        """Flood, and take what the flooder says of its answers as the proof."""
        body_of(self._target, self._whom)
        door = door_of(self._target.folder, self._whom) or ""
        argv = [sys.executable, "-m", MODULE, door, *self._words, str(self._for_s)]
        flooder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            told, _ = flooder.communicate(timeout=self._for_s + END_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise NotFired("the flooder did not end", subject=self._whom) from None
        finally:
            flooder.kill()
            flooder.wait()
        line = told.decode(errors="replace").strip()
        if flooder.returncode:
            raise NotFired(f"the flooder failed: {line[-200:]}", subject=self._whom)
        return f"{self._whom} flooded with {self._words[0]} for {self._for_s:g} s: {line}"

    def heal(self) -> None:
        """It ended by itself."""


def flood(connections: list[socket.socket], method: str, argument: str, for_s: float) -> tuple[int, int, int]:
    """Keep every connection full of requests; return how many were asked, answered, and refused as too many."""
    numbers, prefix = itertools.count(1), os.urandom(8)
    unsent = dict.fromkeys(connections, b"")
    open_each = dict.fromkeys(connections, 0)
    readers = {connection: Unframer() for connection in connections}
    asked = answered = refused = 0
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        for connection in connections:
            while open_each[connection] < OPEN_EACH and len(unsent[connection]) < CHUNK:
                call_id = prefix + next(numbers).to_bytes(8, "big")
                args: list[Any] = [argument] if argument else []
                unsent[connection] += framed(encode(Request(call_id, 0, method, args, {}, DEADLINE_S, "", 0, 1)))
                open_each[connection] += 1
                asked += 1
        readable, writable, _ = select.select(connections, [each for each in connections if unsent[each]], [], 0.05)
        for connection in writable:
            unsent[connection] = unsent[connection][connection.send(unsent[connection]) :]
        for connection in readable:
            for data in readers[connection].take(connection.recv(CHUNK)):
                message = decode(data)
                open_each[connection] -= 1
                if isinstance(message, Failure) and message.kind == Busy.__name__:
                    refused += 1
                else:
                    answered += 1
    return asked, answered, refused


def main(argv: list[str]) -> int:
    """Flood, and tell."""
    door, method, argument, for_s = argv
    connections = [raw for raw in (knock(door) for _ in range(CONNECTIONS)) if raw is not None]
    if not connections:
        sys.stdout.write(f"nobody opens {door}\n")
        return 1
    asked, answered, refused = flood(connections, method, argument, float(for_s))
    sys.stdout.write(f"{asked} requests, {answered} answered, {refused} refused as too many\n")
    return 0


KINDS: Final = {"flood": Flood}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
