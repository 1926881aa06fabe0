"""The driver dies after each effect of a call about an image: the next life ends the call, or undoes it; nothing is left."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.deaths import DIED, SURVIVED
from tests.integration.storage.ceph_pools import rbd_pool
from tests.integration.storage.dying_on_rbd import SCENES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ceph_cluster import Cluster

LIMIT_S = 120.0
STEPS_MIN = 2


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_call_about_an_image_is_made_once_whenever_the_driver_dies(scene: str, ceph: Cluster, tmp_path: Path) -> None:
    told = json.dumps({"xml": rbd_pool(ceph), "key": base64.b64encode(ceph.keys["client.libvirt"]).decode()})
    argv = [sys.executable, "-m", "tests.integration.storage.dying_on_rbd", scene, str(tmp_path)]
    done = subprocess.run(argv, input=told, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [int(line.split()[1]) for line in lines] == [DIED] * (len(lines) - 1) + [SURVIVED], done.stderr
    assert len(lines) >= STEPS_MIN
    faults = {line.split()[0]: json.loads(line.split(maxsplit=2)[2]) for line in lines}
    assert {step: found for step, found in faults.items() if found} == {}
    assert ceph.images() == []
