"""A stranger opens any file and knows what it is for, on any machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.first_lines import machine_words, texts, without_first_line
from tests.architecture.sources import EVERYTHING, ROOT, parse, sources

if TYPE_CHECKING:
    from pathlib import Path


def test_every_file_says_in_its_first_line_what_it_is_for() -> None:
    assert [offence for source in sources(*EVERYTHING) for offence in without_first_line(source)] == []


def test_no_file_names_a_place_that_others_do_not_have() -> None:
    assert [line for path, text in texts(ROOT).items() for line in machine_words(path, text)] == []


@pytest.mark.parametrize("text", ["import os\n", "# comment\nx = 1\n", '"""No full stop"""\n', 'x = 1\n"""Late."""\n'])
def test_a_file_without_a_first_sentence_is_found(text: str) -> None:
    assert len(without_first_line(parse("host/x.py", text))) == 1


def test_a_first_sentence_and_an_empty_file_are_fine() -> None:
    assert without_first_line(parse("host/x.py", '"""Draws tiers."""\n')) == []
    assert without_first_line(parse("host/__init__.py", "")) == []


@pytest.mark.parametrize(
    "line", ["see /wor" + "k/main/x", "read ../shar" + "ed/notes", "pip install -i pypi.or" + "g", "/home" + "/ann/clone"]
)
def test_a_place_of_one_machine_is_found(line: str) -> None:
    assert len(machine_words("README.md", line)) == 1


def test_a_folder_called_work_inside_ours_is_no_place_of_one_machine() -> None:
    assert machine_words("x.py", "self.root/worker/1 and build/work/x and prework/") == []


def test_texts_leaves_out_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "theirs.py").write_text("x")
    (tmp_path / "picture.bin").write_bytes(b"\0\1")
    (tmp_path / "ours.md").write_text("hello")
    assert texts(tmp_path) == {"ours.md": "hello"}
