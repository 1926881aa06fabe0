"""Counts on a command line: what makes no sense is refused before anything is started, with exit code 2 and not a verdict's."""

from __future__ import annotations

import pytest

from tierhost.drills.cli import main


@pytest.mark.parametrize(
    "words",
    [
        ["race", "--trials", "-1"],
        ["race", "--trials", "0"],
        ["compare", "--trials", "0"],
        ["points", "secret", "--sample", "-1"],
        ["matrix", "--sample", "many"],
        ["damage", "--sample", "-1"],
        ["replay", "run.json", "--times", "0"],
        ["shrink", "run.json", "--tries", "0"],
    ],
    ids=" ".join,
)
def test_a_count_that_makes_no_sense_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "expected a whole number from" in capsys.readouterr().err
