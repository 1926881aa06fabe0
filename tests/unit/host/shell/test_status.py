"""The answer to `status`: what the core decided, joined with what workers report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host.core import events
from tierhost.host.shell import status
from tierhost.host.shell.status import Reported
from tierhost.ipc.codec import encode
from tierhost.ipc.messages import Hello, Reply, VerbDone

if TYPE_CHECKING:
    from tests.unit.host.shell.fakes import FakeShell


def shown(shell: FakeShell) -> dict[str, Any]:
    of = shell.of
    whole = status.whole(of.facts, of.core, of.processes.bodies, of.reported, of.catalog.broken, of.inhibitors)
    encode(Reply(b"id", 0, whole))
    return whole


def settle(shell: FakeShell, *drivers: str) -> None:
    """Let drivers come up, both verbs."""
    for driver in drivers:
        body = shell.body(driver)
        if not body.parked:
            shell.born(body)
            body.parked = True
            shell.tell(*shell.orders.assign(body))
        shell.tell(*shell.hear(body, Hello(1, driver, 1, "")))
    for verb in ("state_initialize", "state_auto_start"):
        for driver in drivers:
            shell.tell(*shell.hear(shell.body(driver), VerbDone(driver, 1, 1, verb, "complete", "")))


def test_before_the_start_everybody_is_dormant_and_nobody_has_a_process(shell: FakeShell) -> None:
    whole = shown(shell)
    assert [(row["name"], row["phase"], row["pid"], row["required"]) for row in whole["drivers"]] == [
        ("storage", "DORMANT", 0, True),
        ("nodedev", "DORMANT", 0, False),
        ("qemu", "DORMANT", 0, True),
    ]
    assert whole["host"]["state"] == "starting"
    assert whole["broken"] == [{"source": "/d/tape", "reason": "driver.toml: tier: missing"}]


def test_a_host_is_ready_when_every_tier_is(shell: FakeShell) -> None:
    shell.tell(events.HostStarted())
    settle(shell, "storage", "nodedev")
    assert shown(shell)["host"]["state"] == "starting"
    settle(shell, "qemu")
    whole = shown(shell)
    assert whole["host"]["state"] == "ready"
    assert [tier["state"] for tier in whole["tiers"]] == ["ready", "ready"]
    assert [(row["phase"], row["pid"]) for row in whole["drivers"]] == [
        ("READY", shell.body(driver).pid) for driver in ("storage", "nodedev", "qemu")
    ]


def test_a_tier_that_waits_for_a_person_holds_the_host(shell: FakeShell) -> None:
    shell.tell(events.HostStarted(), events.StopAsked("storage"))
    whole = shown(shell)
    assert whole["host"]["state"] == "held"
    assert "storage" in whole["tiers"][0]["reason"]


def test_a_host_on_its_way_out_is_stopping_whatever_else_is_true(shell: FakeShell) -> None:
    shell.tell(events.HostStarted(), events.ShutdownAsked(save=False, force=True))
    assert shown(shell)["host"]["state"] == "stopping"


def test_what_a_worker_reports_stands_in_its_row_and_in_no_other(shell: FakeShell) -> None:
    shell.of.reported["storage"] = Reported({"pools": {"active": 2}}, {"pool a": "gone"})
    rows = {row["name"]: (row["objects"], row["degraded"]) for row in shown(shell)["drivers"]}
    assert rows == {"storage": ({"pools": {"active": 2}}, {"pool a": "gone"}), "nodedev": ({}, {}), "qemu": ({}, {})}


def test_a_dead_process_is_shown_without_its_pid(shell: FakeShell) -> None:
    shell.tell(events.HostStarted())
    settle(shell, "storage")
    shell.body("storage").exited = True
    assert shown(shell)["drivers"][0]["pid"] == 0


@pytest.mark.parametrize("warm", ["", "storage"])
def test_spares_count_once_they_have_parked(warm: str, shell: FakeShell) -> None:
    shell.processes.order()
    shell.spare(warm)
    assert shown(shell)["host"]["spares"] == 1


def test_inhibitors_are_named_in_order(shell: FakeShell) -> None:
    shell.of.inhibitors.update({"storage": "a wipe runs", "qemu": "2 guests run"})
    assert shown(shell)["host"]["inhibitors"] == [
        {"driver": "qemu", "why": "2 guests run"},
        {"driver": "storage", "why": "a wipe runs"},
    ]
