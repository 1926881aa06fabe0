"""The interpreter of a drill, on a target that answers from a table and with a process of the test's own as victim."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.drills.targets import Answering
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import ANSWERED, FAILED, UNKNOWN
from tierhost.drills.plan import Ask, Drill, Fault, Load, Probe
from tierhost.drills.points import parse
from tierhost.drills.run import Run
from tierhost.drills.targets import NoAnswer
from tierhost.ipc.errors import DeadlineExceeded, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEADY = (Probe("one is there", "a.list", (), {"count": 1}),)
LIST = Ask("a.list", (), 1.0)


@pytest.fixture
def target(tmp_path: Path) -> Answering:
    return Answering(tmp_path, {"a.list": ["x"], "a.set": None})


@pytest.fixture
def victim(target: Answering) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        target.roles["a"] = [process.pid]
        yield process
        process.kill()


def drill(*faults: Fault, **more: Any) -> Drill:
    return Drill("d", "t", "p", **{"steady": STEADY, "faults": faults, **more})


def kill(at: str, target: str = "a", **options: Any) -> Fault:
    return Fault("kill", target, parse(at), options)


def run(plan: Drill, target: Answering, seed: int = 1) -> Any:
    return Run(plan, target, seed, lambda _text: None).go()


def test_a_fault_fires_and_its_proof_is_kept(target: Answering, victim: subprocess.Popen[bytes]) -> None:
    history = run(drill(kill("t+0.01s")), target)
    assert victim.wait(5) == -9
    (strike,) = history.strikes
    assert strike.fired_s is not None
    assert strike.healed_s is not None
    assert f"pid {victim.pid} ended" in strike.proof
    assert [look.label for look in history.looks] == ["before", "after"]
    assert [(probed.label, probed.held) for probed in history.probes] == [("before", True), ("after", True)]


def test_nothing_is_broken_where_it_is_not_steady(
    target: Answering, victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierhost.drills.run.STEADY_LIMIT_S", 0.01)
    target.answers["a.list"] = []
    history = run(drill(kill("t+0.01s")), target)
    assert history.strikes == ()
    assert "not steady" in history.notes[0]
    assert victim.poll() is None


def test_a_fault_without_a_victim_did_not_fire(target: Answering) -> None:
    (strike,) = run(drill(kill("t+0.01s", "b")), target).strikes
    assert strike.fired_s is None
    assert "nobody plays 'b'" in strike.proof


def test_a_point_that_never_comes_did_not_fire(target: Answering, victim: subprocess.Popen[bytes]) -> None:
    (strike,) = run(drill(kill("a, 3rd call", reach_s=0.05), asks=(LIST, LIST)), target).strikes
    assert strike.fired_s is None
    assert "was not reached" in strike.proof
    assert victim.poll() is None


def test_a_fault_strikes_at_the_drills_own_call_and_not_at_the_load(target: Answering, victim: subprocess.Popen[bytes]) -> None:
    plan = drill(kill("a, 2nd call"), asks=(LIST, LIST), load=Load((LIST,), 200.0))
    history = run(plan, target)
    own = [call for call in history.calls if not call.load]
    assert len(own) == 2
    (strike,) = history.strikes
    assert strike.fired_s is not None
    assert strike.fired_s >= own[0].begin_s
    assert victim.wait(5) == -9


def test_calls_end_in_one_of_three_ways(target: Answering) -> None:
    lost = NoAnswer("late")
    lost.__cause__ = DeadlineExceeded("late")
    target.answers |= {"a.bad": DriverError("no such thing"), "a.lost": lost}
    history = run(drill(asks=(LIST, Ask("a.bad"), Ask("a.lost", (b"secret",)))), target)
    own = [call for call in history.calls if not call.load]
    assert [(call.outcome, call.kind) for call in own] == [
        (ANSWERED, ""),
        (FAILED, "DriverError"),
        (UNKNOWN, "DeadlineExceeded"),
    ]
    assert own[0].value == ["x"]
    assert own[2].args[0].startswith("sha256:")


def test_an_unknown_fault_is_refused_before_anything_is_broken(target: Answering) -> None:
    with pytest.raises(BadPlan, match="no kind of fault"):
        run(drill(Fault("hex", "a", parse("t+0s"))), target)
    with pytest.raises(BadPlan, match="shows no point"):
        run(drill(kill("a, 1st state commit")), target)
    with pytest.raises(BadPlan, match="no option colour"):
        run(drill(kill("t+0s", colour="red")), target)
