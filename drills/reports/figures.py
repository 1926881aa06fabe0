"""The figures of a report: recovery times, lost acknowledgements, answers under fault against the control, A against B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.acknowledged import lost_acknowledgements
from tierhost.drills.history import ANSWERED
from tierhost.drills.recovery import recovery_times
from tierhost.drills.statistics import Comparison, Distribution, Share, compare, compare_shares, describe, quantile, share
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.drills.reports.results import Run, Trial

VALUES_MAX: Final = 2000
"""So many values of one kind are enough for every interval here, and for a picture."""

COMPARED_MIN: Final = 5
"""Fewer values than this are not held against each other."""

SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind (seconds), described; `beside` are the same of the control or of the other set."""

    title: str
    values: tuple[float, ...]
    told: Distribution
    beside_name: str = ""
    beside: tuple[float, ...] = ()
    beside_told: Distribution | None = None
    compared: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A share of one kind, and the same of the other set if there is one."""

    title: str
    told: Share
    beside_name: str = ""
    beside: Share | None = None
    compared: Comparison | None = None


def series_of(run: Run) -> list[Series]:
    """Every distribution worth showing."""
    targets = sorted({strike.target for trial in run.trials for strike in trial.history.strikes})
    found = [
        _series(
            f"recovery of {target}: strike to first answer",
            _recoveries(run.trials, target),
            run.other_name,
            _recoveries(run.other, target),
        )
        for target in targets
    ]
    drivers = sorted({call.driver for trial in run.trials for call in trial.history.calls if call.load})
    for driver in drivers:
        beside = ("control", run.control) if run.control else (run.other_name, run.other)
        title = f"answers of {driver} after the first strike"
        drawn = (_middles(run.trials, driver), _middles(beside[1], driver))
        found.append(_series(title, (_answers(run.trials, driver), 0), beside[0], (_answers(beside[1], driver), 0), drawn))
    return [series for series in found if series is not None]


def counts_of(run: Run) -> list[Count]:
    """Every share worth showing."""
    rows: list[tuple[str, Share, Share | None]] = [
        ("acknowledged changes lost", _lost(run.trials), _lost(run.other)),
        ("runs BROKEN", _broken(run.trials), _broken(run.other)),
        ("control runs BROKEN (false alarms)", _broken(run.control), None),
    ]
    return [_count(title, told, run.other_name, beside if run.other else None) for title, told, beside in rows if told.n]


def _series(
    title: str,
    told: tuple[Sequence[float], int],
    beside_name: str,
    beside: tuple[Sequence[float], int],
    drawn: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Series | None:
    """One series. `drawn`: what to compare, if the values themselves are no independent draws."""
    described = describe(told[0], told[1])
    if described is None:
        return None
    other = describe(beside[0], beside[1])
    compared = None
    mine, others = drawn or (told[0], beside[0])
    if min(len(mine), len(others)) >= COMPARED_MIN:
        compared = compare(mine, others, SEED)
    return Series(title, tuple(told[0]), described, beside_name if other else "", tuple(beside[0]), other, compared)


def _count(title: str, told: Share, beside_name: str, beside: Share | None) -> Count:
    if beside is None or not beside.n:
        return Count(title, told)
    return Count(title, told, beside_name, beside, compare_shares(told, beside))


def _recoveries(trials: Iterable[Trial], target: str) -> tuple[list[float], int]:
    pairs = [recovery_times(trial.history, target) for trial in trials]
    return [value for values, _ in pairs for value in values][:VALUES_MAX], sum(never for _, never in pairs)


def _answers(trials: Iterable[Trial], driver: str) -> list[float]:
    found: list[float] = []
    for trial in trials:
        fired = [strike.fired_s for strike in trial.history.strikes if strike.fired_s is not None]
        since_s = min(fired, default=trial.history.began_s)
        found += [
            call.end_s - call.begin_s
            for call in trial.history.calls
            if call.load and call.driver == driver and call.outcome == ANSWERED and call.end_s is not None
            if call.end_s >= since_s
        ]
    step = max(1, -(-len(found) // VALUES_MAX))
    return found[::step]


def _middles(trials: Iterable[Trial], driver: str) -> list[float]:
    """One value for each run: the answers of one run have their weather in common, and many of them prove nothing more."""
    found = (sorted(_answers([trial], driver)) for trial in trials)
    return [quantile(values, 0.5) for values in found if values]


def _lost(trials: Iterable[Trial]) -> Share:
    pairs = [pair for trial in trials if (pair := lost_acknowledgements(trial.history)) is not None]
    return share(sum(lost for lost, _ in pairs), sum(n for _, n in pairs))


def _broken(trials: Sequence[Trial]) -> Share:
    return share(sum(trial.verdict is Verdict.BROKEN for trial in trials), len(trials))
