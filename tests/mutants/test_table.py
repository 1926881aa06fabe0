"""The planted bugs still fit the product: each text is there once, and what takes its place is Python."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.table import PROJECT, Mutant, mutants
from tierhost.drills.drill_file import CATALOGUE

MUTANTS_MIN = 50


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_planted_bug_can_be_planted(mutant: Mutant) -> None:
    planted = mutant.applied((PROJECT / mutant.file).read_text(encoding="utf-8"))
    ast.parse(planted)
    assert mutant.why


def test_there_are_enough_of_them_and_a_drill_is_named_for_each() -> None:
    assert len(mutants()) >= MUTANTS_MIN
    assert [mutant.name for mutant in mutants() if not mutant.by] == []


def test_each_drill_that_is_named_is_there() -> None:
    words = {drill for mutant in mutants() for drill in mutant.by}
    for word in sorted(words):
        command, _, name = word.partition(" ")
        assert command in {"run", "points", "damage", "matrix", "power-cut"}, word
        assert command != "run" or (CATALOGUE / f"{name}.toml").is_file(), word


def test_a_text_that_is_no_longer_there_is_told() -> None:
    gone = Mutant("gone", "host/run.py", "no such text", "", "", ())
    with pytest.raises(ValueError, match="0 times, expected once"):
        gone.applied("x = 1\n")
