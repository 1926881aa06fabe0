"""What a person types becomes what a method gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.host.cli.arguments import UsageError
from tierhost.host.cli.asking import read_argument, read_arguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.host.cli.conftest import FakeClient, Ran


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("web", "web"),
        ("3", 3),
        ("true", True),
        ("null", None),
        ('"3"', "3"),
        ('{"a": [1]}', {"a": [1]}),
        ("<pool type='dir'/>", "<pool type='dir'/>"),
        ("", ""),
    ],
)
def test_an_argument_is_json_if_it_can_be_and_text_otherwise(typed: str, meant: object) -> None:
    assert read_argument(typed) == meant


def test_one_at_sign_reads_a_file_s_text_and_two_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("{}é".encode())
    assert read_argument(f"@{path}") == "{}é"
    assert read_argument(f"@@{path}") == "{}é".encode()


def test_a_file_that_is_no_text_is_refused_with_the_way_to_send_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not text") as caught:
        read_argument(f"@{path}")
    assert caught.value.hint == f"@@{path} sends its bytes"


def test_an_argument_with_a_name_goes_by_name_and_xml_does_not(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("hello")
    assert read_arguments(["web", "flags=1", f"text=@{path}", "<a b='c'/>"]) == (
        ["web", "<a b='c'/>"],
        {"flags": 1, "text": "hello"},
    )


def test_call_hands_arguments_and_deadline_over_and_prints_the_answer(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.answers["qemu.domain_get_xml_desc"] = "<domain/>"
    ran = run("call", "qemu.domain_get_xml_desc", "web", "flags=2", "--deadline", "5")
    assert ran == type(ran)(0, "<domain/>\n", "")
    assert fake.asked == [("qemu.domain_get_xml_desc", ("web",), {"flags": 2, "deadline_s": 5.0})]


def test_call_without_a_driver_is_wrong_usage(run: Callable[..., Ran]) -> None:
    ran = run("call", "domain_create")
    assert ran.code == 2
    assert "DRIVER.METHOD" in ran.err


@pytest.mark.parametrize("command", ["worker-restart", "worker-stop", "worker-release", "reload"])
def test_a_command_about_a_worker_names_it_to_the_host(command: str, run: Callable[..., Ran], fake: FakeClient) -> None:
    ran = run(command, "storage")
    assert ran == type(ran)(0, "", "")
    assert fake.asked == [(f"host.{command.replace('-', '_')}", ("storage",), {})]


def test_reload_without_a_name_is_about_everybody(run: Callable[..., Ran], fake: FakeClient) -> None:
    run("reload")
    assert fake.asked == [("host.reload", ("",), {})]
