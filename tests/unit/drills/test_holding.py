"""A host with gates: one for each point of the plan at which a worker is held, none for the others."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.drills.one_run import drill
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.gates import Gated, Holding, PhaseGate, gate_for
from tierhost.drills.launcher.arming import Arming
from tierhost.drills.launcher.gates import COMMIT, Turnstile
from tierhost.drills.plan import Fault
from tierhost.drills.points import parse
from tierhost.drills.recording import Recorder
from tierhost.drills.targets.holding import Gates, holds
from tierhost.drills.targets.ours import OurHost, make

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 10.0
POINT = parse("storage, 1st state commit")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Sockets need a shorter path than pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="thh", dir="/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def test_whoever_is_held_is_named_and_whoever_is_gone_is_no_proof(folder: Path) -> None:
    gates = Gates.make(folder / "gates", 1)
    turnstile = Turnstile(Arming.read(folder / "gates" / "arming.json"))
    gate = gates.take(POINT)
    gate.arm(POINT)
    assert isinstance(gate, Holding)
    assert not gate.wait_reached(time.monotonic())
    assert turnstile.counts(COMMIT, "storage")
    held = threading.Thread(target=turnstile.wait, daemon=True)
    held.start()
    assert gate.wait_reached(time.monotonic() + LIMIT_S)
    assert gate.held().endswith("was held at storage, 1st state commit")
    gates.close()
    held.join(LIMIT_S)
    with pytest.raises(NotFired, match="gone before it could be struck"):
        gate.held()


def test_there_is_one_gate_for_each_such_point_and_none_for_others(folder: Path) -> None:
    gates = Gates.make(folder / "gates", 1)
    with pytest.raises(BadPlan, match="nobody can be held"):
        gates.take(parse("t+1s"))
    gates.take(POINT)
    with pytest.raises(BadPlan, match="nobody can be held"):
        gates.take(POINT)
    gates.close()


def test_a_host_that_was_started_without_gates_says_so(folder: Path) -> None:
    host = make(folder, drill())
    assert isinstance(host, Gated)
    with pytest.raises(BadPlan, match="without gates"):
        gate_for(POINT, host, Recorder(host), threading.Event())
    assert not (folder / "gates").exists()
    assert isinstance(host, OurHost)


def test_gates_are_made_for_what_holds_only(folder: Path) -> None:
    plain = drill()
    point = parse("phase READY of storage")
    faults = (Fault("kill", "host", point), Fault("kill", "host", point, {"hold": True}), Fault("kill", "storage", POINT))
    host = make(folder, replace(plain, faults=faults))
    recorder, start = Recorder(host), threading.Event()
    assert [holds(fault) for fault in faults] == [False, True, True]
    assert isinstance(gate_for(point, host, recorder, start), PhaseGate)
    assert isinstance(gate_for(point, host, recorder, start, hold=True), Holding)
    assert isinstance(gate_for(POINT, host, recorder, start), Holding)
    with pytest.raises(BadPlan, match="nobody can be held"):
        gate_for(POINT, host, recorder, start)
    host.close()
