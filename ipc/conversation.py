"""The conversation between a worker and its host: which word may come when, as tables; no sockets, no clock, no threads."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import PROTOCOL
from tierhost.ipc.messages import (
    Assign,
    FromHost,
    FromWorker,
    Goodbye,
    Happened,
    Hello,
    Inhibit,
    Leave,
    Parked,
    PeerDown,
    PeerUp,
    Perform,
    Report,
    VerbDone,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    Word = type[FromHost | FromWorker]
    Table = Mapping["Stage", Mapping[Word, "Stage"]]


class End(Enum):
    """Whose end of the conversation a machine stands at."""

    HOST = "host"
    WORKER = "worker"


class Stage(Enum):
    """How far the conversation is. Both ends go through the same stages, each a little before or after the other."""

    FORKED = "has said nothing yet"
    PARKED = "is a spare without a role"
    ASSIGNED = "was given a role"
    IDLE = "lives its life, no verb is under way"
    PERFORMING = "performs a verb"
    BEREFT = "performs a verb of a host that is dead"
    ORPHANED = "lives a life that its present host has not welcomed"
    LEAVING = "was told to leave"
    LEFT = "has said goodbye"


_NEWS: Final[Mapping[Word, None]] = {Report: None, Inhibit: None, Happened: None}
_PEERS: Final[Mapping[Word, None]] = {PeerUp: None, PeerDown: None}


def _staying(stage: Stage, *groups: Mapping[Word, None]) -> dict[Word, Stage]:
    return {word: stage for group in groups for word in group}


FROM_WORKER: Final[Table] = MappingProxyType(
    {
        Stage.FORKED: {Parked: Stage.PARKED},
        Stage.PARKED: {},
        Stage.ASSIGNED: {Hello: Stage.IDLE, Goodbye: Stage.LEFT},
        Stage.IDLE: {**_staying(Stage.IDLE, _NEWS), Goodbye: Stage.LEFT},
        Stage.PERFORMING: {VerbDone: Stage.IDLE, **_staying(Stage.PERFORMING, _NEWS), Goodbye: Stage.LEFT},
        Stage.BEREFT: {},
        # It says hello until it is welcomed: hosts come late, and words get lost on the way to one that dies.
        Stage.ORPHANED: {Hello: Stage.ORPHANED, Goodbye: Stage.LEFT},
        # What was on its way when it was told to leave.
        Stage.LEAVING: {
            **_staying(Stage.LEAVING, _NEWS, {Parked: None, Hello: None, VerbDone: None}),
            Goodbye: Stage.LEFT,
        },
        Stage.LEFT: {},
    }
)
"""What the worker may say at each stage, and where that leads. Anything else is a broken worker."""

FROM_HOST: Final[Table] = MappingProxyType(
    {
        Stage.FORKED: {Leave: Stage.LEAVING},
        Stage.PARKED: {Assign: Stage.ASSIGNED, Leave: Stage.LEAVING},
        Stage.ASSIGNED: {**_staying(Stage.ASSIGNED, _PEERS), Leave: Stage.LEAVING},
        Stage.IDLE: {Perform: Stage.PERFORMING, **_staying(Stage.IDLE, _PEERS), Leave: Stage.LEAVING},
        Stage.PERFORMING: {**_staying(Stage.PERFORMING, _PEERS), Leave: Stage.LEAVING},
        # The last words of a host may be read after its death was seen.
        Stage.BEREFT: {**_staying(Stage.BEREFT, _PEERS)},
        Stage.ORPHANED: {Welcome: Stage.IDLE, **_staying(Stage.ORPHANED, _PEERS), Leave: Stage.LEAVING},
        Stage.LEAVING: {**_staying(Stage.LEAVING, _PEERS)},
        Stage.LEFT: {},
    }
)
"""What the host may say at each stage, and where that leads. Anything else is a broken host."""

HOST_DIED: Final[Mapping[Stage, Stage]] = MappingProxyType(
    {
        Stage.FORKED: Stage.LEAVING,
        Stage.PARKED: Stage.LEAVING,
        # It has a role and nothing done in it; a next host hears so from its hello.
        Stage.ASSIGNED: Stage.ORPHANED,
        Stage.IDLE: Stage.ORPHANED,
        Stage.PERFORMING: Stage.BEREFT,
        Stage.BEREFT: Stage.BEREFT,
        Stage.ORPHANED: Stage.ORPHANED,
        Stage.LEAVING: Stage.LEAVING,
        Stage.LEFT: Stage.LEFT,
    }
)
"""Where a worker finds itself when its host is dead. A spare is of no use to anybody then."""

OUTCOMES: Final = frozenset({"complete", "skipped", "failed"})


class OutOfTurn(RuntimeError):
    """Raised by `sent` when we are about to break the protocol ourselves: a mistake in this program, not in the peer's."""


