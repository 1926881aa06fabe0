"""The driver dies after each single effect of a call: the next life ends the call, or undoes it, and nothing is half done."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.deaths import DIED, SURVIVED
from tests.integration.interface.dying import SCENES
from tests.namespaces import need_namespaces

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 60.0


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_call_is_made_once_whenever_the_driver_dies(scene: str, tmp_path: Path) -> None:
    need_namespaces()
    argv = [sys.executable, "-m", "tests.integration.interface.dying", scene, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    ends = [int(line.split()[1]) for line in lines]
    assert ends == [DIED] * (len(lines) - 1) + [SURVIVED], done.stderr
    assert len(lines) > 1
    faults = {line.split()[0]: json.loads(line.split(maxsplit=2)[2]) for line in lines}
    assert {step: found for step, found in faults.items() if found} == {}
