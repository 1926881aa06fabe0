"""What was acknowledged must be there: the model and its judge, on histories of one line each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.drills.histories import DRILL, STATUS, UUID, call, guest, history, look, pool, pool_xml, strike
from tierhost.drills.acknowledged import lost_acknowledgements
from tierhost.drills.checkers.exact_restart import judge, judge_drill
from tierhost.drills.history import FAILED, UNKNOWN, Call, History
from tierhost.drills.plan import Radius
from tierhost.drills.verdicts import Verdict

CREATE, DESTROY = "storage.storage_pool_create", "storage.storage_pool_destroy"


def run(calls: list[Call], before: dict[str, Any], after: dict[str, Any], **fields: Any) -> History:
    looks = (look("before", at_s=0.5, **before), look("after", at_s=9, **after))
    return history(calls=tuple(calls), looks=looks, **fields)


def pools(**rows: Any) -> dict[str, Any]:
    return {"pools": rows}


def test_an_acknowledged_start_is_there_afterwards() -> None:
    held = run([call(CREATE, "vault", 0)], pools(vault=pool(active=False)), pools(vault=pool()))
    assert judge(held).verdict is Verdict.HELD
    assert lost_acknowledgements(held) == (0, 1)


def test_an_acknowledged_start_that_is_gone_is_lost() -> None:
    lost = run([call(CREATE, "vault", 0)], pools(vault=pool(active=False)), pools(vault=pool(active=False)))
    finding = judge(lost)
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("pool vault: active is False, expected True (call 2000, storage.storage_pool_create, answered)",)
    assert lost_acknowledgements(lost) == (1, 1)


def test_a_stopped_pool_that_comes_back_active_is_found() -> None:
    back = run([call(DESTROY, "vault")], pools(vault=pool()), pools(vault=pool()))
    assert judge(back).verdict is Verdict.BROKEN


@pytest.mark.parametrize("active", [True, False])
def test_a_start_with_an_unknown_outcome_may_be_either(active: bool) -> None:
    doubt = call(CREATE, "vault", 0, outcome=UNKNOWN, kind="OutcomeUnknown")
    assert judge(run([doubt], pools(vault=pool(active=False)), pools(vault=pool(active=active)))).verdict is Verdict.HELD


def test_a_refused_start_changes_nothing() -> None:
    refused = call(CREATE, "vault", 0, outcome=FAILED, kind="DriverError")
    assert judge(run([refused], pools(vault=pool(active=False)), pools(vault=pool()))).verdict is Verdict.BROKEN


def test_what_was_written_last_counts() -> None:
    calls = [call(CREATE, "vault", 0, at_s=2), call(DESTROY, "vault", at_s=3)]
    assert judge(run(calls, pools(vault=pool()), pools(vault=pool(active=False)))).verdict is Verdict.HELD
    assert judge(run(calls, pools(vault=pool()), pools(vault=pool()))).verdict is Verdict.BROKEN


@pytest.mark.parametrize("active", [True, False])
def test_of_calls_that_overlap_either_may_have_been_the_last(active: bool) -> None:
    calls = [call(CREATE, "vault", 0, at_s=2, took_s=2), call(DESTROY, "vault", at_s=3, took_s=2)]
    assert judge(run(calls, pools(vault=pool()), pools(vault=pool(active=active)))).verdict is Verdict.HELD


def test_a_doubt_that_is_over_is_overwritten_and_one_that_may_still_come_is_not() -> None:
    for kind, verdict in (("OutcomeUnknown", Verdict.BROKEN), ("DeadlineExceeded", Verdict.HELD)):
        calls = [call(DESTROY, "vault", at_s=2, outcome=UNKNOWN, kind=kind), call(CREATE, "vault", 0, at_s=3)]
        assert judge(run(calls, pools(vault=pool()), pools(vault=pool(active=False)))).verdict is verdict


def test_a_definition_is_known_by_its_xml_and_found_under_its_uuid_too() -> None:
    made = call("storage.storage_pool_define_xml", pool_xml("attic"), at_s=2, value={"name": "attic", "uuid": "u-1"})
    flagged = call("storage.storage_pool_set_autostart", "u-1", True, at_s=3)
    there = pools(attic=pool(active=False, autostart=True))
    assert judge(run([made, flagged], pools(), there)).verdict is Verdict.HELD
    finding = judge(run([made, flagged], pools(), pools()))
    assert len(finding.evidence) == 2


def test_a_thing_that_nobody_made_or_took_away_is_found() -> None:
    assert judge(run([], pools(), pools(ghost=pool()))).verdict is Verdict.BROKEN
    assert judge(run([], pools(vault=pool()), pools())).verdict is Verdict.BROKEN
    assert judge(run([], pools(vault=pool(autostart=True)), pools(vault=pool()))).verdict is Verdict.BROKEN


def test_a_half_made_volume_and_a_lost_one_are_found_and_those_of_an_inactive_pool_are_not_asked_for() -> None:
    made = call("storage.storage_vol_create_xml", "vault", "<volume><name>disk</name></volume>")
    vault = pools(vault=pool())
    assert judge(run([made], {**vault, "volumes": {}}, {**vault, "volumes": {"vault/disk": {}}})).verdict is Verdict.HELD
    assert judge(run([made], {**vault, "volumes": {}}, {**vault, "volumes": {}})).verdict is Verdict.BROKEN
    stopped = call(DESTROY, "vault", at_s=3)
    down = pools(vault=pool(active=False))
    assert judge(run([made, stopped], {**vault, "volumes": {}}, {**down, "volumes": {}})).verdict is Verdict.HELD


def test_a_secret_has_the_value_that_was_acknowledged() -> None:
    told = call("secret.secret_set_value", "s-1", "sha256:aa")
    empty = {"secrets": {"s-1": {"has_value": False}}}
    for row, verdict in (
        ({"has_value": True}, Verdict.HELD),
        ({"has_value": True, "value": "sha256:aa"}, Verdict.HELD),
        ({"has_value": True, "value": "sha256:bb"}, Verdict.BROKEN),
        ({"has_value": False}, Verdict.BROKEN),
    ):
        assert judge(run([told], empty, {"secrets": {"s-1": row}})).verdict is verdict


def test_a_guest_runs_on_in_the_same_process() -> None:
    before = {"guests": {"web": guest()}}
    assert judge(run([], before, before)).verdict is Verdict.HELD
    other = judge(run([], before, {"guests": {"web": guest(pid=99)}}))
    assert other.evidence == ("guest web: pid is 99, expected 70 (as it was before)",)
    ended = judge(run([], before, {"guests": {"web": guest(state="shutoff", pid=0)}}))
    assert ended.verdict is Verdict.BROKEN


def test_a_guest_that_was_started_paused_ended_or_flagged_is_so_afterwards() -> None:
    off = {"guests": {"web": guest(state="shutoff", pid=0)}}
    start = call("qemu.domain_create", UUID, at_s=2)
    assert judge(run([start], off, {"guests": {"web": guest()}})).verdict is Verdict.HELD
    assert judge(run([start], off, off)).verdict is Verdict.BROKEN
    pause = call("qemu.domain_suspend", "web", at_s=3)
    assert judge(run([start, pause], off, {"guests": {"web": guest(state="paused")}})).verdict is Verdict.HELD
    assert judge(run([start, pause], off, {"guests": {"web": guest()}})).verdict is Verdict.BROKEN
    end = call("qemu.domain_destroy", "web", at_s=4)
    assert judge(run([start, end], off, off)).verdict is Verdict.HELD
    flag = call("qemu.domain_set_autostart", "web", True, at_s=5)
    assert judge(run([flag], off, off)).verdict is Verdict.BROKEN


def test_a_guest_that_was_struck_itself_may_have_ended_and_one_that_was_not_may_not() -> None:
    before = {"guests": {"web": guest(), "ledger": guest(pid=71)}}
    after = {"guests": {"web": guest(state="shutoff", pid=0), "ledger": guest(pid=71)}}
    assert judge(run([], before, after, strikes=(strike(target="guest web"),))).verdict is Verdict.HELD
    assert judge(run([], before, after, strikes=(strike(target="guest ledger"),))).verdict is Verdict.BROKEN
    assert judge(run([], before, after, strikes=(strike(target="guest web", at_s=None),))).verdict is Verdict.BROKEN


def test_a_boot_ends_what_only_lives_and_nothing_else() -> None:
    before = pools(vault=pool())
    boot = (strike("boot-id", "host"),)
    assert judge(run([], before, pools(vault=pool(active=False)), strikes=boot)).verdict is Verdict.HELD
    assert judge(run([], before, pools(), strikes=boot)).verdict is Verdict.BROKEN


def test_without_a_last_look_or_anything_to_compare_nothing_is_known() -> None:
    start = call(CREATE, "vault", 0)
    assert judge(history(calls=(start,))).verdict is Verdict.UNKNOWN
    assert lost_acknowledgements(history(calls=(start,))) is None
    assert judge(run([], {}, {})).verdict is Verdict.UNKNOWN
    assert judge(run([start], pools(), {"secrets": {}})).verdict is Verdict.UNKNOWN


# Losses that are allowed, if they are told.

LENIENT = replace(DRILL, radius=Radius(may_lose=("pools v*", "secrets *")))


def shown(driver: str, degraded: dict[str, str], phase: str = "READY") -> dict[str, Any]:
    """A status in which one driver complains."""
    return {**STATUS, "drivers": [{"name": driver, "phase": phase, "last_error": "gave up", "degraded": degraded}]}


@pytest.mark.parametrize(
    "status",
    [
        shown("storage", {"state": "both files of the store are lost"}),
        shown("storage", {"pool vault": "its definition cannot be read"}),
        shown("storage", {"active u-17": "both files have lost it"}),
        shown("storage", {}, phase="QUARANTINED"),
    ],
)
def test_a_loss_that_is_allowed_and_told_is_none(status: dict[str, Any]) -> None:
    before, after = pools(vault=pool() | {"uuid": "u-17"}, attic=pool()), pools(vault=pool(active=False), attic=pool())
    seen = run([], before, {**after, "status": status})
    finding = judge_drill(seen, LENIENT)
    assert finding.verdict is Verdict.HELD
    assert "1 are lost, all of them told" in finding.text
    assert judge_drill(seen, DRILL).verdict is Verdict.BROKEN, "without leave it may not be lost, told or not"


@pytest.mark.parametrize(
    "status",
    [STATUS, shown("storage", {"pool attic": "something else"}), shown("secret", {"state": "both files of the store are lost"})],
)
def test_a_loss_that_nobody_tells_is_broken_even_where_it_is_allowed(status: dict[str, Any]) -> None:
    seen = run([], pools(vault=pool()), {**pools(vault=pool(active=False)), "status": status})
    finding = judge_drill(seen, LENIENT)
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("pool vault: active is False, expected True (as it was before), lost, and nobody was told",)


def test_leave_is_given_for_what_is_named_and_for_losing_it_only() -> None:
    status = shown("storage", {"state": "both files of the store are lost"})
    attic = run([], pools(attic=pool()), {**pools(attic=pool(active=False)), "status": status})
    assert judge_drill(attic, LENIENT).verdict is Verdict.BROKEN
    back = run([], pools(vault=pool(active=False)), {**pools(vault=pool()), "status": status})
    assert judge_drill(back, LENIENT).verdict is Verdict.BROKEN
    row = {"has_value": True, "value": "sha256:aa"}
    other = run(
        [],
        {"secrets": {"s-1": row}},
        {"secrets": {"s-1": row | {"value": "sha256:bb"}}, "status": shown("secret", {"state": "?"})},
    )
    assert judge_drill(other, LENIENT).verdict is Verdict.BROKEN, "another value is no loss"


def test_a_refusal_that_speaks_of_the_loss_tells_it_and_one_that_has_forgotten_does_not() -> None:
    for code, verdict in ((55, Verdict.HELD), (66, Verdict.BROKEN)):
        asked = call(
            "secret.secret_get_value", "s-1", at_s=3, outcome=FAILED, kind="DriverError", code=code, text="it does not open"
        )
        seen = run([asked], {"secrets": {"s-1": {"has_value": True}}}, {"secrets": {}}, strikes=(strike(target="secret"),))
        assert judge_drill(seen, LENIENT).verdict is verdict
