"""Every driver found, in its worker on one real host: hostile callers do not kill it, and its death loses nothing."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import judges
from tests.conformance.conftest import FOUND, names_in
from tierhost.drills import exercises as exercising
from tierhost.ipc.errors import AccessDenied, CallError, NoSuchMethod, TierhostError
from tierhost.workers.runtime.loading import load, offers

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.host.catalog import Manifest
    from tierhost.ipc.client import Client

HUGE_CHARS = 300_000
ARGUMENTS = 9
HOSTILE: tuple[Any, ...] = ("x" * HUGE_CHARS, judges.deep(), {"": None}, [[]])
TOO_BIG = b"x" * (9 << 20)


def row_of(client: Client, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = client.host("status")["drivers"]
    return next(row for row in rows if row["name"] == name)


def shown(client: Client, found: Manifest) -> dict[str, Any]:
    return judges.snapshot(load(found.wire()), lambda method: client.call(f"{found.name}.{method}", changes=False))


@pytest.fixture
def ready(client: Client, found: Manifest) -> dict[str, Any]:
    """What the host says of a driver that serves."""
    row = row_of(client, found.name)
    if row["phase"] == "SKIPPED":
        pytest.skip(f"there is nothing to drive for {found.name} on this machine")
    assert row["phase"] == "READY"
    return row


def test_what_is_not_offered_is_refused_by_name(client: Client, found: Manifest, ready: dict[str, Any]) -> None:
    for name in ("no_such_method", "state_cleanup", "__init__"):
        with pytest.raises(NoSuchMethod, match=name):
            client.call(f"{found.name}.{name}")


def test_services_are_refused_to_clients(client: Client, found: Manifest, ready: dict[str, Any]) -> None:
    for name in found.provides:
        with pytest.raises(AccessDenied, match="service for workers"):
            client.call(f"{found.name}.{name}")


def test_hostile_callers_get_typed_errors_and_cost_the_worker_nothing(
    client: Client, found: Manifest, ready: dict[str, Any]
) -> None:
    before = shown(client, found)
    for name in offers(load(found.wire())):
        for value in HOSTILE:
            with pytest.raises(TierhostError):
                client.call(f"{found.name}.{name}", *[value] * ARGUMENTS)
    row = row_of(client, found.name)
    assert (row["pid"], row["incarnation"], row["phase"]) == (ready["pid"], ready["incarnation"], "READY")
    assert shown(client, found) == before


def test_a_message_over_the_limit_is_refused_before_it_leaves(client: Client) -> None:
    with pytest.raises(CallError, match="bytes"):
        client.call("sample.count", TOO_BIG)


def test_the_next_life_shows_what_was_acknowledged(
    client: Client, found: Manifest, ready: dict[str, Any], tmp_path: Path
) -> None:
    acknowledge(client, found.name, tmp_path)
    before = shown(client, found)
    os.kill(ready["pid"], signal.SIGKILL)
    # The calls wait for the next life.
    assert shown(client, found) == before
    row = client.wait_until(lambda: _next(client, found.name, ready), f"{found.name} is ready in its next life")
    assert row["restarts"] == ready["restarts"] + 1


def _next(client: Client, name: str, before: dict[str, Any]) -> dict[str, Any] | None:
    row = row_of(client, name)
    return row if row["phase"] == "READY" and row["incarnation"] > before["incarnation"] else None


def acknowledge(client: Client, name: str, folder: Path) -> None:
    """Let a driver acknowledge what its exercises say before it dies."""
    if name == "sample":
        client.call("sample.count", "sheep")
    exercises = exercising.found().get(name)
    if exercises is not None:
        calls = exercises.furthest(netns=False)
        exercising.perform(calls, names_in(folder), lambda method, *args: client.call(f"{name}.{method}", *args))


def test_every_driver_found_has_a_worker(client: Client) -> None:
    assert {row["name"] for row in client.host("status")["drivers"]} == set(FOUND.drivers)
