"""What a timeline shows, before it is drawn: a lane for each worker and guest, with spans, marks and strikes on it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.drills.history import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.drills.history import Call, History

SERVING: Final = frozenset({"READY", "RELOADING"})
STARTING: Final = frozenset({"ADOPTING", "INITIALIZING", "INITIALIZED", "AUTOSTARTING"})
UP, COMING, DOWN, SEEN = "up", "coming", "down", "seen"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted, in seconds from the run's beginning. `look` says how it is drawn, `text` what it was."""

    begin_s: float
    end_s: float
    look: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one instant."""

    at_s: float
    text: str


@dataclass(slots=True)
class Lane:
    """One worker, one guest, or the host. `failed`: calls to it that were not answered; `answers`: those that were."""

    name: str
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    failed: list[Mark] = field(default_factory=list)
    answers: list[Span] = field(default_factory=list)


def lanes_of(history: History) -> list[Lane]:
    """Every lane of a run: the host, then workers in the order in which they started, then guests."""
    workers = _workers(history)
    for call in history.calls:
        lane = workers.setdefault(call.driver, Lane(call.driver))
        _add(lane, call, history)
    return [*_host(history), *workers.values(), *_guests(history)]


def _add(lane: Lane, call: Call, history: History) -> None:
    begin_s = call.begin_s - history.began_s
    end_s = (history.ended_s if call.end_s is None else call.end_s) - history.began_s
    if call.outcome == ANSWERED:
        lane.answers.append(Span(begin_s, end_s, SEEN, f"{call.method} answered after {(end_s - begin_s) * 1000:.1f} ms"))
    else:
        how = call.kind or ("no answer" if call.end_s is None else call.outcome)
        lane.failed.append(Mark(end_s, f"{call.method}: {how} after {(end_s - begin_s) * 1000:.0f} ms"))


def _workers(history: History) -> dict[str, Lane]:
    lanes: dict[str, Lane] = {}
    phases: dict[str, tuple[float, str, int]] = {}
    for line in history.journal:
        driver = str(line.fields.get("driver", ""))
        if not driver:
            continue
        lane = lanes.setdefault(driver, Lane(driver))
        at_s = line.at_s - history.began_s
        if line.what == "WorkerExited":
            lane.marks.append(Mark(at_s, f"life {line.fields.get('incarnation')} ended: {line.fields.get('how', '')}"))
        elif line.what == "PublishPhase":
            if driver in phases:
                lane.spans.append(_span(phases[driver], at_s))
            phases[driver] = (at_s, str(line.fields.get("phase")), int(line.fields.get("incarnation", 0)))
    for driver, since in phases.items():
        lanes[driver].spans.append(_span(since, history.ended_s - history.began_s))
    return lanes


def _span(since: tuple[float, str, int], end_s: float) -> Span:
    begin_s, phase, incarnation = since
    look = UP if phase in SERVING else COMING if phase in STARTING else DOWN
    return Span(max(0.0, begin_s), max(0.0, end_s), look, f"life {incarnation} {phase}")


def _host(history: History) -> Iterable[Lane]:
    starts = [line.at_s - history.began_s for line in history.journal if line.what == "HostStarted"]
    struck = [
        strike.fired_s - history.began_s for strike in history.strikes if strike.target == "host" and strike.fired_s is not None
    ]
    if not starts:
        return []
    lane = Lane("host")
    for number, at_s in enumerate(starts, 1):
        until_s = min([*(each for each in struck if each > at_s), *starts[number:], history.ended_s - history.began_s])
        lane.spans.append(Span(max(0.0, at_s), max(0.0, until_s), UP, f"host {number}"))
    lane.marks += [Mark(at_s, "the host was struck") for at_s in struck]
    return [lane]


def _guests(history: History) -> list[Lane]:
    """A guest is known at looks alone: between two that show the same process it is taken to have run."""
    names = {
        row.get("uuid"): name for look in history.looks for name, row in look.objects.get("guests", {}).items() if row.get("uuid")
    }
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    for look in history.looks:
        for row in look.world.get("guests", ()):
            seen[str(names.get(row["uuid"], row["uuid"])), row["pid"]].append(look.at_s - history.began_s)
    lanes: dict[str, Lane] = {}
    for (name, pid), instants in sorted(seen.items(), key=lambda item: item[1][0]):
        lane = lanes.setdefault(name, Lane(f"guest {name}"))
        lane.spans.append(Span(min(instants), max(instants), UP, f"process {pid}, seen {len(instants)} times"))
        lane.answers += [Span(at_s, at_s, SEEN, f"process {pid} seen") for at_s in instants]
    return list(lanes.values())
