"""Run what is missing of a campaign: begin, wait, write down; begin again what was cut short, and count that."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.campaign.trial import CUT_SHORT, GRACE_S, Ended

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tierhost.drills.campaign.engines import Engine
    from tierhost.drills.campaign.plan import Campaign, Trial
    from tierhost.drills.campaign.results import Attempt, Results

NO_ANSWER_S: Final = GRACE_S + 30.0
"""So long after a trial's own limit it counts as cut short: the engine has lost it, and will not say so."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    attempt: Attempt
    deadline_s: float


def run_missing(
    campaign: Campaign,
    trials: list[Trial],
    results: Results,
    engine: Engine,
    attempts_max: int,
    tell: Callable[[Attempt, Ended], None],
) -> None:
    """Run every trial that has no result yet. A trial that is cut short is begun again, up to so many times in this start."""
    waiting = deque((trial, 1) for trial in results.missing(trials))
    under_way: dict[Future[Ended], tuple[_UnderWay, int]] = {}
    while waiting or under_way:
        while waiting and len(under_way) < engine.slots:
            trial, turn = waiting.popleft()
            attempt = results.begin(trial, engine.name)
            future = engine.submit(campaign.argv(trial), campaign.limit_s)
            under_way[future] = _UnderWay(attempt, time.monotonic() + campaign.limit_s + NO_ANSWER_S), turn
        for future in _ready(under_way):
            begun, turn = under_way.pop(future)
            ended = _ended(future)
            results.end(begun.attempt, ended)
            tell(begun.attempt, ended)
            if ended.outcome == CUT_SHORT and turn < attempts_max:
                waiting.append((begun.attempt.trial, turn + 1))


def _ready(under_way: dict[Future[Ended], tuple[_UnderWay, int]]) -> list[Future[Ended]]:
    """Wait until something ended or is beyond its time, and return that."""
    deadline_s = min(begun.deadline_s for begun, _ in under_way.values())
    done, _ = wait(under_way, timeout=max(0.0, deadline_s - time.monotonic()), return_when=FIRST_COMPLETED)
    now_s = time.monotonic()
    late = [future for future, (begun, _) in under_way.items() if future not in done and begun.deadline_s <= now_s]
    return [*done, *late]


def _ended(future: Future[Ended]) -> Ended:
    """Say how a trial ended, also if it was its engine that failed: whatever that says, nobody knows what became of the trial."""
    if not future.done():
        future.cancel()
        return Ended(CUT_SHORT, text="no word of it within its time")
    try:
        error = future.exception()
    except CancelledError:
        return Ended(CUT_SHORT, text="cancelled by its engine")
    if error is not None:
        return Ended(CUT_SHORT, text=f"{type(error).__name__}: {error}")
    return future.result()
