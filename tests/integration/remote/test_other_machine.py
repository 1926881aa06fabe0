"""Drivers of another machine over CURVE: who may come in, what it may call, and what is said to everybody else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.remote.conftest import UUID, XML, free_port, until
from tierhost.ipc.curve import new_pair
from tierhost.ipc.errors import AccessDenied, Code, DriverError, NoSuchMethod, PeerAbsent

if TYPE_CHECKING:
    from tests.integration.remote.conftest import Pair

BOUND_S = 5.0


def test_a_driver_there_is_used_from_here_and_its_errors_keep_their_codes(pair: Pair) -> None:
    pair.introduce(name="desk")
    assert pair.call("connect_open", "desk")["uri"] == f"tierhost+{pair.there.address}"
    pair.over("desk", "secret.secret_define_xml", XML)
    pair.over("desk", "secret.secret_set_value", UUID, b"\x00value")
    assert pair.over("desk", "secret.secret_get_value", UUID) == b"\x00value"
    assert pair.at("secret.secret_lookup_by_uuid", UUID)["uuid"] == UUID
    assert pair.client.call("secret.secret_list") == []
    with pytest.raises(DriverError, match="no secret with matching uuid") as caught:
        pair.over("desk", "secret.secret_lookup_by_uuid", "11111111-2222-3333-4444-555555555555")
    assert caught.value.code is Code.NO_SECRET
    with pytest.raises(NoSuchMethod, match="secret_lst"):
        pair.over("desk", "secret.secret_lst")
    assert pair.alive("desk")


def test_a_key_may_call_what_its_entry_says_and_nothing_else(pair: Pair) -> None:
    pair.introduce("secret.secret_list", name="clerk")
    pair.call("connect_open", "clerk")
    pair.over("clerk", "secret.secret_list")
    for method in ("secret.secret_define_xml", "secret.get_value", "remote.remote_key_list", "remote.connect_call"):
        with pytest.raises(AccessDenied, match="may not call this") as caught:
            pair.over("clerk", method, "x")
        assert caught.value.code is Code.ACCESS_DENIED
    with pytest.raises(DriverError, match="orders on its own machine"):
        pair.over("clerk", "host.shutdown")


def test_a_service_is_refused_by_its_own_worker_whatever_the_list_says(pair: Pair) -> None:
    pair.introduce("secret.*", name="greedy")
    pair.call("connect_open", "greedy")
    with pytest.raises(AccessDenied, match="service for workers"):
        pair.over("greedy", "secret.get_value", UUID)


def test_an_unlisted_key_is_refused_in_bounded_time_and_told_of(pair: Pair) -> None:
    pair.call("remote_key_generate", "stranger")
    door = pair.at("remote.remote_get_door")
    pair.call("connect_define", "nobody", f"tierhost+{door['address']}", "stranger", [door["public"]])
    began_s = time.monotonic()
    with pytest.raises(AccessDenied, match="allow list") as caught:
        pair.call("connect_open", "nobody")
    assert caught.value.code is Code.AUTH_FAILED
    assert time.monotonic() - began_s < BOUND_S
    with pair.there.client() as client:
        until(lambda: any(event.kind == "remote-refused" for event in client.events()), "the refusal is told there")


def test_a_door_with_another_key_than_expected_is_not_believed(pair: Pair) -> None:
    pair.introduce(name="wary")
    door = pair.at("remote.remote_get_door")
    pair.call("connect_define", "wary", f"tierhost+{door['address']}", "wary", [new_pair()[0]])
    with pytest.raises(AccessDenied, match="its key is not the one we expect") as caught:
        pair.call("connect_open", "wary")
    assert caught.value.code is Code.AUTH_FAILED


def test_nobody_at_the_address_is_a_typed_error_at_once(pair: Pair) -> None:
    pair.introduce(name="lonely")
    began_s = time.monotonic()
    with pytest.raises(PeerAbsent, match="nobody answers there") as caught:
        pair.call("connect_open", "nowhere", f"tierhost+tcp://127.0.0.1:{free_port()}", "lonely", [new_pair()[0]])
    assert caught.value.code is Code.NO_CONNECT
    assert time.monotonic() - began_s < BOUND_S


def test_a_revoked_key_is_refused_over_a_connection_that_it_has(pair: Pair) -> None:
    pair.introduce(name="former")
    pair.call("connect_open", "former")
    pair.over("former", "secret.secret_list")
    pair.at("remote.remote_disallow", "former")
    with pytest.raises(AccessDenied):
        pair.over("former", "secret.secret_list")
    until(lambda: not pair.alive("former"), "the loss is noticed")
    pair.call("connect_close", "former")


def test_both_keys_are_changed_without_a_call_refused(pair: Pair) -> None:
    pair.introduce(name="careful")
    pair.call("connect_open", "careful")
    fresh = pair.call("remote_key_rotate", "careful")["next"]
    pair.at("remote.remote_allow", "careful-2", fresh, ["secret.*"])
    assert pair.call("remote_key_commit", "careful")["public"] == fresh
    pair.at("remote.remote_disallow", "careful")
    pair.over("careful", "secret.secret_list")
    door = pair.at("remote.remote_key_rotate", "door")
    pair.call("connect_close", "careful")
    uri = f"tierhost+{pair.there.address}"
    pair.call("connect_define", "careful", uri, "careful", [door["public"], door["next"]])
    pair.call("connect_open", "careful")
    pair.at("remote.remote_key_commit", "door")
    assert pair.over("careful", "secret.secret_list") == pair.at("secret.secret_list")
    pair.call("connect_close", "careful")


def test_the_command_line_asks_another_machine_by_its_uri(pair: Pair) -> None:
    pair.introduce(name="typist")
    uri = pair.call("connect_open", "typist")["uri"]
    argv = [sys.executable, "-m", "tierhost.host", "--root", str(pair.here.folder), "-c", uri, "call", "secret.secret_list"]
    done = subprocess.run([*argv, "--format", "json"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == pair.at("secret.secret_list")
