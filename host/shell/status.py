"""What `tierhost status` shows: the core's view of every driver, joined with what the workers report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.host.core.supervisor import Supervisor
    from tierhost.host.shell.processes import Bodies


@dataclass(slots=True)
class Reported:
    """The last word of a driver's worker about its objects."""

    objects: Mapping[str, Any] = field(default_factory=dict)
    degraded: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What does not change while this host lives."""

    pid: int
    root: str
    boot_id: str
    since_s: float


def drivers(core: Supervisor, bodies: Bodies, reported: Mapping[str, Reported]) -> list[dict[str, Any]]:
    """One map per driver, in the order in which they start."""
    rows = []
    for view in core.drivers():
        body = bodies.life(view.name, view.incarnation)
        word = reported.get(view.name, Reported())
        alive = body is not None and not body.exited
        rows.append(
            {
                "name": view.name,
                "tier": view.tier,
                "phase": view.phase,
                "reason": view.reason,
                "pid": body.pid if alive and body else 0,
                "incarnation": view.incarnation,
                "restarts": view.restarts,
                "since_s": view.since_s,
                "last_error": view.last_error,
                "required": view.required,
                "objects": dict(word.objects),
                "degraded": dict(word.degraded),
            }
        )
    return rows


def whole(
    facts: HostFacts,
    core: Supervisor,
    bodies: Bodies,
    reported: Mapping[str, Reported],
    broken: Mapping[str, str],
    inhibitors: Mapping[str, str],
) -> dict[str, Any]:
    """The answer to `host.status`."""
    tiers = [{"name": tier.name, "state": tier.state, "reason": tier.reason} for tier in core.tiers()]
    states = {tier["state"] for tier in tiers}
    return {
        "host": {
            "pid": facts.pid,
            "version": __version__,
            "root": facts.root,
            "boot_id": facts.boot_id,
            "since_s": facts.since_s,
            "state": "stopping"
            if core.is_stopping()
            else "held"
            if "held" in states
            else "ready"
            if states <= {"ready"}
            else "starting",
            "inhibitors": [{"driver": driver, "why": why} for driver, why in sorted(inhibitors.items())],
            "spares": len([body for body in bodies.by_identity.values() if not body.driver and body.parked]),
        },
        "tiers": tiers,
        "drivers": drivers(core, bodies, reported),
        "broken": [{"source": source, "reason": reason} for source, reason in sorted(broken.items())],
    }
