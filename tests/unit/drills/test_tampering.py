"""What becomes of a message that is tampered with."""

from __future__ import annotations

import pytest

from tierhost.drills.tampering import REPLY, REQUEST, Passing, Tampering, Wireside, passing
from tierhost.ipc.frames import Unframer, framed

FRAME = framed(b"a message")
NOISE = b"\xff" * 9


def out(way: str, side: Wireside | None = None) -> Passing:
    return passing(FRAME, Tampering(way), side or Wireside(), NOISE)


def test_without_tampering_a_message_passes_as_it_is() -> None:
    assert passing(FRAME, None, Wireside(), b"") == Passing((FRAME,))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("drop", Passing()),
        ("delay", Passing((FRAME,), delay_s=0.3)),
        ("duplicate", Passing((FRAME, FRAME))),
        ("truncate", Passing((FRAME[:6],), ends=True)),
        ("half-open", Passing(mute=True)),
    ],
)
def test_each_way_does_what_its_name_says(way: str, expected: Passing) -> None:
    assert out(way) == expected


def test_garbage_is_whole_and_says_nothing() -> None:
    [frame] = out("garbage").frames
    assert Unframer().take(frame) == [NOISE]


def test_what_is_out_of_order_goes_after_the_one_that_follows_it() -> None:
    side = Wireside()
    assert out("reorder", side) == Passing()
    follows = framed(b"the next")
    assert passing(follows, None, side, b"") == Passing((follows, FRAME))
    assert passing(follows, None, side, b"") == Passing((follows,)), "and once only"


def test_it_is_about_so_many_messages_of_one_side_after_those_that_pass() -> None:
    some = Tampering("drop", REPLY, after=2, count=2)
    assert [some.concerns(REPLY, number) for number in range(6)] == [False, False, True, True, False, False]
    assert not some.concerns(REQUEST, 2)
    assert Tampering("drop", REPLY, count=0).concerns(REPLY, 1_000_000)
