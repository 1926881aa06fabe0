"""Guests whose QEMU dies, is stopped, or cannot write; drivers below that are down, or late."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.mounts import small_file_system
from tests.waiting import until
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.qemu.lives import Life, Site

QEMU_IMG_LIMIT_S = 60.0


def overlay(site: Site, folder: Path) -> str:
    """A disk each write to which needs new room in `folder`."""
    path = folder / "disk.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", site.disk("base"), "-F", "raw", path],
        check=True,
        timeout=QEMU_IMG_LIMIT_S,
    )
    return f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='hda'/></disk>"


def fill(folder: Path) -> Path:
    """Leave no room at all; return the file to remove."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  # the only way out of the loop
    return ballast


def test_a_guest_whose_qemu_is_killed_has_crashed(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    os.kill(life.pid("web"), signal.SIGKILL)
    until(lambda: life.driver.domain_list()[0]["state"] == "shutoff", "nobody shows it as running")
    life.wait_told("lifecycle", event="stopped", detail="crashed (signal 9)")
    assert life.driver.domain_get_state("web") == {"state": "shutoff", "reason": "crashed"}
    assert life.driver.domain_create("web") == "web"


def test_a_guest_whose_qemu_is_stopped_is_shown_and_left_alone(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_define_xml(site.guest("other"))
    life.driver.domain_create("web")
    life.driver.domain_create("other")
    pid = life.pid("web")
    os.kill(pid, signal.SIGSTOP)
    assert life.driver.domain_get_state("web")["reason"] == "monitor does not answer"
    assert "did not answer" in life.degraded["guest web"]
    began_s = time.monotonic()
    assert life.driver.domain_get_state("web")["reason"] == "monitor does not answer"
    assert life.state("other") == "running"
    # Asked once in vain, it is not waited for again.
    assert time.monotonic() - began_s < 1.0
    os.kill(pid, signal.SIGCONT)
    until(lambda: "guest web" not in life.degraded, "it is noticed that it answers")
    assert life.state("web") == "running"
    assert life.pid("web") == pid


def test_a_stopped_qemu_does_not_hold_up_a_restart_and_can_be_destroyed(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    pid = life.pid("web")
    os.kill(pid, signal.SIGSTOP)
    again = site.live()
    assert again.pid("web") == pid
    assert "does not greet" in again.degraded["guest web"]
    again.driver.domain_destroy("web")
    assert site.processes() == {}


def test_a_guest_whose_disk_is_full_stops_and_runs_on_when_there_is_room(site: Site, life: Life) -> None:
    with small_file_system(site.folder / "small") as folder:
        disk = overlay(site, folder)
        ballast = fill(folder)
        life.driver.domain_define_xml(site.guest(disk=disk))
        life.driver.domain_create("web")
        life.wait_told("io-error", disk="hda", reason="no space left", action="stop")
        assert life.driver.domain_get_state("web") == {"state": "paused", "reason": "ioerror"}
        assert "no space left" in life.degraded["guest web"]
        ballast.unlink()
        life.wait_state("web", "running")
        until(lambda: "guest web" not in life.degraded, "it is shown as well again")
        assert "." in site.console("web").partition("GUEST-UP")[2]
        life.driver.domain_destroy("web")


def test_a_guest_that_stopped_for_its_disk_is_noticed_after_a_restart(site: Site, life: Life) -> None:
    with small_file_system(site.folder / "small") as folder:
        disk = overlay(site, folder)
        ballast = fill(folder)
        life.driver.domain_create_xml(site.guest(disk=disk))
        life.wait_told("io-error")
        again = site.live()
        assert again.driver.domain_get_state("web") == {"state": "paused", "reason": "ioerror"}
        ballast.unlink()
        again.wait_state("web", "running")
        again.driver.domain_destroy("web")


def test_a_guest_is_started_as_soon_as_its_pool_is_there(site: Site, life: Life) -> None:
    volume = "<disk type='volume'><source pool='images' volume='web'/><target dev='hda'/></disk>"
    life.driver.domain_define_xml(site.guest(disk=volume))
    life.driver.domain_set_autostart("web", True)
    life.driver.state_auto_start()
    assert "the pool is not active" in life.degraded["guest web"]
    again = site.live()
    site.volumes["images", "web"] = {"path": str(site.disk("web")), "format": "raw", "encryption": None}
    again.wait_state("web", "running")
    assert again.degraded == {}
    uuid = again.driver.domain_list()[0]["uuid"]
    assert again.services.storage.held == {f"guest {uuid}": [["images", "web"]]}


def test_storage_hears_of_everything_that_ended_while_it_was_down(site: Site, life: Life) -> None:
    site.volumes["images", "web"] = {"path": str(site.disk("web")), "format": "raw", "encryption": None}
    volume = "<disk type='volume'><source pool='images' volume='web'/><target dev='hda'/></disk>"
    life.driver.domain_create_xml(site.guest(disk=volume))
    life.services.storage.down = True
    began_s = time.monotonic()
    life.driver.domain_destroy("web")
    # It waits for storage no longer than a moment.
    assert time.monotonic() - began_s < 2.0
    assert life.services.storage.held != {}
    life.services.storage.down = False
    until(lambda: life.services.storage.held == {}, "storage knows that nobody uses the volume")


def test_a_guest_that_waits_to_be_started_can_be_given_up(site: Site, life: Life) -> None:
    volume = "<disk type='volume'><source pool='images' volume='web'/><target dev='hda'/></disk>"
    life.driver.domain_define_xml(site.guest(disk=volume))
    life.driver.domain_set_autostart("web", True)
    life.driver.state_auto_start()
    life.driver.domain_destroy("web")
    assert life.degraded == {}
    assert life.context.run.all("waiting") == {}


def test_a_missing_secret_is_named_with_the_disk(site: Site, life: Life) -> None:
    key = "<encryption format='luks'><secret type='passphrase' usage='no/such'/></encryption>"
    disk = f"<disk type='file'><source file='{site.disk()}'/><target dev='vda'/>{key}</disk>"
    life.driver.domain_define_xml(site.guest(disk=disk))
    with pytest.raises(DriverError, match="guest web disk vda: secret no/such: no secret") as refused:
        life.driver.domain_create("web")
    assert refused.value.code is Code.NO_SECRET
    assert site.processes() == {}
