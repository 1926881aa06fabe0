"""A stored run comes back as it was: plan, seed, history, verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.drills.one_run import call, drill, history, strike
from tierhost.drills.drill_file import CATALOGUE, load
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import Journaled, Look, Probed
from tierhost.drills.plan import Ask, Drill
from tierhost.drills.stored import Stored, drill_from, plan_of, read, write
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", sorted(CATALOGUE.glob("*.toml")), ids=lambda path: path.stem)
def test_every_plan_of_the_catalogue_comes_back(path: Path) -> None:
    plan = load(path)
    assert drill_from(json.loads(json.dumps(plan_of(plan)))) == plan


def test_bytes_come_back_as_bytes() -> None:
    plan = Drill("d", "t", "p", asks=(Ask("secret.secret_set_value", ("u", b"\x00\xff")),))
    assert drill_from(json.loads(json.dumps(plan_of(plan)))).asks == plan.asks


def test_a_run_comes_back(tmp_path: Path) -> None:
    whole = history(
        calls=(call(1, "secret.secret_list", 1.0, value=[{"uuid": "u"}]),),
        strikes=(strike(),),
        journal=(Journaled(1.0, "HostStarted", {}),),
        looks=(Look(1.0, "before", {"secrets": {}}, {"processes": []}, {}),),
        probes=(Probed("before", "t", held=True, text="", at_s=1.0),),
        notes=("a note",),
    )
    run = Stored(drill(), whole, (Finding("steady", Verdict.BROKEN, "gone", ("web",)),))
    path = tmp_path / "out" / "run.json"
    write(path, run)
    assert read(path) == run
    assert read(path).verdict is Verdict.BROKEN
    assert [each.name for each in path.parent.iterdir()] == ["run.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 9}', '{"form": 1, "findings": [], "plan": {}, "history": {}}'])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadPlan):
        read(path)
