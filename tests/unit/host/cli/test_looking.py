"""What an operator sees of a running host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tierhost.ipc.errors import PeerDied
from tierhost.ipc.messages import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.host.cli.conftest import FakeClient, Ran


def test_status_for_a_pipe_is_one_line_per_driver_in_columns(
    run: Callable[..., Ran], fake: FakeClient, status: dict[str, Any]
) -> None:
    fake.answers["host.status"] = status
    first, second, third = run("status").out.splitlines()
    assert first.split("\t") == ["libvirt", "secret", "READY", "41", "2", "1", "2 secrets with value", ""]
    assert second.split("\t")[-1].endswith("end"), "a pipe gets the whole text"
    assert third.split("\t")[:4] == ["libvirt", "nodedev-hal", "SKIPPED", "-"]
    assert second.split("\t")[3] == "-", "never 0: `kill 0` ends the caller's own process group"


def test_status_for_a_program_is_the_whole_answer(run: Callable[..., Ran], fake: FakeClient, status: dict[str, Any]) -> None:
    fake.answers["host.status"] = status
    assert json.loads(run("status", "--format", "json").out) == status


def test_status_for_a_person_says_everything_that_is_wrong_in_full(
    run: Callable[..., Ran], fake: FakeClient, status: dict[str, Any]
) -> None:
    fake.answers["host.status"] = status
    lines = run("status", "--format", "table").out.splitlines()
    assert lines[0] == "host 40 is held, 2 spares"
    assert lines[1] == "tier libvirt: held (storage is QUARANTINED)"
    assert "…" in next(line for line in lines if line.startswith("libvirt  storage"))
    assert lines[-1] == "holds shutdown off: qemu: 2 guests run"
    assert "skipped: nodedev-hal: no HAL answers: install one" in lines
    assert "broken: /d/tape: driver.toml: tier: missing" in lines
    assert "degraded: secret: secret abc: its value does not open" in lines
    assert next(line for line in lines if line.startswith("last error: storage")).endswith("end")


def test_status_watch_shows_it_again_when_something_happens_until_the_host_goes(
    run: Callable[..., Ran], fake: FakeClient, status: dict[str, Any]
) -> None:
    shown = iter([status, {"number": 7}, status])

    def host(method: str, *_: Any) -> Any:
        value = next(shown, None)
        if value is None:
            raise PeerDied(f"gone before {method}")
        return value

    fake.host = host  # type: ignore[method-assign]
    ran = run("status", "--watch")
    assert ran.out.count("READY") == 2
    assert (ran.code, ran.err) == (1, "error: gone before directory\n")
    assert fake.asked == [("events", (7,), {"follow": True})]


def test_events_for_a_pipe_are_columns_and_for_a_program_a_document_each(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.happened = [Event(8, 12.5, "qemu", 3, "guest", "web", {"state": "running", "cookie": b"\x01"})]
    assert run("events").out == '8\t12.500\tqemu\tguest\tweb\tstate=running cookie="01"\n'
    shown = json.loads(run("events", "--format", "json").out)
    assert shown["details"] == {"state": "running", "cookie": "01"}
    assert shown["incarnation"] == 3


def test_events_since_leaves_the_earlier_ones_out(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.happened = [Event(number, 0.0, "host", 0, "tier", "x", {}) for number in (1, 2, 3)]
    assert [line.split("\t")[0] for line in run("events", "--since", "2").out.splitlines()] == ["3"]


def test_following_ends_with_ctrl_c_and_130(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.happened = [Event(1, 0.0, "host", 0, "tier", "x", {})]
    ran = run("events", "--follow")
    assert (ran.code, ran.out.count("\n"), ran.err) == (130, 1, "")


def test_a_story_is_told_line_by_line(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.answers["host.story"] = ["1.0 life 1: INITIALIZING", "1.1 life 1: pid 7"]
    assert run("story", "qemu").out == "1.0 life 1: INITIALIZING\n1.1 life 1: pid 7\n"
