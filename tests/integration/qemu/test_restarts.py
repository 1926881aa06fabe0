"""What a restart of the driver finds: guests run on, and are what they were."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.workers.qemu.roster import GUESTS
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site


def started(site: Site, life: Life) -> int:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    return life.pid("web")


def test_a_guest_is_taken_up_again(site: Site, life: Life) -> None:
    pid = started(site, life)
    again = site.live()
    assert (again.pid("web"), again.state("web")) == (pid, "running")
    assert again.inhibited[-1] == "1 guest is running"
    again.driver.domain_shutdown("web")
    again.wait_state("web", "shutoff", "shutdown")


def test_a_paused_guest_stays_paused(site: Site, life: Life) -> None:
    started(site, life)
    life.driver.domain_suspend("web")
    again = site.live()
    assert again.driver.domain_get_state("web") == {"state": "paused", "reason": "user"}
    again.driver.domain_resume("web")
    assert site.live().state("web") == "running"


def test_a_guest_that_died_meanwhile_is_shut_off(site: Site, life: Life) -> None:
    pid = started(site, life)
    life.end()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    site.lives.clear()
    again = site.live()
    assert again.state("web") == "shutoff"
    assert again.told("lifecycle", event="stopped", detail="ended while nobody watched")
    again.driver.domain_create("web")
    assert again.state("web") == "running"


def test_a_guest_that_powered_itself_off_meanwhile_is_shut_off(site: Site, life: Life) -> None:
    started(site, life)
    life.driver.domain_shutdown("web")
    again = site.live()
    again.wait_state("web", "shutoff")
    until(lambda: site.processes() == {}, "its process has ended")


def test_a_guest_whose_records_are_lost_is_found_by_its_process(site: Site, life: Life) -> None:
    pid = started(site, life)
    life.end()
    site.lives.clear()
    for path in site.run_dir.glob("run.*"):
        path.unlink()
    again = site.live()
    assert (again.pid("web"), again.state("web")) == (pid, "running")
    assert again.told("guest-record-rebuilt")
    assert site.live().pid("web") == pid


def test_a_guest_of_which_nothing_is_known_is_shown_and_left_alone(site: Site, life: Life) -> None:
    pid = started(site, life)
    life.end()
    site.lives.clear()
    shutil.rmtree(site.state_dir)
    for path in site.run_dir.glob("run.*"):
        path.unlink()
    again = site.live()
    assert again.pid("web") == pid
    assert "every record of it is lost" in again.degraded["guest web"]
    again.driver.domain_destroy("web")
    assert site.processes() == {}
    assert again.degraded == {}


def test_a_living_guest_is_not_doubled_even_if_all_its_files_are_gone(site: Site, life: Life) -> None:
    started(site, life)
    life.end()
    site.lives.clear()
    for path in site.run_dir.iterdir():
        path.unlink()
    again = site.live()
    with pytest.raises(DriverError, match="already running"):
        again.driver.domain_create("web")
    assert len(site.processes()) == 1
    assert "monitor" in again.degraded["guest web"]


def test_another_program_under_the_recorded_pid_is_not_touched(site: Site, life: Life) -> None:
    pid = started(site, life)
    life.end()
    row = life.context.run.get(GUESTS, life.driver.domain_list()[0]["uuid"])
    assert row is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    site.lives.clear()
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as innocent:
        begun = site.begin()
        begun.context.run.put(GUESTS, life.driver.domain_list()[0]["uuid"], {**row, "pid": innocent.pid})
        again = site.live()
        assert again.state("web") == "shutoff"
        assert innocent.poll() is None


def test_a_transient_guest_is_still_transient(site: Site, life: Life) -> None:
    life.driver.domain_create_xml(site.guest())
    again = site.live()
    assert [(row["name"], row["persistent"]) for row in again.driver.domain_list()] == [("web", False)]
    again.driver.domain_destroy("web")
    assert again.driver.domain_list() == []


def test_after_a_reboot_nothing_runs_and_autostart_starts(site: Site, life: Life) -> None:
    pid = started(site, life)
    life.driver.domain_set_autostart("web", True)
    life.driver.domain_create_xml(site.guest("transient"))
    life.end()
    for number in (pid, life.pid("transient")):
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
    site.lives.clear()
    site.boot_id = "boot-2"
    again = site.live()
    assert [(row["name"], row["state"]) for row in again.driver.domain_list()] == [("web", "shutoff")]
    again.driver.state_auto_start()
    assert again.state("web") == "running"


def test_many_guests_are_taken_up_side_by_side(site: Site, life: Life) -> None:
    for number in range(6):
        life.driver.domain_create_xml(site.guest(f"g{number}"))
    again = site.live()
    assert {row["state"] for row in again.driver.domain_list()} == {"running"}
    assert again.degraded == {}


def test_a_definition_that_is_damaged_costs_only_its_guest(site: Site, life: Life) -> None:
    started(site, life)
    uuid = life.driver.domain_define_xml(site.guest("other"))["uuid"]
    row = life.context.persistent.get("domains", uuid)
    assert row is not None
    life.context.persistent.put("domains", uuid, {**row, "xml": "<domain"})
    again = site.live()
    assert "not readable" in again.degraded["guest other"]
    assert again.state("web") == "running"


def test_an_unknown_guest_is_named_with_the_next_step(life: Life) -> None:
    with pytest.raises(DriverError, match="no domain with matching name 'nobody'") as refused:
        life.driver.domain_get_state("nobody")
    assert refused.value.code is Code.NO_DOMAIN
    assert "domain_list" in refused.value.hint
