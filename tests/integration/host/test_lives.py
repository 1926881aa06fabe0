"""A worker dies, hangs or lies: only it suffers, and its next life serves again."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.host.conftest import until
from tests.integration.host.drivers import Above, Below, Echo

if TYPE_CHECKING:
    from tests.integration.host.conftest import Site

FAILURES_TO_QUARANTINE = 6


def test_both_tiers_come_up_in_order(site: Site) -> None:
    site.start(Above, Below)
    with site.client() as client:
        happened = client.host("events_since", 0)
    phases = [(event["source"], event["details"]["phase"]) for event in happened if event["kind"] == "phase"]
    assert phases.index(("below", "READY")) < phases.index(("above", "INITIALIZING"))
    phase_of = {row["name"]: row["phase"] for row in _rows(site)}
    assert (phase_of["below"], phase_of["above"]) == ("READY", "READY")


def test_a_killed_worker_serves_again_and_the_others_never_notice(site: Site) -> None:
    site.start(Echo, Below)
    other = site.driver("below")
    before = site.driver("echo")
    os.kill(before["pid"], signal.SIGKILL)
    with site.client() as client:
        assert client.call("echo.echo", "hello", changes=False) == "hello"
    after = site.wait_phase("echo", "READY", above=before["incarnation"])
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
    assert "SIGKILL" in after["last_error"] or "died" in after["last_error"]
    assert site.driver("below")["pid"] == other["pid"]


def test_a_stopped_worker_is_noticed_within_a_second_and_replaced(site: Site) -> None:
    site.start(Echo)
    before = site.driver("echo")
    os.kill(before["pid"], signal.SIGSTOP)
    after = site.wait_phase("echo", "READY", above=before["incarnation"])
    assert after["pid"] != before["pid"]
    with site.client() as client:
        happened = client.host("events_since", 0)
    evicted = next(event for event in happened if event["source"] == "echo" and event["details"].get("phase") == "EVICTING")
    assert "beat" in evicted["details"]["reason"]


def test_auto_start_runs_once_per_boot_however_many_lives_there_are(site: Site) -> None:
    site.start(Echo)
    for _ in range(2):
        before = site.driver("echo")
        os.kill(before["pid"], signal.SIGKILL)
        site.wait_phase("echo", "READY", above=before["incarnation"])
    with site.client() as client:
        assert client.call("echo.auto_starts", changes=False) == 1


def test_a_driver_that_keeps_dying_is_quarantined_and_released_by_a_person(site: Site) -> None:
    site.start(Echo, Below)
    lives = 0
    while (row := site.driver("echo"))["phase"] != "QUARANTINED":
        if row["phase"] == "READY" and row["incarnation"] > lives:
            lives = row["incarnation"]
            os.kill(row["pid"], signal.SIGKILL)
    assert lives == FAILURES_TO_QUARANTINE
    assert row["last_error"]
    with site.client() as client:
        client.host("worker_release", "echo")
    site.wait_phase("echo", "READY", above=row["incarnation"])
    assert site.driver("below")["restarts"] == 0


def test_a_worker_stopped_by_a_person_stays_down_until_released(site: Site) -> None:
    site.start(Echo)
    with site.client() as client:
        client.host("worker_stop", "echo")
        row = site.wait_phase("echo", "STOPPED")
        client.host("worker_release", "echo")
    site.wait_phase("echo", "READY", above=row["incarnation"])


def test_a_killed_zygote_costs_no_worker_and_the_next_life_still_starts(site: Site) -> None:
    running = site.start(Echo)
    before = site.driver("echo")
    zygote = next(pid for pid in _children(running.pid) if pid != before["pid"])
    os.kill(zygote, signal.SIGKILL)
    with site.client() as client:
        until(lambda: any(event["kind"] == "zygote-died" for event in client.host("events_since", 0)), "the host notices")
    assert site.driver("echo")["pid"] == before["pid"]
    os.kill(before["pid"], signal.SIGKILL)
    site.wait_phase("echo", "READY", above=before["incarnation"])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _rows(site: Site) -> list[dict[str, object]]:
    with site.client() as client:
        rows: list[dict[str, object]] = client.host("status")["drivers"]
    return rows
