"""What one worker says to another, tampered with on their own connection: both still know each other by the kernel's word."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.drills.borrowing import between
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.bodies import Body, Leashed, body_of, check_known, choice, number, text
from tierhost.drills.faults.pressing import door_of
from tierhost.drills.tampering import REPLY, REQUEST, SIDES
from tierhost.ipc.frames import LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

WAYS: Final = ("drop", "delay", "duplicate", "truncate", "garbage", "cut")
"""As on the wire to a client; "cut" ends the connection. One request at a time: none is out of order."""

HELD_S: Final = 0.25
LOOK_S: Final = 0.002
FREE_S: Final = 0.5
"""At most so long it is waited until who was stopped has gone round its loop once, and shown that it lives."""

PATIENCE_S: Final = 10.0
DELAY_S: Final = 0.2
MESSAGE_BYTES_MAX: Final = 16 << 20


class Link(Leashed):
    """From the worker `whom` to that of `peer`; `side`: "request" or "reply"; `delay_s`; `patience_s`: how long to wait for one.

    Whoever is about to receive is stopped for moments (less long than a host takes it for lost), so that what arrives can be
    taken before it is read. The way is the kind's: "link-drop", "link-delay", ...
    """

    kind = "link"
    way: ClassVar[str]

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"peer", "side", "delay_s", "patience_s"})
        self.peer = text(self.kind, options, "peer", "")
        if not self.peer:
            raise BadPlan("peer is missing: say which driver it calls", subject=f"fault {self.kind}")
        self.side = choice(self.kind, options, "side", REPLY, SIDES)
        self.delay_s = number(self.kind, options, "delay_s", DELAY_S, 0, 600)
        self.patience_s = number(self.kind, options, "patience_s", PATIENCE_S, 0, 600)

    def prepare(self) -> dict[str, Any]:
        """Find both, and the door."""
        caller, callee = body_of(self.target, self.whom), body_of(self.target, self.peer)
        door = door_of(self.target.folder, self.peer)
        if door is None:
            raise NotFired("it has no door that could be called at", subject=self.peer)
        return {"door": door, "bodies": [[caller.pid, caller.start], [callee.pid, callee.start]]}

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Wait for a message that has arrived and is not read, and do to it what is to be done."""
        caller, callee = (pid for pid, _ in arguments["bodies"])
        receiver = callee if self.side == REQUEST else caller
        end_s = time.monotonic() + self.patience_s
        try:
            while time.monotonic() < end_s:
                if proof := self._once(caller, callee, receiver, arguments["door"]):
                    return proof
                _let_turn(receiver)
        except OSError as error:
            raise NotFired(f"their connection cannot be had: {error}", subject=f"{self.whom} -> {self.peer}") from None
        raise NotFired(f"no {self.side} came by in {self.patience_s} s", subject=f"{self.whom} -> {self.peer}")

    def _once(self, caller: int, callee: int, receiver: int, door: str) -> str:
        held_until_s = time.monotonic() + HELD_S
        os.kill(receiver, signal.SIGSTOP)
        try:
            while time.monotonic() < held_until_s:
                with between(caller, callee, door) as link:
                    ends = link.pending(to_callee=self.side == REQUEST)
                    if ends is not None:
                        return self._tamper(*ends, receiver)
                select.select([], [], [], LOOK_S)
        finally:
            with suppress(ProcessLookupError):
                os.kill(receiver, signal.SIGCONT)
        return ""

    def _tamper(self, reader: socket.socket, writer: socket.socket, receiver: int) -> str:
        where = f"{self.whom} -> {self.peer}"
        if self.way == "cut":
            for end in (reader, writer):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            return f"{where}: the connection was ended with a {self.side} on it"
        taken = reader.recv(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
        noise = taken[: LENGTH.size] + os.urandom(len(taken) - LENGTH.size)
        after = {"delay": taken, "duplicate": taken * 2, "truncate": taken[: len(taken) // 2], "garbage": noise}
        if self.way == "delay":
            os.kill(receiver, signal.SIGCONT)
            select.select([], [], [], self.delay_s)
        if self.way in after:
            writer.send(after[self.way], socket.MSG_DONTWAIT)
        return f"{where}: {self.way} befell a {self.side} of {len(taken)} bytes"

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Let both go on."""
        for pid, start in arguments["bodies"]:
            if Body(pid, start).is_alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def _let_turn(pid: int) -> None:
    """Wait until a process that was let go has slept again: it has gone round its loop."""
    before, end_s = _slept(pid), time.monotonic() + FREE_S
    while _slept(pid) == before and time.monotonic() < end_s:
        select.select([], [], [], LOOK_S)


def _slept(pid: int) -> str:
    """How often its main thread has waited for something, as the kernel counts it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("voluntary_ctxt_switches")), "")


KINDS: Final[dict[str, type[Leashed]]] = {
    f"link-{way}": type(f"Link{way.title()}", (Link,), {"kind": f"link-{way}", "way": way, "__doc__": Link.__doc__})
    for way in WAYS
}
