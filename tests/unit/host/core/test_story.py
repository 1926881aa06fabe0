"""A driver's story is bounded and keeps the latest."""

from __future__ import annotations

from tierhost.host.core.story import STORY_LINES_MAX, Story


def test_a_story_is_told_in_order_with_the_clock() -> None:
    story = Story()
    story.tell(1.0, "life 1: INITIALIZING")
    story.tell(1.25, "life 1: READY")
    assert story.lines() == ("1.000 life 1: INITIALIZING", "1.250 life 1: READY")


def test_a_story_forgets_its_oldest_lines_only() -> None:
    story = Story()
    for number in range(STORY_LINES_MAX + 10):
        story.tell(float(number), f"line {number}")
    assert len(story.lines()) == STORY_LINES_MAX
    assert story.lines()[0].endswith("line 10")
    assert story.lines()[-1].endswith(f"line {STORY_LINES_MAX + 9}")


def test_two_stories_share_nothing() -> None:
    first, second = Story(), Story()
    first.tell(1.0, "mine")
    assert second.lines() == ()
