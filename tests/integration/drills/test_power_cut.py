"""Power cuts on the work of real stores and drivers: nothing acknowledged is lost, nothing torn; and bugs are convicted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tierhost.drills.power_cut.operations import ROOT, Made, Named, Renamed, Said, Synced, Written, without_syncs
from tierhost.drills.power_cut.recording import NotRecorded, Recording, lay_out, read_disk, record
from tierhost.drills.power_cut.subjects import NAMES, NoSubject, subject
from tierhost.drills.power_cut.trying import Bench, bench
from tierhost.workers.qemu.backend import is_installed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

SAMPLES = {"store": 60, "run-store": 500, "run-store-next-boot": 500, "secret": 60, "storage": 60, "qemu": 40}
"""Each so-manyth cut; what a subject said is always cut after."""

STEPS = {"qemu": 3}
"""So many of a subject's changes: each guest that is started costs seconds under strace."""

AGAIN = 1
"""So many restarts are cut in their turn."""

PROGRAM = """
import os, sys
from tierhost.workers.runtime.files import write_file
from pathlib import Path
write_file(Path(sys.argv[1], "x"), b"content")
os.write(1, b'{"said": "done"}')
"""


def test_a_program_is_recorded_as_it_wrote(tmp_path: Path) -> None:
    recording = record([sys.executable, "-c", PROGRAM, str(tmp_path)], tmp_path)
    assert recording.operations == [
        Made(1, folder=False, mode=0o600),
        Named(ROOT, "x.new", 1),
        Written(1, 0, b"content"),
        Synced(1),
        Renamed(ROOT, "x.new", "x", 1),
        Synced(ROOT),
        Said('{"said": "done"}'),
    ]


def test_a_program_that_fails_is_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match="ended with 3: oh dear"):
        record([sys.executable, "-c", "import sys; print('oh dear', file=sys.stderr); sys.exit(3)"], tmp_path)


def test_a_disk_that_is_laid_out_is_read_as_the_same(tmp_path: Path) -> None:
    (tmp_path / "one/in").mkdir(parents=True)
    (tmp_path / "one/in/x").write_bytes(b"x")
    (tmp_path / "one/y").write_bytes(b"")
    disk = read_disk(tmp_path / "one")
    lay_out(disk, tmp_path / "two")
    assert read_disk(tmp_path / "two").digest() == disk.digest()


needs_qemu = pytest.mark.skipif(not is_installed(), reason="no QEMU is installed: install the package qemu-system-x86")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_qemu if name == "qemu" else ()) for name in NAMES])
def test_nothing_acknowledged_is_lost_and_nothing_torn(name: str) -> None:
    with bench(subject(name)) as place:
        recording = place.record(STEPS.get(name))
        count = place.try_all(recording, every=SAMPLES[name], again=AGAIN)
    assert [found.told() for found in count.found] == []
    assert (count.lost, count.torn) == (0, 0)
    assert count.states > (10 if name in STEPS else 50)
    assert (count.recoveries, count.again > 0) == (AGAIN, True)
    assert count.steps == STEPS.get(name, len(subject(name).steps()))


def is_convicted(place: Bench, planted: Recording) -> bool:
    count = place.try_all(planted, every=5)
    return count.lost > 0 and bool(count.found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["store", "storage"])
def test_planted_bug_a_program_that_does_not_sync_is_convicted(name: str) -> None:
    with bench(subject(name)) as place:
        begin = place.record(2)
        assert is_convicted(place, Recording(begin.begin, without_syncs(begin.operations)))
        # the name of the driver's own folder: nobody syncs for it, and everything in it hangs in the air
        assert is_convicted(place, Recording(begin.begin, without_syncs(begin.operations, frozenset({ROOT}))))
        assert not is_convicted(place, begin), "with its syncs it is right"


@pytest.mark.slow
def test_the_command_prints_what_it_tried_and_its_verdict_is_its_exit_code() -> None:
    argv = [
        sys.executable,
        "-m",
        "tierhost.drills",
        "power-cut",
        "secret",
        "--every",
        "5",
        "--steps",
        "1",
        "--sample",
        "1",
        "--format",
        "json",
    ]
    held = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    summary = json.loads(held.stdout)["summary"]
    assert summary["verdict"] == "HELD"
    assert summary["states"] > 20
    assert (summary["lost"], summary["torn"]) == (0, 0)
    broken = subprocess.run([*argv, "--without-syncs"], capture_output=True, text=True, timeout=60, check=False)
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["summary"]["verdict"] == "BROKEN"


def test_nobody_unknown_is_put_through_it() -> None:
    with pytest.raises(NoSubject, match="no subject 'nobody'"):
        subject("nobody")
