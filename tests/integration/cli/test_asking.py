"""Calls and orders from the command line, to a host that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tierhost.host import catalog, config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Shell

UUID = "8b6a1b8c-24bb-4a32-a0d0-8d5a2a0c7c1e"
XML = f"<secret><uuid>{UUID}</uuid><usage type='volume'><volume>/srv/disk.img</volume></usage></secret>"


@pytest.mark.parametrize("way", ["text", "file", "stdin"])
def test_xml_arrives_however_it_was_given(way: str, up: Shell, tmp_path: Path) -> None:
    path = tmp_path / "secret.xml"
    path.write_text(XML)
    word = {"text": XML, "file": f"@{path}", "stdin": "@-"}[way]
    ran = up.run("call", "secret.secret_define_xml", word, given=XML.encode() if way == "stdin" else b"")
    assert (ran.code, ran.err) == (0, "")
    assert UUID in ran.out


def test_bytes_come_back_as_they_were_sent(up: Shell) -> None:
    value = bytes(range(256))
    assert up.run("call", "secret.secret_define_xml", XML).code == 0
    assert up.run("call", "secret.secret_set_value", UUID, "@@-", given=value).code == 0
    shown = json.loads(up.run("call", "secret.secret_get_value", UUID, "--format", "json").out)
    assert bytes.fromhex(shown) == value


def test_an_argument_by_name_is_one(up: Shell) -> None:
    assert up.run("call", "secret.secret_define_xml", f"xml={json.dumps(XML)}").code == 0


def test_a_driver_s_refusal_is_an_error_with_its_subject_and_exit_code_1(up: Shell) -> None:
    ran = up.run("call", "secret.secret_undefine", "11111111-2222-3333-4444-555555555555")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert "11111111-2222-3333-4444-555555555555" in ran.err


def test_a_mistyped_method_gets_a_guess(up: Shell) -> None:
    ran = up.run("call", "secret.secret_lst")
    assert ran.code == 1
    assert ran.err.startswith("error: driver secret: it has no method 'secret_lst'\nhint: did you mean secret_list")


def test_a_method_nothing_like_it_lists_what_there_is(up: Shell) -> None:
    assert "hint: it has " in up.run("call", "secret.zzz").err


def test_a_service_is_for_workers_only(up: Shell) -> None:
    ran = up.run("call", "secret.get_value", f"uuid={UUID}")
    assert ran.code == 1
    assert "service for workers" in ran.err


def test_an_unknown_driver_is_said_to_be_none_within_the_deadline(up: Shell) -> None:
    ran = up.run("call", "tape.rewind", "--deadline", "1")
    assert ran.code == 1
    assert "driver tape" in ran.err


def test_a_call_without_a_method_is_wrong_usage(up: Shell) -> None:
    assert up.run("call", "secret").code == 2


def test_a_restarted_worker_serves_when_the_command_returns(up: Shell) -> None:
    before = up.row("secret")
    assert up.run("worker-restart", "secret").code == 0
    after = up.row("secret")
    assert after[2] == "READY"
    assert int(after[4]) == int(before[4]) + 1
    assert after[3] != before[3]


def test_a_stopped_worker_is_down_when_the_command_returns_and_up_again_when_released(up: Shell) -> None:
    assert up.run("worker-stop", "secret").code == 0
    assert up.row("secret")[2:4] == ["STOPPED", "-"]
    refused = up.run("call", "secret.secret_list", "--deadline", "1")
    assert refused.code == 1
    assert up.run("worker-release", "secret").code == 0
    assert up.row("secret")[2] == "READY"
    assert up.run("call", "secret.secret_list").code == 0


@pytest.mark.parametrize("words", [("reload",), ("reload", "storage")])
def test_definitions_are_read_again_without_a_new_life(words: tuple[str, ...], up: Shell) -> None:
    before = up.row("storage")
    assert up.run(*words).code == 0
    assert up.row("storage")[2:5] == ["READY", *before[3:5]]


@pytest.mark.parametrize("command", ["worker-restart", "worker-stop", "worker-release", "reload", "story"])
def test_a_driver_that_is_none_is_named_with_those_that_are(command: str, up: Shell) -> None:
    ran = up.run(command, "tape")
    known = ", ".join(sorted(catalog.read(config.Config(), []).drivers))
    assert ran == type(ran)(1, "", f"error: there is no driver 'tape'\nhint: drivers: {known}\n")
