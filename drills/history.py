"""What happened in one run, as a value: calls, strikes, the host's journal, and looks at the world. All a judge may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERED: Final = "answered"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"
"""The three ends of a call: it was acknowledged, it was refused, or (OutcomeUnknown, no answer at all) nobody knows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client. Instants are CLOCK_MONOTONIC; `end_s` None: it never came back (the run was cut short).

    `args` are what was asked, in JSON's terms; bytes stand as "sha256:HEX", so that no secret stands in a history.
    `kind` and `code` are of the error (`PeerDied`, libvirt's number), empty and 0 without one. `value` is the answer in
    the same terms. `load` tells the steady stream from the calls the drill is about. `refused` is the error it had to get.
    """

    number: int
    method: str
    args: tuple[Any, ...]
    begin_s: float
    deadline_s: float
    end_s: float | None = None
    outcome: str = UNKNOWN
    kind: str = ""
    code: int = 0
    text: str = ""
    value: Any = None
    load: bool = False
    refused: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether its caller was let down: no answer, or an error that was not the one to come."""
        return self.outcome != ANSWERED and not (self.refused and self.kind == self.refused)

    @property
    def driver(self) -> str:
        """Whom it asked."""
        return self.method.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault of the plan: where it was aimed, when it fired (None: it never did, which is no pass), how we know, its cure.

    `broken` says what was seen instead of what must follow from the fault at once, if anything must.
    """

    number: int
    kind: str
    target: str
    point: str
    fired_s: float | None = None
    proof: str = ""
    healed_s: float | None = None
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Journaled:
    """One line of the host's journal: an event the core was told, or a command it gave (`what` is its class)."""

    at_s: float
    what: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """The world at one instant, seen from outside and over the API. `label`: "before", "after" (healed and settled), ...

    `objects` is what the drivers say: {"secrets": {uuid: {...}}, "pools": {name: {"state", "autostart", ...}},
    "guests": {name: {"state", "pid", "autostart", "uuid", ...}}, "volumes": {"pool/name": {...}}}; a kind that could not be
    asked for is missing. `world` is what the kernel says: {"processes": [{"pid", "start", "argv", "role"}], "mounts": [...],
    "loops": [...], "sockets": [...], "files": [...], "guests": [{"uuid", "pid"}]} with paths below the site's folder.
    `status` is `tierhost status --format json` as a value (empty for other targets).
    """

    at_s: float
    label: str
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    world: Mapping[str, list[Any]] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probed:
    """One probe of the steady-state hypothesis. `label` is "before" or "after"; `text` says what was seen and expected."""

    label: str
    title: str
    held: bool
    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class History:
    """One run of one drill. `control` are the calls of the same load on the same site without faults, if such a run was made."""

    drill: str
    target: str
    seed: int
    began_s: float
    ended_s: float
    calls: tuple[Call, ...] = ()
    control: tuple[Call, ...] = ()
    strikes: tuple[Strike, ...] = ()
    journal: tuple[Journaled, ...] = ()
    looks: tuple[Look, ...] = ()
    notes: tuple[str, ...] = ()
    probes: tuple[Probed, ...] = ()

    def look(self, label: str) -> Look | None:
        """The latest look under this label."""
        return next((look for look in reversed(self.looks) if look.label == label), None)
