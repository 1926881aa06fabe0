"""What a sweep has found is kept, shared by shards, and forgotten when the code has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.drills.kill_points import summary
from tierhost.drills.kill_points.judging import Control, Trial, judge
from tierhost.drills.kill_points.ledger import Judged, Ledger
from tierhost.drills.kill_points.sweep import Share
from tierhost.drills.launcher.points import Point

if TYPE_CHECKING:
    from pathlib import Path

POINTS = [Point("a.py:1", changed=True), Point("a.py:2", changed=False), Point("a.py:3", changed=False)]


def judged(point: str, *, fired: bool = True, after: str = "b") -> Judged:
    trial = Trial(
        "secret.x", point, control=Control("a", "b"), fired=fired, outcome="answered", before="a", after=after, last=after
    )
    return Judged.of(trial, "secret", judge(trial), 0.1)


def test_a_second_sweep_goes_on_where_the_first_was(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger", "code-1")
    first.has_found("secret.x", POINTS)
    first.has_judged(judged("a.py:1"))
    second = Ledger(tmp_path / "ledger", "code-1")
    second.refresh()
    assert second.found == {"secret.x": POINTS}
    assert second.judged == {("secret.x", "a.py:1"): judged("a.py:1")}


def test_shards_see_what_the_others_have_found(tmp_path: Path) -> None:
    one, two = (Ledger(tmp_path / "ledger", "code-1") for _ in range(2))
    one.has_found("secret.x", POINTS)
    two.has_found("secret.x", POINTS[:1])
    assert two.found["secret.x"] == POINTS, "the first to count is right"


def test_results_of_other_code_and_half_a_line_are_passed_over(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger", "code-1").has_judged(judged("a.py:1"))
    with (tmp_path / "ledger").open("a") as file:
        file.write('{"what": "judged", "dig')
    later = Ledger(tmp_path / "ledger", "code-2")
    later.refresh()
    assert later.judged == {}


def test_the_summary_tells_fired_from_unreached_and_is_no_pass_with_either_missing() -> None:
    rows = [judged("a.py:1"), judged("a.py:2", fired=False), judged("a.py:3", after="half")]
    found = {"secret.x": ["a.py:1", "a.py:2", "a.py:3"]}
    counted = summary.count(found, rows, {"secret.x": "secret"})
    wanted = {"found": 3, "fired": 2, "held": 1, "broken": 1, "unknown": 0, "unreached": 1}
    assert counted["operations"]["secret.x"] == counted["drivers"]["secret"] == wanted
    assert not summary.all_held(counted)
    assert not summary.all_held(summary.count(found, rows[:1], {"secret.x": "secret"})), "what was not tried is no pass"
    assert not summary.all_held(summary.count({}, [], {})), "nothing found is no pass"
    assert summary.all_held(summary.count({"secret.x": ["a.py:1"]}, rows[:1], {"secret.x": "secret"}))
    assert summary.table(counted)[-1].split() == ["all", "3", "2", "1", "1", "0", "1"]


def test_shards_share_all_points_and_none_twice() -> None:
    points = [f"a.py:{number}" for number in range(100)]
    parts = [Share(number, 3).of("x", points, position=0, operations=1) for number in (1, 2, 3)]
    assert sorted(point for part in parts for point in part) == sorted(points)
    assert all(parts)


def test_a_sample_repeats_and_is_spread_over_the_operations() -> None:
    points = [f"a.py:{number}" for number in range(100)]
    sizes = [len(Share(sample=7, seed=3).of("x", points, position=position, operations=3)) for position in range(3)]
    assert sizes == [3, 2, 2]
    first, second, other = (Share(sample=7, seed=seed).of("x", points, position=0, operations=1) for seed in (3, 3, 4))
    assert first == second != other
