"""What one real worker says to another, tampered with: who asked the caller is answered right or refused in time."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.drills.faults.conftest import Echo, Site
from tests.waiting import until
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.link import KINDS, WAYS
from tierhost.drills.tampering import REPLY, REQUEST, SIDES
from tierhost.ipc.errors import TierhostError
from tierhost.workers.runtime.contract import InitResult, StateDriver, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.ipc.client import Client

DEADLINE_S = 1.0
UUID = "5f3ab8a4-6c1b-4f0e-9c57-0b6c8b2f9d11"
SECRET = f"<secret><uuid>{UUID}</uuid><usage type='volume'><volume>linked</volume></usage></secret>"

EXPECTED = {
    ("drop", REQUEST): "DeadlineExceeded",
    ("drop", REPLY): "DeadlineExceeded",
    ("delay", REQUEST): "",
    ("delay", REPLY): "",
    ("duplicate", REQUEST): "",
    ("duplicate", REPLY): "",
    ("truncate", REQUEST): "DeadlineExceeded",
    ("truncate", REPLY): "DeadlineExceeded",
    ("garbage", REQUEST): "DeadlineExceeded",
    ("garbage", REPLY): "ProtocolError",
    ("cut", REQUEST): "Busy",
    ("cut", REPLY): "Busy",
}


class Asker(StateDriver):
    """Asks for a secret, in the name of whoever asks it."""

    name = "asker"
    tier = "hypervisor"
    needs = ("secret.get_value",)

    def state_initialize(self, *, privileged: bool, inhibit: Any) -> InitResult:
        return InitResult.COMPLETE

    @read()
    def ask(self, uuid: str) -> bytes:
        """Ask."""
        value: bytes = self.context.services.secret.get_value(uuid=uuid)
        return value


@pytest.fixture(scope="module")
def linked() -> Iterator[Site]:
    """A host whose `asker` asks its `secret`."""
    made = Site(Path(tempfile.mkdtemp(prefix="thf", dir="/tmp")), drivers=(Echo, Asker))
    try:
        made.start()
        with made.client() as client:
            client.call("secret.secret_define_xml", SECRET)
            client.call("secret.secret_set_value", UUID, b"in time")
        yield made
    finally:
        made.close()


def answered(client: Client) -> bool:
    try:
        value: bytes = client.call("asker.ask", UUID, changes=False, deadline_s=DEADLINE_S)
    except TierhostError:
        return False
    assert value == b"in time", "no wrong answer"
    return True


@pytest.mark.root
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("way", WAYS)
def test_tampering_between_two_workers_costs_one_call_at_most(linked: Site, way: str, side: str) -> None:
    # A new life has new connections: none that an earlier test has left out of step.
    life = linked.row("asker")["incarnation"]
    with linked.client() as client:
        client.host("worker_restart", "asker")
    linked.wait_next_life("asker", life)
    lives = [linked.row(name)["incarnation"] for name in ("asker", "secret")]
    fault = KINDS[f"link-{way}"](linked, "asker", {"peer": "secret", "side": side, "delay_s": 0.05})
    proof: list[str] = []
    with linked.client() as client:
        assert client.call("asker.ask", UUID, changes=False) == b"in time"
        striking = threading.Thread(target=lambda: proof.append(fault.strike()))
        striking.start()
        errors, end_s = [], time.monotonic() + 20.0
        while striking.is_alive() and time.monotonic() < end_s:
            try:
                assert client.call("asker.ask", UUID, changes=False, deadline_s=DEADLINE_S) == b"in time"
            except TierhostError as refused:
                errors.append(type(refused).__name__)
        striking.join()
        fault.heal()
        assert way in proof[0] or way == "cut"
        assert set(errors) <= {EXPECTED[way, side], "DeadlineExceeded"}
        until(lambda: answered(client), "what was left out of step is put aside, and calls are answered again")
    assert [linked.row(name)["incarnation"] for name in ("asker", "secret")] == lives, "nobody died of it"


@pytest.mark.root
def test_where_nothing_is_said_nothing_fired_and_nobody_is_left_stopped(linked: Site) -> None:
    fault = KINDS["link-drop"](linked, "asker", {"peer": "secret", "patience_s": 0.1})
    with pytest.raises(NotFired, match=r"no reply came by in 0\.1 s"):
        fault.strike()
    assert linked.call("asker.ask", UUID) == b"in time"


def test_a_link_has_two_ends(linked: Site) -> None:
    with pytest.raises(BadPlan, match="peer is missing"):
        KINDS["link-drop"](linked, "asker", {})
