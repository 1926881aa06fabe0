"""What a new life of the driver makes of what it finds: guests without records, starts cut short, locks without a process."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.workers.qemu.samples import UUID, domain
from tests.unit.workers.qemu.test_backend import fake_guest
from tests.waiting import until
from tierhost.workers.qemu import stock
from tierhost.workers.qemu.backend import Backend
from tierhost.workers.qemu.roster import GUESTS, WAITING
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site


def test_a_process_of_which_nothing_is_known_is_shown_and_not_started_again(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    with fake_guest(site.run_dir) as pid:
        until(Backend(site.run_dir).survey, "it is there")
        life = site.live()
        row = life.driver.domain_lookup_by_name("web")
        assert (row["pid"], row["reason"]) == (pid, "monitor does not answer")
        assert life.told("guest-record-rebuilt", uuid=UUID)
        with pytest.raises(DriverError, match="already running"):
            life.driver.domain_create("web")
        assert life.inhibited == ["1 guest is running"]


def test_a_guest_whose_definition_is_lost_too_has_the_name_of_its_process(site: Site, life: Life) -> None:
    with fake_guest(site.run_dir, name="db") as pid:
        until(Backend(site.run_dir).survey, "it is there")
        life = site.live()
        assert life.driver.domain_lookup_by_name("db")["pid"] == pid
        assert "guest db" in life.degraded
        assert life.told("guest-record-rebuilt", uuid=UUID)


def test_a_start_that_was_never_acknowledged_is_undone(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    life.context.run.intend(f"start {UUID}", {"uuid": UUID, "name": "web"})
    with fake_guest(site.run_dir):
        until(Backend(site.run_dir).survey, "it is there")
        life = site.live()
        assert Backend(site.run_dir).survey() == {}
        assert (life.state("web"), life.context.run.intents(), life.degraded) == ("shutoff", {}, {})


def test_an_end_that_was_begun_is_gone_through_with(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    life.context.run.intend(f"end {UUID}", {"uuid": UUID, "why": "destroyed"})
    with fake_guest(site.run_dir):
        until(Backend(site.run_dir).survey, "it is there")
        life = site.live()
        assert Backend(site.run_dir).survey() == {}
        assert life.driver.domain_get_state("web") == {"state": "shutoff", "reason": "destroyed"}
        assert life.context.run.intents() == {}


def test_a_lock_without_a_process_in_sight_keeps_its_guest_from_being_started(
    site: Site, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "APPEAR_LIMIT_S", 0.05)
    life.driver.domain_define_xml(domain())
    lock = os.open(site.run_dir / f"{UUID}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    life = site.live()
    assert life.degraded == {f"guest {UUID}": stock.HIDDEN}
    with pytest.raises(DriverError, match="a process of this guest lives"):
        life.driver.domain_create("web")
    os.close(lock)


def test_a_record_of_a_dead_process_is_a_guest_that_is_shut_off(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    row = {"name": "web", "xml": domain(), "password": b"", "pid": os.getpid(), "start_time": 1, "number": 5}
    life.context.run.put(GUESTS, UUID, {**row, "reason": "booted", "paused": False, "rebooting": False})
    life = site.live()
    assert life.state("web") == "shutoff"
    assert life.context.run.all(GUESTS) == {}
    assert life.told("lifecycle", uuid=UUID, event="stopped", detail="ended while nobody watched")


def test_intents_of_guests_that_are_dead_are_settled(site: Site, life: Life) -> None:
    for act in ("start", "plug", "pause", "end"):
        life.context.run.intend(f"{act} {UUID}", {"uuid": UUID, "name": "web", "why": "destroyed"})
    life = site.live()
    assert life.context.run.intents() == {}


def test_a_guest_that_waits_and_was_undefined_waits_no_longer(site: Site, life: Life) -> None:
    life.context.run.put(WAITING, UUID, {})
    life = site.live()
    until(lambda: life.context.run.all(WAITING) == {}, "it is given up")
