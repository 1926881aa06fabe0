"""Debian's libvirtd as a target: asked by our words, looked at, convicted; and gone with all it had, whoever is killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.drills.libvirt_faults import definitions, table
from tierhost.drills.plan import Ask
from tierhost.drills.targets import NoAnswer
from tierhost.drills.targets.libvirtd import Libvirtd, open_target
from tierhost.drills.targets.private_libvirtd import why_not
from tierhost.drills.verdicts import Verdict
from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.qemu,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirtd is there"),
]

OWNER = """
import sys
from pathlib import Path
from tierhost.drills.targets.libvirtd import open_target
target = open_target(Path(sys.argv[1]))
target.start()
print(*target.daemon.place.pids(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where its socket is; pytest's own paths are too long for that."""
    made = Path(tempfile.mkdtemp(prefix="thl", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def libvirtd(folder: Path) -> Iterator[Libvirtd]:
    target = open_target(folder)
    try:
        target.start()
        yield target
    finally:
        target.close()


def test_it_is_asked_by_our_words_and_looked_at_from_outside(libvirtd: Libvirtd, folder: Path) -> None:
    def ask(method: str, *args: object) -> object:
        return libvirtd.ask(Ask(method, args))

    ask("storage.storage_pool_define_xml", definitions.pool("pool", folder / "pool"))
    ask("storage.storage_pool_create", "pool", 1)
    ask("storage.storage_vol_create_xml", "pool", definitions.volume("disk"))
    assert ask("storage.storage_vol_upload", "pool", "disk", b"boot") == 4
    assert (folder / "pool" / "disk").read_bytes().startswith(b"boot")
    ask("qemu.domain_define_xml", definitions.guest("web", "pool", "disk"))
    ask("qemu.domain_create", "web")
    ask("qemu.domain_set_autostart", "web", True)
    look = libvirtd.look("after")
    assert look.objects["guests"]["web"]["state"] == "running"
    assert look.objects["guests"]["web"]["autostart"] is True
    assert look.objects["pools"]["pool"]["state"] == "active"
    assert "pool/disk" in look.objects["volumes"]
    [guest] = look.world["guests"]
    assert (guest["name"], guest["uuid"]) == ("web", look.objects["guests"]["web"]["uuid"])
    assert libvirtd.pids("guest web") == [guest["pid"]]
    with pytest.raises(DriverError, match="already running") as refused:
        ask("qemu.domain_create", "web")
    assert refused.value.code is Code.OPERATION_INVALID
    with pytest.raises(DriverError, match="no such call"):
        ask("qemu.domain_fly", "web")

    libvirtd.kill()
    assert libvirtd.pids("host") == []
    with pytest.raises((NoAnswer, DriverError)):
        ask("qemu.domain_list")
    assert Path(f"/proc/{guest['pid']}").exists(), "its guests outlive it"
    libvirtd.start()
    assert libvirtd.pids("guest web") == [guest["pid"]]
    libvirtd.close()
    until(lambda: not Path(f"/proc/{guest['pid']}").exists(), "the guest has ended with the place it lived in")


def test_it_ends_with_its_owner_even_if_that_is_killed(folder: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        pids = owner.stdout.readline().split()
        assert pids
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        until(lambda: not any(_lives(pid) for pid in pids), "everything in the place has ended")
    finally:
        owner.kill()
        owner.communicate()


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_crash_costs_libvirt_what_was_stopped_and_us_nothing() -> None:
    told: list[str] = []
    found = table.compare(["stopped-pools"], 1, told.append)
    assert {side: seen.verdict for side, seen in found["stopped-pools"].items()} == {
        "libvirtd": Verdict.BROKEN,
        "tierhost": Verdict.HELD,
    }
    assert len(told) == 2
