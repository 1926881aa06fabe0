"""What a person types becomes what a method gets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host.cli.arguments import UsageError
from tierhost.host.cli.asking import read_argument, read_arguments
from tierhost.ipc.limits import FRAME_BYTES_MAX

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
    fake.answers["host.status"] = shown("STOPPED" if command == "worker-stop" else "READY")
    ran = run(command, "storage")
    assert ran == type(ran)(0, "", "")
    assert fake.asked == [(f"host.{command.replace('-', '_')}", ("storage",), {}), ("host.status", (), {})]


def test_reload_without_a_name_is_about_everybody(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.answers["host.status"] = shown("READY")
    run("reload")
    assert fake.asked[0] == ("host.reload", ("",), {})


def test_a_driver_that_does_not_come_to_serve_is_a_failure_that_says_why(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.answers["host.status"] = shown("QUARANTINED", "no such disk")
    ran = run("worker-release", "storage")
    assert ran.code == 1
    assert ran.err.startswith("error: driver storage: it is QUARANTINED: no such disk\nhint: `tierhost story storage`")


def test_a_driver_that_takes_too_long_is_a_failure_at_the_deadline(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.answers["host.status"] = shown("INITIALIZING")
    ran = run("worker-restart", "storage", "--deadline", "0")
    assert ran.code == 1
    assert "still under way after 0 s" in ran.err


def shown(phase: str, last_error: str = "") -> dict[str, Any]:
    return {"drivers": [{"name": "storage", "phase": phase, "last_error": last_error}]}


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"<pool/>")))
    assert read_argument("@-") == "<pool/>"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert read_argument("@@-") == b"\xff"


def test_a_file_that_fits_into_no_message_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(FRAME_BYTES_MAX + 1)
    with pytest.raises(UsageError, match=f"more than {FRAME_BYTES_MAX} bytes"):
        read_argument(f"@@{path}")
