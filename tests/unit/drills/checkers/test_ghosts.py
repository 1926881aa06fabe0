"""Ghosts: listed and not there, there and not listed, active and not mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.drills.histories import UUID, guest, history, look
from tierhost.drills.checkers.ghosts import judge
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

BODY = {"uuid": UUID, "pid": 70}


def seen(guests: dict[str, Any], bodies: list[dict[str, Any]], *, label: str = "after", **more: Any) -> History:
    mounts = more.pop("mounts", [])
    return history(looks=(look(label, at_s=9, guests=guests, world={"guests": bodies, "mounts": mounts}, **more),))


def test_who_is_listed_and_there_is_no_ghost() -> None:
    assert judge(seen({"web": guest()}, [BODY])).verdict is Verdict.HELD
    assert judge(seen({"web": guest(state="shutoff", pid=0)}, [])).verdict is Verdict.HELD


@pytest.mark.parametrize(
    ("guests", "bodies", "word"),
    [
        ({"web": guest()}, [], "which is not there"),
        ({"web": guest()}, [{"uuid": UUID, "pid": 71}], "which is not there"),
        ({"web": {"state": "running", "uuid": UUID}}, [], "has no process"),
        ({}, [BODY], "nobody lists"),
        ({"web": guest(state="shutoff", pid=0)}, [BODY], "nobody lists"),
    ],
)
def test_a_ghost_is_found(guests: dict[str, Any], bodies: list[dict[str, Any]], word: str) -> None:
    finding = judge(seen(guests, bodies))
    assert finding.verdict is Verdict.BROKEN
    assert word in finding.evidence[0]


def test_a_guest_of_a_target_without_pids_is_known_by_its_uuid_or_its_name() -> None:
    assert judge(seen({"web": {"state": "running", "uuid": UUID}}, [BODY])).verdict is Verdict.HELD
    assert judge(seen({"web": {"state": "running", "pid": 70}}, [{**BODY, "name": "web"}])).verdict is Verdict.HELD


def test_a_pool_that_is_active_and_not_mounted_is_a_ghost_too() -> None:
    vault: dict[str, Any] = {"pools": {"vault": {"state": "active", "type": "fs", "target": "/tmp/site/vault"}}}
    assert judge(seen({}, [], mounts=["vault"], **vault)).verdict is Verdict.HELD
    assert judge(seen({}, [], mounts=["other"], **vault)).verdict is Verdict.BROKEN


def test_a_look_in_the_middle_or_at_half_of_it_is_no_evidence() -> None:
    assert judge(seen({"web": guest()}, [], label="during")).verdict is Verdict.UNKNOWN
    assert judge(history(looks=(look("after", at_s=9, guests={}),))).verdict is Verdict.UNKNOWN
    assert judge(seen({}, [], label="before")).verdict is Verdict.UNKNOWN
