"""One value, three readers: a person, a pipe, a program."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from tierhost.host.cli.output import print_value, style


class FakeTerminal(io.TextIOWrapper):
    """A terminal as far as `isatty` goes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def seen(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


def test_a_pipe_gets_plain_columns_and_a_terminal_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    assert style(None) == "table"
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert style(None) == "plain"
    assert style("json") == "json"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, ""),
        ("<pool/>\n", "<pool/>\n"),
        ("text", "text\n"),
        (7, "7\n"),
        ([], ""),
        (["a", "b"], "a\nb\n"),
        ({"state": "running", "reason": None}, "state\trunning\nreason\t-\n"),
        ([{"name": "a", "on": True}, {"name": "b", "size": 3}], "a\tyes\t-\nb\t-\t3\n"),
        ([{"name": "two\nlines\tand a tab"}], "two lines and a tab\n"),
        ([{"parts": {"a": b"\x00"}}], '{"a": "00"}\n'),
    ],
)
def test_a_pipe_gets_one_line_per_row(value: Any, plain: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_value(value, "plain")
    assert capsys.readouterr().out == plain


def test_bytes_reach_a_pipe_as_they_are(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_value(b"\x00\xff", "plain")
    assert capsysbinary.readouterr().out == b"\x00\xff"


def test_a_terminal_never_gets_bytes_it_would_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_value(b"\x1b[2J", "table")
    print_value(b"\xff", "table")
    assert "\x1b" not in terminal.seen
    assert terminal.seen.count("bytes that are no text") == 2


def test_a_table_has_headings_and_cuts_long_cells(capsys: pytest.CaptureFixture[str]) -> None:
    print_value([{"name": "a", "last_error": "x" * 100}], "table")
    heads, rule, row = capsys.readouterr().out.splitlines()
    assert heads == "name  last error"
    assert set(rule) == {"-", " "}
    assert row.endswith("…")
    assert len(row) == len("name  ") + 60


def test_json_shows_bytes_as_hexadecimal(capsys: pytest.CaptureFixture[str]) -> None:
    print_value({"key": b"\x01\x02"}, "json")
    assert capsys.readouterr().out == '{\n  "key": "0102"\n}\n'
