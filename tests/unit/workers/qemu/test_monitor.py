"""Connecting to a monitor, against a fake QEMU that hangs up in the middle of its greeting."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.monitor import GREETINGS_MAX, Monitors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UUID = "8b6a1b8c-24bb-4a32-a0d0-8d5a2a0c7c1e"
GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}
ANSWERS: dict[str, Any] = {"qmp_capabilities": {}, "query-uuid": {"UUID": UUID}, "query-status": {"status": "running"}}


class FakeQemu:
    """Hangs up on the first `rude` clients once they have heard the greeting; serves the next ones."""

    def __init__(self, rude: int) -> None:
        self.clients = 0
        self._rude = rude

    def connect(self, uuid: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.clients += 1
        threading.Thread(target=self._serve, args=(theirs, self.clients <= self._rude), daemon=True).start()
        return ours

    @staticmethod
    def _serve(client: socket.socket, rude: bool) -> None:
        with client:
            client.sendall(json.dumps(GREETING).encode() + b"\n")
            # Whoever hangs up has heard the first command, so that the other end has written to it. One comes at a time.
            while (command := client.recv(4096)) and not rude:
                asked = json.loads(command)
                known = {"id": asked["id"]} if "id" in asked else {}
                client.sendall(json.dumps({"return": ANSWERS[asked["execute"]], **known}).encode() + b"\n")


class Nobody:
    """Hears it, and does nothing."""

    def heard(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None: ...

    def lost(self, uuid: str) -> None: ...

    def died(self, uuid: str) -> None: ...


@pytest.fixture(params=[0, 1, GREETINGS_MAX])
def rude(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def qemu(rude: int) -> FakeQemu:
    return FakeQemu(rude)


@pytest.fixture
def monitors(qemu: FakeQemu) -> Iterator[Monitors]:
    made = Monitors(qemu.connect, Nobody())
    yield made
    made.close()


def test_who_hangs_up_while_it_greets_is_asked_again_and_not_for_ever(monitors: Monitors, qemu: FakeQemu, rude: int) -> None:
    if rude < GREETINGS_MAX:
        assert monitors.attach(UUID).status == "running"
        assert qemu.clients == rude + 1
        return
    with pytest.raises(MonitorSilent, match="does not answer"):
        monitors.attach(UUID)
    assert qemu.clients == GREETINGS_MAX
