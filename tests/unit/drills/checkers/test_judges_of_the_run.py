"""The judges of steadiness, of fired faults and of the blast radius: each convicts, each holds, each says when it cannot know."""

from __future__ import annotations

import pytest

from tests.unit.drills.one_run import call, drill, history, strike
from tierhost.drills import checkers
from tierhost.drills.checkers import fired, judge_all, radius, steady
from tierhost.drills.history import FAILED, UNKNOWN, Probed
from tierhost.drills.plan import Radius
from tierhost.drills.verdicts import Finding, Verdict

HELD, BROKEN, NOBODY_KNOWS = Verdict.HELD, Verdict.BROKEN, Verdict.UNKNOWN


def probed(label: str, title: str = "web runs", *, held: bool = True) -> Probed:
    return Probed(label, title, held, "" if held else "expected 1, got 0", 1.0)


@pytest.mark.parametrize(
    ("probes", "verdict"),
    [
        ((probed("before"), probed("after")), HELD),
        ((probed("before"), probed("after", held=False)), BROKEN),
        ((probed("before", held=False), probed("after")), NOBODY_KNOWS),
        ((probed("before", held=False),), NOBODY_KNOWS),
        ((probed("before"),), NOBODY_KNOWS),
        ((probed("before"), probed("before", "other"), probed("after")), NOBODY_KNOWS),
        ((probed("after"),), NOBODY_KNOWS),
        ((), NOBODY_KNOWS),
    ],
)
def test_steady_means_before_and_after(probes: tuple[Probed, ...], verdict: Verdict) -> None:
    assert steady.judge(history(probes=probes)).verdict is verdict


def test_what_is_not_steady_any_more_is_named() -> None:
    finding = steady.judge(history(probes=(probed("before"), probed("after", held=False))))
    assert finding.evidence == ("web runs: expected 1, got 0",)


def test_a_fault_that_did_not_fire_is_no_pass() -> None:
    assert fired.judge_drill(history(strikes=(strike(),)), drill()).verdict is HELD
    assert fired.judge_drill(history(strikes=(strike(fired_s=None),)), drill()).verdict is NOBODY_KNOWS
    assert fired.judge_drill(history(strikes=(strike(proof=""),)), drill()).verdict is NOBODY_KNOWS
    assert fired.judge_drill(history(strikes=(strike(),)), drill(faults=2)).verdict is NOBODY_KNOWS
    assert fired.judge_drill(history(), drill(faults=0)).verdict is HELD


SECRET = Radius(("secret",), ("PeerDied",), 2.0)


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [
        (call(2, "secret.secret_list", 5.1, outcome=FAILED, kind="PeerDied"), HELD),
        (call(2, "secret.secret_list", 4.9, 0.2, outcome=FAILED, kind="PeerDied"), HELD),
        (call(2, "secret.secret_list", 7.9, outcome=FAILED, kind="PeerDied"), HELD),
        (call(2, "secret.secret_list", 8.1, outcome=FAILED, kind="PeerDied"), BROKEN),
        (call(2, "secret.secret_list", 4.0, outcome=FAILED, kind="PeerDied"), BROKEN),
        (call(2, "secret.secret_list", 5.1, outcome=FAILED, kind="DriverError"), BROKEN),
        (call(2, "secret.secret_list", 5.1, outcome=UNKNOWN, kind="OutcomeUnknown"), BROKEN),
        (call(2, "storage.storage_pool_list", 5.1, outcome=FAILED, kind="PeerDied"), BROKEN),
    ],
)
def test_a_failed_call_must_be_of_whom_when_and_how_the_drill_allowed(failed: object, verdict: Verdict) -> None:
    whole = history(strikes=(strike(),), calls=(call(1, "secret.secret_list", 5.5), failed))
    assert radius.judge_drill(whole, drill(radius=SECRET)).verdict is verdict


def test_one_method_may_suffer_where_its_driver_may_not() -> None:
    failed = call(2, "qemu.domain_create", 5.1, outcome=FAILED, kind="PeerDied")
    other = call(3, "qemu.domain_list", 5.1, outcome=FAILED, kind="PeerDied")
    allowed = drill(radius=Radius(("qemu.domain_create",)))
    assert radius.judge_drill(history(strikes=(strike(),), calls=(failed,)), allowed).verdict is HELD
    assert radius.judge_drill(history(strikes=(strike(),), calls=(failed, other)), allowed).verdict is BROKEN


def test_nobody_who_called_means_nobody_who_knows() -> None:
    before = call(1, "secret.secret_list", 1.0)
    assert radius.judge_drill(history(strikes=(strike(),), calls=(before,)), drill()).verdict is NOBODY_KNOWS


def test_every_judge_is_asked_and_one_that_crashes_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_history: object) -> Finding:
        raise ZeroDivisionError

    monkeypatch.setattr(checkers.steady, "judge", crash)
    found = {finding.checker: finding for finding in judge_all(history(strikes=(strike(),)), drill())}
    assert {"steady", "fired", "radius"} <= set(found)
    assert found["steady"].verdict is NOBODY_KNOWS
    assert "ZeroDivisionError" in found["steady"].text
    assert found["fired"].verdict is HELD
