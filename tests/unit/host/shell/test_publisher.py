"""Numbers of events, what listeners hear and what is kept for those who come late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.host.shell.fakes import FakeLoudspeaker
from tierhost.host.shell.publisher import (
    BYTES_KEPT,
    DETAILS_DEPTH_MAX,
    DETAILS_VALUES_MAX,
    EVENT_BYTES_MAX,
    EVENTS_KEPT,
    Publisher,
)
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.limits import FRAME_BYTES_MAX, TEXT_CHARS_MAX
from tierhost.ipc.messages import Event, Reply

if TYPE_CHECKING:
    from tierhost.ipc.sockets import Loudspeaker


@pytest.fixture
def loudspeaker() -> FakeLoudspeaker:
    return FakeLoudspeaker()


@pytest.fixture
def publisher(loudspeaker: FakeLoudspeaker) -> Publisher:
    return Publisher(cast("Loudspeaker", loudspeaker))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"x": value}
    return value


def test_events_are_numbered_without_gaps_and_said_in_order_by_source(publisher: Publisher, loudspeaker: FakeLoudspeaker) -> None:
    before = publisher.number
    publisher.say(1.0, "storage", "phase", "storage", {"phase": "READY"}, 3)
    publisher.say(2.0, "host", "tier", "libvirt")
    publisher.flush()
    assert loudspeaker.said == [
        (b"storage", Event(before + 1, 1.0, "storage", 3, "phase", "storage", {"phase": "READY"})),
        (b"host", Event(before + 2, 2.0, "host", 0, "tier", "libvirt", {})),
    ]
    assert publisher.number == before + 2


def test_nothing_is_said_before_the_flush_and_nothing_twice(publisher: Publisher, loudspeaker: FakeLoudspeaker) -> None:
    publisher.say(1.0, "host", "tier")
    assert loudspeaker.said == []
    publisher.flush()
    publisher.flush()
    assert len(loudspeaker.said) == 1


def test_the_next_host_begins_with_a_larger_number(publisher: Publisher) -> None:
    assert Publisher(cast("Loudspeaker", FakeLoudspeaker())).number > publisher.number


def test_who_comes_late_gets_what_came_after_the_number_it_knows_also_what_was_not_said_yet(publisher: Publisher) -> None:
    first = publisher.number + 1
    for number in range(5):
        publisher.say(float(number), "host", "tier")
    assert [event.number for event in publisher.since(first + 2)] == [first + 3, first + 4]
    assert publisher.since(first + 4) == []


def test_only_the_latest_events_are_kept(publisher: Publisher) -> None:
    for _ in range(EVENTS_KEPT + 5):
        publisher.say(1.0, "host", "tier")
    kept = [event.number for event in publisher.since(0)]
    assert kept == list(range(publisher.number - EVENTS_KEPT + 1, publisher.number + 1))


def test_large_events_are_kept_by_their_bytes_and_the_gap_shows_in_the_numbers(publisher: Publisher) -> None:
    first = publisher.number + 1
    for _ in range(200):
        publisher.say(1.0, "storage", "note", "", {"text": b"x" * 60_000})
    kept = publisher.since(0)
    assert kept[0].number > first
    assert [event.number for event in kept] == list(range(kept[0].number, publisher.number + 1))
    assert BYTES_KEPT - 120_000 < sum(len(encode(event)) for event in kept) <= BYTES_KEPT


@pytest.mark.parametrize(
    "details",
    [{"text": b"x" * 60_000}, nested(DETAILS_DEPTH_MAX), {str(key): key for key in range(DETAILS_VALUES_MAX)}],
)
def test_all_that_is_kept_fits_into_one_answer(details: dict[str, Any], publisher: Publisher) -> None:
    for _ in range(EVENTS_KEPT):
        publisher.say(1.0, "storage", "note", "x" * 1000, details)
    kept = publisher.since(0)
    assert kept[-1].details == details
    answer = encode(Reply(b"id", 0, [event._asdict() for event in kept]))
    assert len(answer) < FRAME_BYTES_MAX
    assert isinstance(decode(answer), Reply)


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"text": b"x" * EVENT_BYTES_MAX}, f"bytes, the limit is {EVENT_BYTES_MAX}"),
        ({"text": b"x" * (FRAME_BYTES_MAX - 50)}, f"the limit is {FRAME_BYTES_MAX}"),
        (nested(DETAILS_DEPTH_MAX + 1), f"{DETAILS_DEPTH_MAX + 1} deep"),
        ({"list": list(range(DETAILS_VALUES_MAX))}, f"{DETAILS_VALUES_MAX + 1} values"),
        ({"path": "\udcff"}, "Event"),
    ],
)
def test_an_event_that_is_too_much_is_told_without_its_details_and_says_so(
    details: dict[str, Any], why: str, publisher: Publisher, loudspeaker: FakeLoudspeaker
) -> None:
    publisher.say(1.0, "storage", "note", "pool images", details)
    publisher.flush()
    [(_, event)] = loudspeaker.said
    assert (event.kind, event.subject, list(event.details)) == ("note", "pool images", ["left out"])
    assert why in str(event.details["left out"])
    assert publisher.since(0) == [event]


def test_a_subject_that_is_too_long_is_cut_and_one_that_is_no_text_is_spelled_out(
    publisher: Publisher, loudspeaker: FakeLoudspeaker
) -> None:
    publisher.say(1.0, "host", "driver-broken", "x" * (TEXT_CHARS_MAX + 1))
    publisher.say(1.0, "host", "driver-broken", "/d/\udcff")
    publisher.flush()
    assert [event.subject for _, event in loudspeaker.said] == ["x" * TEXT_CHARS_MAX, "/d/\\udcff"]
