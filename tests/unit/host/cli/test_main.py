"""Every error becomes a line, a hint and an exit code; nobody ever sees a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.host.cli.arguments import parser
from tierhost.host.cli.main import COMMANDS, complain, explain, find
from tierhost.host.config import BadConfig
from tierhost.ipc.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.host.cli.conftest import FakeClient, Ran


def test_every_command_of_the_parser_has_a_function_and_the_other_way_round() -> None:
    choices = next(action.choices for action in parser()._actions if action.dest == "command")
    assert choices is not None
    assert set(choices) == set(COMMANDS)
    assert all(callable(find(command)) for command in COMMANDS)


def test_no_command_at_all_is_wrong_usage(run: Callable[..., Ran]) -> None:
    ran = run()
    assert ran.code == 2
    assert ran.err == "error: the following arguments are required: COMMAND\nhint: tierhost --help\n"


def test_a_mistyped_command_is_wrong_usage_with_a_guess(run: Callable[..., Ran]) -> None:
    ran = run("stauts")
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == "hint: did you mean 'status'?"


def test_two_ways_to_treat_guests_exclude_each_other(run: Callable[..., Ran]) -> None:
    assert run("down", "--save", "--leave-guests").code == 2


def test_a_driver_s_error_is_one_line_and_its_hint_another(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.error = DriverError("it is in use", subject="pool images", hint="destroy guest web first")
    ran = run("call", "storage.storage_pool_destroy", "images")
    assert ran == type(ran)(1, "", "error: pool images: it is in use\nhint: destroy guest web first\n")


def test_a_missing_file_is_named(run: Callable[..., Ran], tmp_path: Path) -> None:
    missing = tmp_path / "pool.xml"
    assert run("call", "storage.x", f"@{missing}").err == f"error: {missing}: No such file or directory\n"


def test_ctrl_c_leaves_with_130_and_without_a_word(run: Callable[..., Ran], fake: FakeClient) -> None:
    fake.error = KeyboardInterrupt()
    ran = run("status")
    assert (ran.code, ran.err) == (130, "")


def test_each_mistake_of_a_configuration_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain(*explain(BadConfig("x.toml:1: a: unknown key\nx.toml:2: b: unknown key")))
    assert capsys.readouterr().err == "error: x.toml:1: a: unknown key\nerror: x.toml:2: b: unknown key\n"


def test_a_value_error_that_nobody_raised_on_purpose_is_not_dressed_up() -> None:
    with pytest.raises(ValueError, match="a bug of ours"):
        explain(ValueError("a bug of ours"))


def test_no_host_is_said_at_once_with_the_way_to_one(run: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run("--root", str(tmp_path), "status")
    assert ran.code == 1
    assert ran.err == f"error: no host runs on {tmp_path}/run\nhint: `tierhost up` starts one\n"
