"""A drill as a frozen value: what is steady, what is asked meanwhile, what is broken where, and what may suffer from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNING: Final = "running"
"""`site` of a drill that takes the target as it is."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a fault strikes, by what happens and not only by the clock.

    `kind` is "time": `after_s` seconds after the steady state was confirmed ("t+2s");
    "phase": `driver` enters `phase` ("phase AUTOSTARTING of storage");
    "commit": `driver` is about to make its `ordinal`-th state commit durable ("storage, 2nd state commit");
    "reply": `driver` is about to take the `ordinal`-th reply of `peer` ("qemu -> secret, 1st reply");
    "call": the drill's `ordinal`-th own call of `driver` is on its way ("storage, 1st call").
    """

    kind: str
    driver: str = ""
    peer: str = ""
    phase: str = ""
    ordinal: int = 1
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What strikes (a name of the faults' table), whom (a driver, "host", "zygote", "spares", "guest NAME", ...), and where."""

    kind: str
    target: str
    point: Point
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """One sentence of the steady-state hypothesis: a call, and the tolerance its answer must lie in.

    `tolerance` is one of {"equals": v}, {"count": n}, {"at_least": n}, {"at_most_s": seconds}, {"contains": {...}}.
    """

    title: str
    method: str
    args: tuple[Any, ...] = ()
    tolerance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that the drill makes. `refused`: the kind of error that it must get (DriverError); an answer is the failure then."""

    method: str
    args: tuple[Any, ...] = ()
    deadline_s: float = 30.0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """A steady stream of harmless calls, taken in turn."""

    asks: tuple[Ask, ...] = ()
    per_second: float = 20.0


@dataclass(frozen=True, slots=True)
class Radius:
    """What may suffer: calls of `drivers` (or methods "qemu.domain_create"), with errors of `kinds`, for `for_s` seconds.

    `may_lose` are patterns of objects ("secrets *", "pools images") that may be lost, if the loss is told: by the status of
    their driver, or by a call that is refused for it.
    """

    drivers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    for_s: float = 10.0
    may_lose: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill, from a file or from a test. `site` is a folder of libvirt XML files, or RUNNING."""

    name: str
    title: str
    proves: str
    site: str = ""
    steady: tuple[Probe, ...] = ()
    asks: tuple[Ask, ...] = ()
    load: Load = field(default_factory=Load)
    faults: tuple[Fault, ...] = ()
    radius: Radius = field(default_factory=Radius)
    abort_after_s: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)
