"""The worker's side of its conversation with the host: which word may come when, as a table; no sockets, no threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.messages import Assign, FromHost, Leave, PeerDown, PeerUp, Perform, Welcome

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(Enum):
    """How far the conversation is."""

    PARKED = "a spare without a role"
    IDLE = "between two verbs"
    PERFORMING = "a verb is under way"
    LEFT = "told to leave"


WORDS: Mapping[Stage, Mapping[type[FromHost], Stage]] = {
    Stage.PARKED: {Assign: Stage.IDLE, Leave: Stage.LEFT},
    Stage.IDLE: {Perform: Stage.PERFORMING, PeerUp: Stage.IDLE, PeerDown: Stage.IDLE, Welcome: Stage.IDLE, Leave: Stage.LEFT},
    Stage.PERFORMING: {PeerUp: Stage.PERFORMING, PeerDown: Stage.PERFORMING, Welcome: Stage.PERFORMING, Leave: Stage.LEFT},
    Stage.LEFT: {},
}
"""What the host may say at each stage, and where that leads. Anything else is a broken host."""

RESUMABLE = frozenset({"state_initialize", "state_auto_start"})
"""Verbs whose completion a next host needs to know of."""


@dataclass(slots=True)
class Session:
    """One worker's conversation. `finished` is the last verb of RESUMABLE that was completed."""

    stage: Stage = Stage.PARKED
    incarnation: int = 0
    finished: str = ""
    _seq: int = 0

    def hear(self, message: FromHost) -> None:
        """Check one word of the host and move on. Raises ProtocolError and changes nothing."""
        following = WORDS[self.stage].get(type(message))
        if following is None:
            reason = f"the host says {type(message).__name__} to a worker that is {self.stage.name}"
            raise ProtocolError(reason)
        if isinstance(message, Perform):
            if message.seq <= self._seq:
                reason = f"the host asks for verb {message.seq} after {self._seq}"
                raise ProtocolError(reason)
            self._seq = message.seq
        if isinstance(message, Welcome):
            # Another host, which counts from one again.
            self._seq = 0
        if isinstance(message, Welcome) and message.incarnation != self.incarnation:
            reason = f"the host welcomes life {message.incarnation}, this is {self.incarnation}"
            raise ProtocolError(reason)
        if isinstance(message, Assign):
            self.incarnation = message.incarnation
        self.stage = following

    def performed(self, verb: str, outcome: str) -> None:
        """A verb is done."""
        self.stage = Stage.IDLE
        if outcome == "complete" and verb in RESUMABLE:
            self.finished = verb
