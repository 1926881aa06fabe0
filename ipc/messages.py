"""Every message of the language, one named tuple each (they are made by the thousand): the whole vocabulary on one screen."""

from typing import NamedTuple, TypeAlias, Union

Value: TypeAlias = Union[bool, int, float, str, bytes, list["Value"], dict[str, "Value"], None]  # noqa: UP007  # recursion needs the string form
"""What arguments and answers are made of."""


# Worker to host.


class Parked(NamedTuple):
    """A spare has imported what it can and waits for a role. `warm` names the driver it is warm for, or is empty."""

    protocol: int
    warm: str


class Hello(NamedTuple):
    """A worker takes up its life, or presents itself to a new host with the life it already lives.

    `phase` is empty for a new life; for a life under way it is the last verb that was done ("initialize", "auto_start").
    """

    protocol: int
    driver: str
    incarnation: int
    phase: str


class VerbDone(NamedTuple):
    """The answer to one Perform. `outcome` is "complete", "skipped" or "failed"."""

    driver: str
    incarnation: int
    seq: int
    verb: str
    outcome: str
    reason: str


class Report(NamedTuple):
    """How the driver's objects are: {"pools": {"active": 2}}, and what is degraded: {"pool images": "..."}."""

    driver: str
    incarnation: int
    objects: dict[str, Value]
    degraded: dict[str, Value]


class Inhibit(NamedTuple):
    """The driver holds off (or no longer holds off) the host's shutdown, and says why."""

    driver: str
    incarnation: int
    held: bool
    why: str


class Happened(NamedTuple):
    """Something happened to an object of the driver; the host publishes it as an event."""

    driver: str
    incarnation: int
    kind: str
    subject: str
    details: dict[str, Value]


class Goodbye(NamedTuple):
    """The worker leaves of its own accord, right after this."""

    driver: str
    incarnation: int
    reason: str


# Host to worker.


class Assign(NamedTuple):
    """A parked spare becomes life `incarnation` of the driver that `spec` describes."""

    spec: dict[str, Value]
    incarnation: int
    slot: int
    host_pid: int


class Welcome(NamedTuple):
    """A new host adopts the life that a Hello presented."""

    incarnation: int
    host_pid: int


class Perform(NamedTuple):
    """Run one verb of the contract within `remaining_s` and answer with VerbDone."""

    seq: int
    verb: str
    remaining_s: float


class PeerUp(NamedTuple):
    """A life can be called from now on: where, which process it is, and what its manifest lets it call."""

    driver: str
    incarnation: int
    endpoint: str
    pid: int
    needs: list[Value]


class PeerDown(NamedTuple):
    """A life is over: fail what is in flight there."""

    driver: str
    incarnation: int


class Leave(NamedTuple):
    """Exit at once, without another verb: an unneeded spare, a life this host does not know."""

    reason: str


# Caller to callee and back. The host is a callee too, under the name "host".


class Request(NamedTuple):
    """Please run `method`, and answer within `remaining_s`.

    `incarnation` is the life that is meant (0: whichever listens). `attempt` counts from 1; a repetition has the same
    `call_id`, so that a callee which recorded the first one answers from its record. `caller` and `caller_incarnation`
    are what the caller says of itself; what it may do is decided by its pid alone.
    """

    call_id: bytes
    incarnation: int
    method: str
    args: list[Value]
    kwargs: dict[str, Value]
    remaining_s: float
    caller: str
    caller_incarnation: int
    attempt: int


class Reply(NamedTuple):
    """The answer."""

    call_id: bytes
    incarnation: int
    value: Value


class Failure(NamedTuple):
    """The answer is an error: `kind` is a class of ipc.errors, `code` libvirt's number."""

    call_id: bytes
    incarnation: int
    kind: str
    code: int
    text: str
    subject: str
    hint: str


# Host to everybody who listens.


class Event(NamedTuple):
    """One entry of the event stream; `source` is a driver or "host".

    `number` has no gaps within one host's life, and the next host counts on from a larger one.
    """

    number: int
    at_s: float
    source: str
    incarnation: int
    kind: str
    subject: str
    details: dict[str, Value]


FromWorker: TypeAlias = Parked | Hello | VerbDone | Report | Inhibit | Happened | Goodbye
FromHost: TypeAlias = Assign | Welcome | Perform | PeerUp | PeerDown | Leave
Answer: TypeAlias = Reply | Failure
Message: TypeAlias = FromWorker | FromHost | Request | Answer | Event
