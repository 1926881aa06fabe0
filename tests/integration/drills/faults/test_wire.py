"""Messages on the wire between a client and a real worker, tampered with in every way: right or refused in time, never wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.drills import proxy
from tierhost.drills.faults import NotFired
from tierhost.drills.faults.wire import KINDS, Wire
from tierhost.drills.tampering import REPLY, REQUEST, SIDES, WAYS
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tests.integration.drills.faults.conftest import Site

DEADLINE_S = 0.6

EXPECTED = {
    ("drop", REQUEST): "DeadlineExceeded",
    ("drop", REPLY): "DeadlineExceeded",
    ("delay", REQUEST): "",
    ("delay", REPLY): "",
    ("duplicate", REQUEST): "",
    ("duplicate", REPLY): "",
    ("reorder", REQUEST): "DeadlineExceeded",
    ("reorder", REPLY): "DeadlineExceeded",
    ("truncate", REQUEST): "Busy",
    ("truncate", REPLY): "Busy",
    ("garbage", REQUEST): "DeadlineExceeded",
    ("garbage", REPLY): "ProtocolError",
    ("half-open", REQUEST): "DeadlineExceeded",
    ("half-open", REPLY): "DeadlineExceeded",
}
"""What a client hears: who sends what is no message is never answered, and who is hung up on by the living hears Busy."""


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("way", WAYS)
def test_a_tampered_message_costs_its_own_call_and_no_answer_is_wrong(shared: Site, way: str, side: str) -> None:
    life = shared.row("echo")["incarnation"]
    fault = KINDS[f"wire-{way}"](shared, "echo", {"side": side, "delay_s": 0.1})
    assert isinstance(fault, Wire)
    try:
        fault.make_ready()
        with shared.client() as client:
            assert client.call("echo.echo", "passes", changes=False) == "passes"
            fault.arm()
            began_s = time.monotonic()
            error = ""
            try:
                assert client.call("echo.echo", "tampered with", changes=False, deadline_s=DEADLINE_S) == "tampered with"
            except TierhostError as refused:
                error = type(refused).__name__
            assert time.monotonic() - began_s < DEADLINE_S + 2.0
            assert (error, fault.tampered()["way"]) == (EXPECTED[way, side], way)
            if way != "half-open":
                assert client.call("echo.echo", "next", changes=False) == "next", "the same client goes on"
    finally:
        fault.heal()
    assert shared.call("echo.echo", "healed") == "healed"
    assert shared.row("echo")["incarnation"] == life, "nobody died of it"


def test_a_proxy_makes_way_when_the_drill_dies_and_when_it_is_killed_itself(shared: Site) -> None:
    fault = KINDS["wire-drop"](shared, "echo", {})
    assert isinstance(fault, Wire)
    fault.make_ready()
    door = Path(fault.leash()["arguments"]["door"])
    aside = door.with_name(door.name + proxy.ASIDE)
    assert aside.exists()
    assert fault._proxy is not None
    assert fault._proxy.stdin is not None
    fault._proxy.stdin.close()
    until(lambda: not aside.exists(), "the proxy has made way")
    fault._proxy.wait(5)
    assert shared.call("echo.echo", "hello") == "hello"
    fault.heal()

    again = KINDS["wire-drop"](shared, "echo", {})
    assert isinstance(again, Wire)
    again.make_ready()
    assert again._proxy is not None
    again._proxy.kill()
    again._proxy.wait(5)
    Wire.undo(**again.leash()["arguments"])
    assert shared.call("echo.echo", "hello") == "hello"
    again.heal()


def test_where_nobody_calls_nothing_fired(shared: Site) -> None:
    fault = KINDS["wire-drop"](shared, "echo", {"patience_s": 0.05})
    try:
        with pytest.raises(NotFired, match="nothing that could be tampered with came by"):
            fault.strike()
    finally:
        fault.heal()
