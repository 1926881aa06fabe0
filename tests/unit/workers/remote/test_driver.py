"""Definitions, keys and the guest list, one life after the other; no other host is there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.workers.remote.driver import RemoteDriver
from tierhost.workers.runtime.contract import Code, DriverError, PeerAbsent
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.workers.runtime.testing import LifeInTest

KEY = "00112233445566778899aabbccddeeff" * 2


@contextmanager
def life(folder: Path, **surroundings: Any) -> Iterator[LifeInTest]:
    """A life whose threads are ended with it: in a worker they end with the process."""
    with live(RemoteDriver, folder, **surroundings) as made:
        try:
            yield made
        finally:
            made.driver.state_cleanup()


def test_definitions_keys_and_guests_outlive_a_crash(tmp_path: Path) -> None:
    with life(tmp_path) as first:
        first.call("connect_define", "site", f"tierhost+unix://{tmp_path}/other")
        first.call("connect_set_autostart", "site", True)
        made = first.call("remote_key_generate", "desk")
        first.call("remote_allow", "friend", KEY, ["secret.*"])
        shown = [first.call(method) for method in ("connect_list", "remote_key_list", "remote_allow_list")]
    with life(tmp_path, incarnation=2) as second:
        assert [second.call(method) for method in ("connect_list", "remote_key_list", "remote_allow_list")] == shown
        assert second.call("remote_key_list") == [made]
        assert second.call("connect_lookup_by_name", "site")["autostart"] is True
        assert not second.driver.refuses(KEY, "secret.secret_list")  # type: ignore[attr-defined]


def test_no_answer_and_no_event_has_a_secret_half(tmp_path: Path) -> None:
    with life(tmp_path) as one:
        one.call("remote_key_generate", "desk")
        one.call("remote_key_rotate", "desk")
        row = one.context.persistent.get("keys", "desk")
        assert row is not None
        said = repr([one.call("remote_key_list"), one.call("remote_key_commit", "desk"), one.host.events])
        assert row["secret"] not in said
        assert row["next"] not in said


def test_a_successor_is_used_when_it_is_committed_and_not_before(tmp_path: Path) -> None:
    with life(tmp_path) as one:
        before = one.call("remote_key_generate", "desk")["public"]
        with pytest.raises(DriverError, match="no successor"):
            one.call("remote_key_commit", "desk")
        rotated = one.call("remote_key_rotate", "desk")
        assert rotated["public"] == before
        assert one.call("remote_key_rotate", "desk") == rotated
        assert one.call("remote_key_commit", "desk") == {"name": "desk", "public": rotated["next"], "next": ""}


def test_a_key_in_use_and_a_name_that_is_taken_are_refused(tmp_path: Path) -> None:
    with life(tmp_path) as one:
        one.call("remote_key_generate", "desk")
        with pytest.raises(DriverError, match="there is one of this name"):
            one.call("remote_key_generate", "desk")
        one.call("connect_define", "site", "tierhost+tcp://127.0.0.1:1", "desk", [KEY])
        with pytest.raises(DriverError, match="connection site uses it"):
            one.call("remote_key_delete", "desk")
        one.call("connect_undefine", "site")
        one.call("remote_key_delete", "desk")
        with pytest.raises(DriverError, match="no such key"):
            one.call("remote_key_delete", "desk")


def test_a_connection_that_cannot_be_opened_stays_closed(tmp_path: Path) -> None:
    with life(tmp_path) as one:
        one.call("connect_define", "site", f"tierhost+unix://{tmp_path}/other")
        with pytest.raises(PeerAbsent, match="no host runs"):
            one.call("connect_open", "site")
        for method in ("connect_call", "connect_close", "connect_is_alive"):
            with pytest.raises(DriverError, match="is not open") as caught:
                one.call(method, "site", *(["secret.secret_list"] if method == "connect_call" else []))
            assert caught.value.code is Code.INVALID_CONN
        assert one.driver.objects()["connections"] == {"open": 0, "closed": 1}
        with pytest.raises(DriverError, match="no connection with matching name"):
            one.call("connect_open", "elsewhere")


def test_auto_start_opens_what_is_marked_and_shows_whom_it_does_not_reach(tmp_path: Path) -> None:
    with life(tmp_path) as one:
        for name in ("marked", "other"):
            one.call("connect_define", name, f"tierhost+unix://{tmp_path}/other")
        one.call("connect_set_autostart", "marked", True)
        one.driver.state_auto_start()
        assert [row["name"] for row in one.call("connect_list") if row["open"]] == ["marked"]
        assert one.call("connect_is_alive", "marked") is False
        one.call("connect_close", "marked")
        assert one.host.degraded == {}


def test_a_wrong_option_costs_the_door_only(tmp_path: Path) -> None:
    with life(tmp_path, config={"listen": "ipc:///tmp/x"}) as one:
        assert "expected" in one.host.degraded["door"]
        assert one.call("remote_get_door")["address"] == ""
        assert one.call("connect_list") == []


def test_a_port_that_is_taken_is_tried_again(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with life(tmp_path, config={"listen": f"tcp://127.0.0.1:{taken.getsockname()[1]}"}) as one:
            assert "in use" in one.host.degraded["door"]
            taken.close()
            one.run_later()
            assert one.host.degraded == {}
            assert one.call("remote_get_door")["address"] == one.call("remote_get_door")["listen"]
