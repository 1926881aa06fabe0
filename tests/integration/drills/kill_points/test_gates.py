"""A worker is held at a logical point, seen there, and let go or killed; nobody is held for ever."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.drills.kill_points import pools, secrets, volumes
from tierhost.drills.kill_points.operation import Scene
from tierhost.drills.kill_points.site import Site
from tierhost.drills.launcher.gates import Gate, NoGate, NotReached
from tierhost.drills.plan import Point
from tierhost.ipc.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site.make() as made:
        made.start()
        yield made


@pytest.fixture
def gate(site: Site) -> Iterator[Gate]:
    made = Gate(site.arming)
    yield made
    made.close()


def begin(site: Site, method: str, *args: Any) -> tuple[threading.Thread, list[Any]]:
    """Make a call in another thread; its answer is in the list once the thread has ended."""
    answers: list[Any] = []

    def call() -> None:
        with Client(site.root, deadline_s=PATIENCE_S) as client:
            answers.append(client.call(method, *args))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread, answers


@pytest.mark.slow
def test_a_worker_is_held_before_its_second_commit_and_goes_on(site: Site, gate: Gate) -> None:
    one, other = Scene(site, "gateone"), Scene(site, "gatetwo")
    gate.arm(Point("commit", driver="secret", ordinal=2))
    secrets.define(one)
    thread, answers = begin(site, "secret.secret_define_xml", secrets.xml_of(other))
    assert gate.wait_reached(time.monotonic() + PATIENCE_S) == site.lives()["secret"]["pid"]
    assert other.ask("secret.secret_lookup_by_uuid", other.uuid) == {"refused": 66}, "it is held before anything is durable"
    assert answers == []
    gate.release()
    thread.join(PATIENCE_S)
    assert answers[0]["uuid"] == other.uuid


@pytest.mark.slow
def test_whoever_is_killed_at_the_gate_is_followed_by_a_life_that_does_it(site: Site, gate: Gate) -> None:
    scene = Scene(site, "gatethree")
    gate.arm(Point("commit", driver="secret"))
    thread, answers = begin(site, "secret.secret_define_xml", secrets.xml_of(scene))
    os.kill(gate.wait_reached(time.monotonic() + PATIENCE_S), signal.SIGKILL)
    thread.join(PATIENCE_S)
    assert answers[0]["uuid"] == scene.uuid


@pytest.mark.slow
def test_a_worker_is_held_at_a_peers_reply(site: Site, gate: Gate) -> None:
    scene = Scene(site, "gatefour")
    scene.folder.mkdir(parents=True)
    volumes.keyed(scene)
    gate.arm(Point("reply", driver="storage", peer="secret"))
    thread, answers = begin(site, "storage.storage_vol_create_xml", scene.tag, volumes.encrypted_xml(scene))
    assert gate.wait_reached(time.monotonic() + PATIENCE_S) == site.lives()["storage"]["pid"]
    assert answers == []
    gate.close()
    thread.join(PATIENCE_S)
    assert answers[0]["name"] == "disk", "when the runner has gone, whoever is held goes on"
    pools.clear(scene)


def test_points_that_are_nobodys_are_refused_and_nobody_is_waited_for_in_vain(site: Site, gate: Gate) -> None:
    for point in (Point("phase", driver="secret"), Point("commit"), Point("reply", driver="storage")):
        with pytest.raises(NoGate):
            gate.arm(point)
    with pytest.raises(NotReached):
        gate.wait_reached(time.monotonic())