class Conversation:
    """One end of one conversation. Tell it each word that was received or is about to be sent; it objects, or moves on.

    The host has one per process it forked or adopted (`adopted` starts it as ORPHANED); a worker has one in all. What a
    word is refused for changes nothing.
    """

    def __init__(self, end: End, *, driver: str = "", incarnation: int = 0, adopted: bool = False) -> None:
        """`driver`, `incarnation`: only for a life that is adopted; else the Assign tells."""
        self.stage = Stage.ORPHANED if adopted else Stage.FORKED
        self.driver = driver
        self.incarnation = incarnation
        self._end = end
        self._adopted = adopted
        self._seq = 0
        self._verb = ""

    def received(self, message: FromHost | FromWorker) -> bool:
        """Take a word of the peer. True: act on it. False: a harmless repetition, to be passed over. Raises ProtocolError."""
        if self._is_late_hello(message):
            return False
        table = FROM_WORKER if self._end is End.HOST else FROM_HOST
        following = table[self.stage].get(type(message))
        if following is None:
            peer = "the worker" if self._end is End.HOST else "the host"
            reason = f"{peer} says {type(message).__name__} in a conversation whose worker {self.stage.value}"
            raise ProtocolError(reason)
        fault = self._fault_in(message)
        if fault:
            raise ProtocolError(fault)
        self._move(message, following)
        return True

    def sent(self, message: FromHost | FromWorker) -> None:
        """Note a word that is about to be sent. Raises OutOfTurn if the peer would object."""
        table = FROM_HOST if self._end is End.HOST else FROM_WORKER
        following = table[self.stage].get(type(message))
        if following is None:
            reason = f"{type(message).__name__} is not for a conversation whose worker {self.stage.value}"
            raise OutOfTurn(reason)
        fault = self._fault_in(message)
        if fault:
            raise OutOfTurn(fault)
        self._move(message, following)

    def host_died(self) -> None:
        """Note that the host of this worker is dead; for the worker's end only."""
        self.stage = HOST_DIED[self.stage]

    def verb_ended_unheard(self) -> None:
        """Note that a verb of a dead host has ended. There is nobody to report it to: the next hello tells how far we are."""
        if self.stage is not Stage.BEREFT:
            reason = f"no verb of a dead host is under way, the worker {self.stage.value}"
            raise OutOfTurn(reason)
        self.stage = Stage.ORPHANED

    def _is_late_hello(self, message: FromHost | FromWorker) -> bool:
        """Whether it is a hello that crossed our welcome: an orphan repeats it until it is heard."""
        return (
            self._end is End.HOST
            and self._adopted
            and isinstance(message, Hello)
            and self.stage in {Stage.IDLE, Stage.PERFORMING}
            and (message.driver, message.incarnation) == (self.driver, self.incarnation)
        )

    def _fault_in(self, message: FromHost | FromWorker) -> str:
        """Say what in a word contradicts what was said before; empty if nothing does."""
        if isinstance(message, Parked | Hello) and message.protocol != PROTOCOL:
            return f"it speaks protocol {message.protocol}, not {PROTOCOL}"
        if isinstance(message, Assign | Perform | Welcome):
            return self._fault_in_order(message)
        if isinstance(message, Hello | VerbDone | Report | Inhibit | Happened | Goodbye):
            return self._fault_in_name(message.driver, message.incarnation) or self._fault_in_answer(message)
        return ""

    def _fault_in_order(self, message: Assign | Perform | Welcome) -> str:
        if isinstance(message, Assign):
            return "" if message.incarnation > 0 else "the lives of a driver are counted from 1"
        if isinstance(message, Perform):
            return "" if message.seq > self._seq else f"verb {message.seq} is asked for after verb {self._seq}"
        same = message.incarnation == self.incarnation
        return "" if same else f"life {message.incarnation} is welcomed, this is life {self.incarnation}"

    def _fault_in_name(self, driver: str, incarnation: int) -> str:
        if (driver, incarnation) == (self.driver, self.incarnation):
            return ""
        return f"it claims to be life {incarnation} of '{driver}', and is life {self.incarnation} of '{self.driver}'"

    def _fault_in_answer(self, message: FromWorker) -> str:
        if isinstance(message, Hello) and self.stage is Stage.ASSIGNED and message.phase:
            return f"a life that has just begun claims to be past {message.phase}"
        if isinstance(message, VerbDone) and (message.seq, message.verb) != (self._seq, self._verb):
            return f"it reports {message.verb} number {message.seq}, asked was {self._verb} number {self._seq}"
        if isinstance(message, VerbDone) and message.outcome not in OUTCOMES:
            return f"it reports the outcome '{message.outcome}', there are {', '.join(sorted(OUTCOMES))}"
        return ""

    def _move(self, message: FromHost | FromWorker, following: Stage) -> None:
        if isinstance(message, Assign):
            self.driver, self.incarnation = str(message.spec.get("name", "")), message.incarnation
        elif isinstance(message, Perform):
            self._seq, self._verb = message.seq, message.verb
        elif isinstance(message, Welcome):
            # Another host, which counts from one again.
            self._seq, self._verb = 0, ""
        self.stage = following


def drawing() -> str:
    """Return the conversation as a Mermaid state diagram, drawn from the tables: what stays in place is left out."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {stage.name}: {stage.name}<br/>{stage.value}" for stage in Stage]
    for speaker, table in (("worker", FROM_WORKER), ("host", FROM_HOST)):
        moves = [(stage, word, to) for stage, words in table.items() for word, to in words.items() if to is not stage]
        lines += [f"    {stage.name} --> {to.name}: {speaker}: {word.__name__}" for stage, word, to in moves]
    lines += [f"    {stage.name} --> {to.name}: host died" for stage, to in HOST_DIED.items() if to is not stage]
    lines.append("    BEREFT --> ORPHANED: verb ended")
    return "\n".join(lines) + "\n"
