"""The wire to a worker: its messages are lost, late, doubled, out of order, cut, garbled, or nothing comes any more."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.drills import proxy
from tierhost.drills.faults import NotFired
from tierhost.drills.faults.bodies import Leashed, check_known, choice, number
from tierhost.drills.faults.pressing import door_of
from tierhost.drills.tampering import REPLY, SIDES, WAYS, Tampering

if TYPE_CHECKING:
    from collections.abc import Mapping

SAID_WITHIN_S: Final = 10.0
GONE_WITHIN_S: Final = 5.0
PATIENCE_S: Final = 10.0
CHUNK_BYTES: Final = 1 << 16


class Wire(Leashed):
    """`side`: "request" or "reply"; `after`, `count`: which messages; `delay_s`; `patience_s`: how long one may be waited for.

    The way is the kind's: "wire-drop", "wire-delay", ... A proxy takes the place of the worker's door (`make_ready`; a strike
    does it if nobody did before): who connects from then on, connects through it. Client calls only: the worker sees the proxy
    as the caller, and so refuses what only workers may ask. The strike is over when the first message was tampered with.
    """

    kind = "wire"
    way: ClassVar[str]

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"side", "after", "count", "delay_s", "patience_s"})
        side = choice(self.kind, options, "side", REPLY, SIDES)
        after, count = (
            int(number(self.kind, options, name, 0 if name == "after" else 1, 0, 1 << 30)) for name in ("after", "count")
        )
        self.tampering = Tampering(self.way, side, after, count, number(self.kind, options, "delay_s", 0.3, 0, 600))
        self.patience_s = number(self.kind, options, "patience_s", PATIENCE_S, 0, 600)
        self._proxy: subprocess.Popen[bytes] | None = None
        self._heard = b""

    def prepare(self) -> dict[str, Any]:
        """Find the door."""
        door = door_of(self.target.folder, self.whom)
        if door is None:
            raise NotFired("it has no door that could be called at", subject=self.whom)
        return {"door": door}

    def make_ready(self) -> None:
        """Put the proxy in place; everything passes."""
        if self._proxy is None:
            argv = [sys.executable, "-m", "tierhost.drills.proxy", self.leash()["arguments"]["door"]]
            self._proxy = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
            self._hear(SAID_WITHIN_S, "the proxy does not come up")

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Begin to tamper, and wait for the first message that it befalls."""
        self.make_ready()
        self._order(asdict(self.tampering))
        what = self._hear(self.patience_s, f"nothing that could be tampered with came by in {self.patience_s} s")
        return f"a {what['side']} of {what['bytes']} bytes at {Path(arguments['door']).name}: {what['way']}"

    def arm(self) -> None:
        """Begin to tamper, without waiting: for who makes the call in the same thread."""
        self.make_ready()
        self._order(asdict(self.tampering))

    def tampered(self) -> dict[str, Any]:
        """The next message that it befell. Raises NotFired."""
        return self._hear(self.patience_s, "no message was tampered with")

    def _order(self, words: Mapping[str, Any]) -> None:
        assert self._proxy is not None
        assert self._proxy.stdin is not None
        self._proxy.stdin.write((json.dumps(words) + "\n").encode())
        self._proxy.stdin.flush()
        self._hear(SAID_WITHIN_S, "the proxy does not listen")

    def _hear(self, limit_s: float, why_not: str) -> dict[str, Any]:
        assert self._proxy is not None
        assert self._proxy.stdout is not None
        end_s = time.monotonic() + limit_s
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._proxy.stdout], [], [], max(0.0, end_s - time.monotonic()))
            chunk = os.read(self._proxy.stdout.fileno(), CHUNK_BYTES) if ready else b""
            if not chunk:
                raise NotFired(why_not, subject=self.whom)
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        words: dict[str, Any] = json.loads(line)
        return words

    def heal(self) -> None:
        """End the proxy: it makes way by itself; then make sure."""
        if self._proxy is not None:
            for pipe in (self._proxy.stdin, self._proxy.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                self._proxy.wait(GONE_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._proxy.kill()
                self._proxy.wait(GONE_WITHIN_S)
            self._proxy = None
        super().heal()

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Give the door its name back."""
        proxy.give_back(Path(arguments["door"]))


KINDS: Final[dict[str, type[Leashed]]] = {
    f"wire-{way}": type(
        f"Wire{way.title().replace('-', '')}", (Wire,), {"kind": f"wire-{way}", "way": way, "__doc__": Wire.__doc__}
    )
    for way in WAYS
}
