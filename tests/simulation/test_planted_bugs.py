"""The judge convicts: for every promise, a supervisor that breaks it is found out, and found out for that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.run import run_seed
from tests.simulation.stage import Broken
from tierhost.host.core.promises import INVARIANTS
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterable

SEEDS: Final = range(1, 41)


def verdicts(core_class: type[Supervisor], seeds: Iterable[int] = SEEDS) -> Counter[str]:
    """Count for which promise this supervisor was convicted first, over a few seeds."""
    found: Counter[str] = Counter()
    for seed in seeds:
        try:
            run_seed(seed, core_class=core_class)
        except Broken as broken:
            found[broken.breach.invariant] += 1
    return found


@pytest.mark.parametrize(("invariant", "core_class"), PLANTED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_planted_bug_is_convicted_of_breaking_its_promise(invariant: str, core_class: type[Supervisor]) -> None:
    found = verdicts(core_class)
    assert found[invariant] > 0, f"convicted only of {found}"
    assert found.most_common(1)[0][0] == invariant, found


def test_every_promise_has_a_planted_bug() -> None:
    assert {invariant for invariant, _ in PLANTED} == set(INVARIANTS)


def test_the_supervisor_itself_is_acquitted_on_the_same_seeds() -> None:
    assert verdicts(Supervisor) == Counter()
