"""The driver dies after each single effect of a call: the next life ends the call, or undoes it, and nothing leaks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deaths import DIED, SURVIVED
from tests.integration.network.places import need
from tests.integration.nwfilter.dying import SCENES

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 60.0
STEPS_MIN = 2


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a place for many lives."""
    made = Path(tempfile.mkdtemp(prefix="thw", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_call_is_made_once_whenever_the_driver_dies(scene: str, folder: Path) -> None:
    need("nft")
    argv = [sys.executable, "-m", "tests.integration.nwfilter.dying", scene, str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    ends = [int(line.split()[1]) for line in lines]
    assert ends == [DIED] * (len(lines) - 1) + [SURVIVED], done.stderr
    assert len(lines) >= STEPS_MIN
    faults = {line.split()[0]: json.loads(line.split(maxsplit=2)[2]) for line in lines}
    assert {step: found for step, found in faults.items() if found} == {}, done.stderr
