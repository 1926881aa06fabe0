"""Secrets nowhere: the judge convicts by what was found, and knows nothing where nobody searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.drills.histories import history, look
from tierhost.drills.checkers.exposure import judge
from tierhost.drills.searching import search
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.verdicts import Finding


def judged(world: dict[str, list[Any]]) -> Finding:
    return judge(history(looks=(look("after", at_s=9, world=world),)))


def test_a_log_with_a_secret_in_it_convicts(tmp_path: Path) -> None:
    (tmp_path / "qemu.log").write_text("password=open sesame")
    finding = judged(search(tmp_path, (), {"vault": b"open sesame"}).as_world())
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("+9.000 s: secret vault is in qemu.log (clear)",)


def test_a_site_without_one_is_acquitted(tmp_path: Path) -> None:
    (tmp_path / "qemu.log").write_text("all is well")
    assert judged(search(tmp_path, (), {"vault": b"open sesame"}).as_world()).verdict is Verdict.HELD


def test_no_search_one_for_nothing_and_one_that_was_cut_short_are_no_evidence(tmp_path: Path) -> None:
    assert judged({}).verdict is Verdict.UNKNOWN
    assert judged(search(tmp_path, (), {}).as_world()).verdict is Verdict.UNKNOWN
    assert judged(search(tmp_path, (), {"vault": b"open sesame"}).as_world()).verdict is Verdict.UNKNOWN
    (tmp_path / "log").write_text("x")
    assert judged(search(tmp_path, (), {"vault": b"open sesame"}, limit_s=-1).as_world()).verdict is Verdict.UNKNOWN
