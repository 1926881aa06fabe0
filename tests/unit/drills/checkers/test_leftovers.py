"""What is left: each kind of thing with and without something that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.drills.histories import STATUS, UUID, guest, history, look, pool
from tierhost.drills.checkers.leftovers import judge
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

WORLD: dict[str, list[Any]] = {
    "processes": [{"pid": 5, "start": 1, "argv": ["host"], "role": "host"}],
    "mounts": [],
    "loops": [],
    "sockets": ["run/host.sock"],
    "files": ["state/secret/persistent.a.db"],
}
DRIVERS = [{**row, "incarnation": 2} for row in STATUS["drivers"]]


def run(*, objects: dict[str, Any] | None = None, **more: list[Any]) -> History:
    world = {kind: [*things, *more.get(kind, ())] for kind, things in WORLD.items()}
    status = {**STATUS, "drivers": DRIVERS}
    after = look("after", at_s=9, world=world, status=status, **(objects or {}))
    return history(looks=(look("before", at_s=0, world=WORLD), after))


def body(role: str, pid: int = 9) -> list[Any]:
    return [{"pid": pid, "start": 7, "argv": ["qemu-img", "convert"], "role": role}]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"processes": body("storage")},
        {"processes": body("guest web"), "objects": {"guests": {"web": guest()}}},
        {"mounts": ["vault"], "loops": ["loop7"], "objects": {"pools": {"vault": {**pool(), "target": "/t/vault"}}}},
        {"sockets": ["run/workers/storage.2"]},
        {"sockets": [f"run/drivers/qemu/{UUID}.monitor"], "objects": {"guests": {"web": guest()}}},
        {"files": ["run/logs/storage.2.log", "site/images/new.qcow2", "state/secret/persistent.a.db-wal"]},
        {"files": [f"run/drivers/qemu/{UUID}.log"], "objects": {"guests": {"web": guest(state="shutoff", pid=0)}}},
    ],
)
def test_what_something_explains_is_no_leak(more: dict[str, Any]) -> None:
    assert judge(run(**more)).verdict is Verdict.HELD


@pytest.mark.parametrize(
    "more",
    [
        {"processes": body("other")},
        {"processes": body("guest web"), "objects": {"guests": {"web": guest(state="shutoff", pid=0)}}},
        {"mounts": ["vault"], "objects": {"pools": {"vault": {**pool(active=False), "target": "/t/vault"}}}},
        {"mounts": ["vault", "vault"], "objects": {"pools": {"vault": {**pool(), "target": "/t/vault"}}}},
        {"loops": ["loop7"]},
        {"sockets": ["run/workers/storage.1"]},
        {"sockets": [f"run/drivers/qemu/{UUID}.monitor"]},
        {"files": ["state/boot.new"]},
        {"files": ["site/images/.tierhost-17.part"]},
        {"files": [f"run/drivers/qemu/{UUID}.log"]},
    ],
)
def test_what_nothing_explains_is_a_leak(more: dict[str, Any]) -> None:
    assert judge(run(**more)).verdict is Verdict.BROKEN


def test_what_was_there_before_is_not_this_run_s() -> None:
    old = {**WORLD, "processes": body("other"), "files": ["state/boot.new"]}
    looks = (look("before", at_s=0, world=old), look("after", at_s=9, world=old))
    assert judge(history(looks=looks)).verdict is Verdict.HELD


def test_half_a_look_is_no_evidence() -> None:
    assert judge(history()).verdict is Verdict.UNKNOWN
    assert judge(history(looks=(look("before", at_s=0), look("after", at_s=9)))).verdict is Verdict.UNKNOWN
    half: dict[str, list[Any]] = {"processes": []}
    assert (
        judge(history(looks=(look("before", at_s=0, world=half), look("after", at_s=9, world=half)))).verdict is Verdict.UNKNOWN
    )
