"""Drills that strike at logical points, those that allow a loss, and two builds beside each other; all on real hosts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.mutants.table import Mutant, copy_product
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

DRILL = (sys.executable, "-m", "tierhost.host", "drill", "run")
LIMIT_S = 90.0
LATER_S = 0.4
LATER = Mutant(
    "later", "host/core/restart.py", "        return 0.0\n", f"        return {LATER_S}\n", "the next life comes later", ()
)

SMALL = """
title = "the secret worker dies"
proves = "how long it takes until the next one answers"
[[steady]]
title = "it answers"
method = "secret.secret_list"
[load]
per_second = 200
asks = [{ method = "secret.secret_list" }]
[[faults]]
kind = "kill"
target = "secret"
at = "t+10ms"
[options]
judges = ["fired", "radius", "steady"]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where private folders go; pytest's own paths are too long for sockets."""
    made = Path(tempfile.mkdtemp(prefix="thd", dir="/tmp"))
    try:
        yield made
    finally:
        sweep(made)
        shutil.rmtree(made, ignore_errors=True)


def run(folder: Path, *words: str) -> dict[str, Any]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    argv = [*DRILL, *words, "--seed", "7", "--format", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert not any(folder.glob("tierhost-drill-*")), "nothing is left"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("kill-qemu-at-replies", ["qemu -> storage, 1st reply", "qemu -> storage, 3rd reply"]),
        ("kill-host-at-a-commit", ["storage, 2nd state commit", "storage, 16th state commit"]),
        ("kill-host-between-decisions", [f"phase {phase} of storage" for phase in ("EVICTING", "INITIALIZING", "READY")]),
    ],
)
def test_whoever_is_held_at_a_point_is_struck_there(folder: Path, name: str, held: list[str]) -> None:
    told = run(folder, name)
    proofs = [strike["proof"] for strike in told["history"]["strikes"] if not strike["point"].startswith("t+")]
    assert [proof.partition(" was held at ")[2] for proof in proofs] == held
    if name != "kill-host-at-a-commit":
        # Else the host was struck while a worker was held.
        struck = [proof.partition(" ended")[0].rpartition(" ")[2] for proof in proofs]
        assert [proof.partition(" was held at ")[0].rpartition(" ")[2] for proof in proofs] == struck


@pytest.mark.slow
def test_what_is_lost_with_both_files_of_a_store_is_told(folder: Path) -> None:
    told = run(folder, "damage-both-storage-run")
    (word,) = [finding for finding in told["findings"] if finding["checker"] == "exact_restart"]
    assert "2 are lost, all of them told" in word["text"]
    assert all("told: degraded: state: both files of the store are lost" in line for line in word["evidence"])


@pytest.mark.slow
def test_another_build_is_run_in_turn_and_its_later_answers_are_seen(folder: Path) -> None:
    build = folder / "build"
    copy_product(build, LATER)
    plan = folder / "small.toml"
    plan.write_text(SMALL, encoding="utf-8")
    told = run(folder, str(plan), "--build", str(build))
    series = next(each for each in told["distributions"] if each["title"].startswith("recovery of secret"))
    assert (series["told"]["n"], series["beside_told"]["n"], series["beside_name"]) == (1, 1, str(build))
    assert series["beside_told"]["smallest"] >= LATER_S
    assert series["told"]["smallest"] < LATER_S
