"""The outbox under a flood: events may be lost, what a verb came to may not, and the loop is not kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tierhost.ipc.messages import Happened, VerbDone
from tierhost.workers.runtime.outbox import WORDS_MAX, WORDS_PER_TURN_MAX, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.ipc.messages import Message

DONE = VerbDone("echo", 1, 7, "state_auto_start", "complete", "")


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    made = Outbox("echo", 1)
    yield made
    os.close(made.wake_fd)


def flood(outbox: Outbox, count: int) -> None:
    for number in range(count):
        outbox.emit("flood", f"drop {number}", {})


class Host:
    """Takes every word."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def hear(self, word: Message) -> bool:
        self.heard.append(word)
        return True


def said(outbox: Outbox) -> list[Message]:
    """Everything, turn by turn."""
    host = Host()
    for _ in range(WORDS_MAX // WORDS_PER_TURN_MAX + 1):
        outbox.flush(host.hear)
    return host.heard


def test_a_flood_of_events_does_not_wash_away_what_a_verb_came_to(outbox: Outbox) -> None:
    flood(outbox, 10)
    outbox.say(DONE)
    flood(outbox, 2 * WORDS_MAX)
    words = said(outbox)
    assert words.count(DONE) == 1
    assert words[0] == DONE, "what came before it was older, and is lost"
    assert isinstance(words[-1], Happened)
    assert words[-1].kind == "events-lost"
    assert words[-1].details == {"count": WORDS_MAX + 11}


def test_a_flood_is_said_over_several_turns_each_of_which_wakes_the_next(outbox: Outbox) -> None:
    flood(outbox, WORDS_PER_TURN_MAX + 1)
    outbox.drain()
    host = Host()
    outbox.flush(host.hear)
    assert len(host.heard) == WORDS_PER_TURN_MAX
    assert os.eventfd_read(outbox.wake_fd)
    outbox.flush(host.hear)
    assert len(host.heard) == WORDS_PER_TURN_MAX + 1
    with pytest.raises(BlockingIOError):
        os.eventfd_read(outbox.wake_fd)
