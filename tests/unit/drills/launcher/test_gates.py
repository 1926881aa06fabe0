"""Gates between two ends in one process: who is counted, who is held, and who may go on."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.drills.launcher.arming import Arming
from tierhost.drills.launcher.gates import COMMIT, PHASE, REPLY, Gate, NoGate, Turnstile
from tierhost.drills.plan import Point

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 10.0


@pytest.fixture
def arming() -> Iterator[Arming]:
    """Sockets need a shorter path than pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="thg", dir="/tmp"))
    try:
        yield Arming(folder / "sheet", folder / "news", gates=2, tied=False)
    finally:
        shutil.rmtree(folder)


def test_the_one_of_the_ordinal_is_to_wait_and_nobody_else(arming: Arming) -> None:
    gate, turnstile = Gate(arming), Turnstile(arming)
    gate.arm(Point("reply", driver="qemu", peer="secret", ordinal=2))
    others = [(REPLY, "qemu", "storage"), (REPLY, "storage", "secret"), (COMMIT, "qemu", "")]
    assert [turnstile.counts(*other) for other in others] == [False] * 3
    assert [turnstile.counts(REPLY, "qemu", "secret") for _ in range(4)] == [False, True, False, False]
    gate.close()


def test_a_phase_of_one_driver_is_told_from_others(arming: Arming) -> None:
    gate, turnstile = Gate(arming), Turnstile(arming)
    gate.arm(Point("phase", driver="storage", phase="READY"))
    others = [(PHASE, "storage", "EVICTING"), (PHASE, "secret", "READY"), (COMMIT, "storage", "")]
    assert [turnstile.counts(*other) for other in others] == [False] * 3
    assert turnstile.counts(PHASE, "storage", "READY")
    with pytest.raises(NoGate):
        gate.arm(Point("phase", driver="storage"))
    gate.close()


def test_gates_at_one_point_count_each_for_itself(arming: Arming) -> None:
    gates = [Gate(arming, number) for number in range(arming.gates)]
    turnstiles = [Turnstile(arming, number) for number in range(arming.gates)]
    for gate, ordinal in zip(gates, (1, 2), strict=True):
        gate.arm(Point("commit", driver="storage", ordinal=ordinal))
    seen = [[turnstile.counts(COMMIT, "storage") for turnstile in turnstiles] for _ in range(3)]
    assert seen == [[True, False], [False, True], [False, False]]
    for gate in gates:
        gate.close()


def test_a_gate_holds_until_it_is_released_and_knows_it(arming: Arming) -> None:
    gate, turnstile = Gate(arming), Turnstile(arming)
    gate.arm(Point("commit", driver="storage"))
    assert not gate.holds()
    assert turnstile.counts(COMMIT, "storage")
    held = threading.Thread(target=turnstile.wait, daemon=True)
    held.start()
    gate.wait_reached(time.monotonic() + LIMIT_S)
    assert gate.holds()
    assert held.is_alive()
    gate.release()
    held.join(LIMIT_S)
    assert not held.is_alive()
    assert not gate.holds()
    gate.close()
    gate.release()
    gate.close()


def test_where_nobody_watches_nobody_is_held(arming: Arming) -> None:
    gate, turnstile = Gate(arming), Turnstile(arming)
    gate.arm(Point("commit", driver="storage"))
    gate.close()
    turnstile.wait()
