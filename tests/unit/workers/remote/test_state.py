"""Definitions, entries of the guest list, and who may call what."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.workers.remote import state
from tierhost.workers.runtime.contract import DriverError, TierhostError

KEY = "00112233445566778899aabbccddeeff" * 2
OTHER = "ff" * 32
TCP = "tierhost+tcp://192.0.2.7:16510"
UNIX = "tierhost+unix:///srv/site"


@pytest.mark.parametrize("words", [("site", UNIX), ("site", TCP, "desk", [KEY]), ("a.b-c_9", TCP, "desk", (KEY, OTHER))])
def test_a_definition_comes_back_from_its_row(words: tuple[Any, ...]) -> None:
    made = state.connection(*words)
    assert state.Definition.from_row(made.row()) == made


@pytest.mark.parametrize(
    "words",
    [
        *((None, UNIX), ("", UNIX), ("../x", UNIX), ("x" * 65, UNIX), ("site", "qemu:///system")),
        *(("site", UNIX, "desk"), ("site", UNIX, "", [KEY]), ("site", TCP), ("site", TCP, "desk"), ("site", TCP, "", [KEY])),
        *(("site", TCP, "desk", ["short"]), ("site", TCP, "desk", [KEY] * 5), ("site", TCP, "desk", {"a": 1})),
    ],
)
def test_a_definition_that_could_not_work_is_refused(words: tuple[Any, ...]) -> None:
    with pytest.raises(TierhostError):
        state.connection(*words)


def test_a_row_of_another_version_is_none() -> None:
    assert state.Definition.from_row({"name": "x"}) is None
    assert state.Allowed.from_row({"name": "x", "public": KEY, "methods": 7}) is None


@pytest.mark.parametrize(
    ("patterns", "method", "may"),
    [
        (["secret.*"], "secret.secret_list", True),
        (["secret.secret_list"], "secret.secret_list", True),
        (["secret.secret_list"], "secret.secret_define_xml", False),
        (["storage.storage_pool_*"], "storage.storage_vol_delete", False),
        (["storage.storage_pool_*"], "storage.storage_pool_list", True),
        (["secret.*", "storage.*"], "qemu.domain_list", False),
        (["secret.*"], "secretive.secret_list", False),
        (["secret.*"], "", False),
    ],
)
def test_a_key_may_call_what_its_patterns_cover(patterns: list[str], method: str, may: bool) -> None:
    guests = state.GuestList([state.allowed("desk", KEY, patterns)])
    assert guests.knows(KEY)
    assert (guests.refuses(KEY, method) == "") is may


def test_a_key_that_is_not_on_the_list_may_do_nothing() -> None:
    guests = state.GuestList([state.allowed("desk", KEY, ["secret.*"])])
    assert not guests.knows(OTHER)
    assert "not on the allow list" in guests.refuses(OTHER, "secret.secret_list")


def test_two_entries_of_one_key_add_up() -> None:
    guests = state.GuestList([state.allowed("a", KEY, ["secret.*"]), state.allowed("b", KEY, ["storage.*"])])
    assert guests.refuses(KEY, "secret.secret_list") == guests.refuses(KEY, "storage.storage_pool_list") == ""


@pytest.mark.parametrize(
    "pattern", ["host.*", "remote.connect_call", "*.*", "*", "secret", "secret.", ".x", "Secret.x", 7, "a." + "b" * 200]
)
def test_a_pattern_that_would_let_too_much_in_is_refused(pattern: Any) -> None:
    with pytest.raises(DriverError):
        state.allowed("desk", KEY, [pattern])


@pytest.mark.parametrize("methods", [None, [], "secret.*", ["secret.*"] * 65])
def test_what_a_key_may_call_must_be_said(methods: Any) -> None:
    with pytest.raises(DriverError):
        state.allowed("desk", KEY, methods)


def test_pauses_grow_to_a_bound() -> None:
    pause_s, seen = state.RETRY_FIRST_S, []
    for _ in range(12):
        seen.append(pause_s)
        pause_s = state.next_pause(pause_s)
    assert seen == sorted(seen)
    assert seen[-1] == state.RETRY_MAX_S


@pytest.mark.parametrize(
    ("config", "right"),
    [
        ({}, True),
        ({"listen": "tcp://127.0.0.1:16510"}, True),
        ({"listen": "tcp://[::1]:16510"}, True),
        ({"listen": "tcp://*:16510"}, True),
        ({"listen": "ipc:///tmp/x"}, False),
        ({"listen": 7}, False),
        ({"listening": "tcp://127.0.0.1:1"}, False),
    ],
)
def test_the_door_s_address_is_one_or_it_is_said_what_is_wrong(config: dict[str, Any], right: bool) -> None:
    assert (state.listen_address(config)[1] == "") is right
