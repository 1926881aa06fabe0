"""Both ends of the conversation, one against the other, and every word out of turn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierhost.ipc.codec import KINDS
from tierhost.ipc.conversation import FROM_HOST, FROM_WORKER, HOST_DIED, Conversation, End, OutOfTurn, Stage, drawing
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import PROTOCOL
from tierhost.ipc.messages import (
    Assign,
    FromHost,
    FromWorker,
    Goodbye,
    Happened,
    Hello,
    Inhibit,
    Leave,
    Parked,
    PeerDown,
    PeerUp,
    Perform,
    Report,
    VerbDone,
    Welcome,
)

LIFE: tuple[str, int] = ("storage", 7)

WORDS: dict[type[Any], Any] = {
    Parked: Parked(PROTOCOL, ""),
    Hello: Hello(PROTOCOL, *LIFE, ""),
    VerbDone: VerbDone(*LIFE, 1, "state_initialize", "complete", ""),
    Report: Report(*LIFE, {}, {}),
    Inhibit: Inhibit(*LIFE, held=True, why="guests"),
    Happened: Happened(*LIFE, "started", "pool images", {}),
    Goodbye: Goodbye(*LIFE, "asked to"),
    Assign: Assign({"name": LIFE[0]}, LIFE[1], 0, 1),
    Welcome: Welcome(LIFE[1], 1),
    Perform: Perform(1, "state_initialize", 5.0),
    PeerUp: PeerUp("secret", 1, "/run/secret.1", 9, []),
    PeerDown: PeerDown("secret", 1),
    Leave: Leave("not needed"),
}


class Pair:
    """Two real machines with a wire between them that delivers at once."""

    def __init__(self) -> None:
        self.host = Conversation(End.HOST)
        self.worker = Conversation(End.WORKER)

    def worker_says(self, *words: FromWorker) -> None:
        for word in words:
            self.worker.sent(word)
            assert self.host.received(word)
            assert self.host.stage is self.worker.stage

    def host_says(self, *words: FromHost) -> None:
        for word in words:
            self.host.sent(word)
            assert self.worker.received(word)
            assert self.host.stage is self.worker.stage


def living() -> Pair:
    pair = Pair()
    pair.worker_says(WORDS[Parked])
    pair.host_says(WORDS[Assign])
    pair.worker_says(WORDS[Hello])
    return pair


def test_a_whole_life_from_spare_to_goodbye() -> None:
    pair = living()
    pair.host_says(WORDS[PeerUp], Perform(1, "state_initialize", 5.0))
    pair.worker_says(WORDS[Report], VerbDone(*LIFE, 1, "state_initialize", "complete", ""))
    pair.host_says(Perform(2, "state_auto_start", 5.0), WORDS[PeerDown])
    pair.worker_says(WORDS[Happened], WORDS[Inhibit], VerbDone(*LIFE, 2, "state_auto_start", "complete", ""))
    pair.host_says(WORDS[Leave])
    pair.worker_says(WORDS[Goodbye])
    assert pair.host.stage is Stage.LEFT


def test_the_life_survives_its_host() -> None:
    pair = living()
    pair.host_says(Perform(1, "state_initialize", 5.0))
    pair.worker.host_died()
    assert pair.worker.stage is Stage.BEREFT
    pair.worker.verb_ended_unheard()
    pair.host = Conversation(End.HOST, driver=LIFE[0], incarnation=LIFE[1], adopted=True)
    pair.worker_says(Hello(PROTOCOL, *LIFE, "state_initialize"), Hello(PROTOCOL, *LIFE, "state_initialize"))
    pair.host_says(WORDS[Welcome], Perform(1, "state_auto_start", 5.0))
    pair.worker_says(VerbDone(*LIFE, 1, "state_auto_start", "complete", ""))


def test_a_hello_that_crossed_the_welcome_is_passed_over() -> None:
    host = Conversation(End.HOST, driver=LIFE[0], incarnation=LIFE[1], adopted=True)
    hello = Hello(PROTOCOL, *LIFE, "state_auto_start")
    assert host.received(hello)
    host.sent(WORDS[Welcome])
    assert not host.received(hello)
    host.sent(Perform(1, "state_reload", 5.0))
    assert not host.received(hello)
    assert host.stage is Stage.PERFORMING


def test_a_second_hello_of_a_new_life_is_out_of_turn() -> None:
    with pytest.raises(ProtocolError, match="Hello"):
        living().host.received(WORDS[Hello])


def test_words_under_way_when_the_worker_was_told_to_leave_are_heard() -> None:
    pair = living()
    pair.host_says(Perform(1, "state_initialize", 5.0))
    pair.host.sent(WORDS[Leave])
    for word in (WORDS[Report], WORDS[VerbDone], WORDS[Goodbye]):
        assert pair.host.received(word)
    assert pair.host.stage is Stage.LEFT


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (Hello(PROTOCOL + 1, *LIFE, ""), f"protocol {PROTOCOL + 1}"),
        (Hello(PROTOCOL, "secret", 7, ""), "claims to be life 7 of 'secret'"),
        (Hello(PROTOCOL, "storage", 8, ""), "claims to be life 8 of 'storage'"),
        (Hello(PROTOCOL, *LIFE, "state_auto_start"), "has just begun claims to be past state_auto_start"),
    ],
)
def test_a_hello_that_lies_is_refused_and_changes_nothing(word: Hello, reason: str) -> None:
    pair = Pair()
    pair.worker_says(WORDS[Parked])
    pair.host_says(WORDS[Assign])
    with pytest.raises(ProtocolError, match=reason):
        pair.host.received(word)
    assert pair.host.received(WORDS[Hello])


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (VerbDone(*LIFE, 2, "state_initialize", "complete", ""), "number 2, asked was state_initialize number 1"),
        (VerbDone(*LIFE, 1, "state_auto_start", "complete", ""), "reports state_auto_start"),
        (VerbDone(*LIFE, 1, "state_initialize", "splendid", ""), "outcome 'splendid'"),
        (VerbDone("storage", 6, 1, "state_initialize", "complete", ""), "life 6"),
        (Report("secret", 7, {}, {}), "of 'secret'"),
        (Inhibit("storage", 1, held=False, why=""), "life 1"),
        (Happened("qemu", 7, "started", "guest", {}), "of 'qemu'"),
        (Goodbye("", 0, "bye"), "life 0"),
    ],
)
def test_a_worker_speaks_of_its_own_life_and_of_what_it_was_asked(word: FromWorker, reason: str) -> None:
    pair = living()
    pair.host_says(Perform(1, "state_initialize", 5.0))
    with pytest.raises(ProtocolError, match=reason):
        pair.host.received(word)
    assert pair.host.received(WORDS[VerbDone])


def test_an_answer_given_twice_is_out_of_turn() -> None:
    pair = living()
    pair.host_says(Perform(1, "state_initialize", 5.0))
    pair.worker_says(WORDS[VerbDone])
    with pytest.raises(ProtocolError, match="VerbDone"):
        pair.host.received(WORDS[VerbDone])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((Perform(3, "state_initialize", 5.0),), "number 3 .*after"),
        ((Welcome(8, 1),), "Welcome"),
        ((WORDS[Assign],), "Assign"),
    ],
)
def test_a_host_out_of_turn_is_refused(words: tuple[FromHost, ...], reason: str) -> None:
    pair = living()
    pair.host_says(Perform(3, "state_initialize", 5.0))
    pair.worker_says(VerbDone(*LIFE, 3, "state_initialize", "complete", ""))
    reason = reason.replace("number 3 .*after", "verb 3 is asked for after verb 3")
    for word in words:
        with pytest.raises(ProtocolError, match=reason):
            pair.worker.received(word)


def test_a_welcome_is_for_the_life_that_said_hello() -> None:
    worker = living().worker
    worker.host_died()
    worker.sent(Hello(PROTOCOL, *LIFE, ""))
    with pytest.raises(ProtocolError, match="life 8 is welcomed"):
        worker.received(Welcome(8, 1))
    assert worker.received(Welcome(7, 1))


def test_lives_are_counted_from_one() -> None:
    pair = Pair()
    pair.worker_says(WORDS[Parked])
    with pytest.raises(OutOfTurn, match="counted from 1"):
        pair.host.sent(Assign({"name": "storage"}, 0, 0, 1))


def test_our_own_mistakes_are_not_blamed_on_the_peer() -> None:
    pair = living()
    with pytest.raises(OutOfTurn):
        pair.host.sent(WORDS[Welcome])
    with pytest.raises(OutOfTurn):
        pair.worker.sent(WORDS[VerbDone])
    with pytest.raises(OutOfTurn):
        pair.worker.verb_ended_unheard()
    assert (pair.host.stage, pair.worker.stage) == (Stage.IDLE, Stage.IDLE)


# The tables themselves.


def test_every_stage_has_a_row_and_every_word_a_place() -> None:
    assert set(FROM_HOST) == set(FROM_WORKER) == set(HOST_DIED) == set(Stage)
    spoken = {word for table in (FROM_HOST, FROM_WORKER) for words in table.values() for word in words}
    assert spoken == set(WORDS)
    assert spoken < set(KINDS)


def test_every_stage_can_be_reached_and_left() -> None:
    moves = {(stage, to) for table in (FROM_HOST, FROM_WORKER) for stage, words in table.items() for to in words.values()}
    moves |= {*HOST_DIED.items(), (Stage.BEREFT, Stage.ORPHANED)}
    real = {(stage, to) for stage, to in moves if stage is not to}
    assert {to for _, to in real} == set(Stage) - {Stage.FORKED}
    assert {stage for stage, _ in real} == set(Stage) - {Stage.LEFT}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("kind", WORDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("end", End)
def test_what_is_not_in_the_table_is_refused_and_changes_nothing(stage: Stage, kind: type[Any], end: End) -> None:
    conversation = Conversation(end)
    conversation.stage = stage
    heard = FROM_WORKER if end is End.HOST else FROM_HOST
    if kind in heard[stage]:
        return
    before = vars(conversation).copy()
    with pytest.raises(ProtocolError, match=kind.__name__):
        conversation.received(WORDS[kind])
    assert vars(conversation) == before


def test_the_drawing_shows_every_move_of_the_tables() -> None:
    drawn = drawing()
    for table in (FROM_HOST, FROM_WORKER):
        for stage, words in table.items():
            for word, to in words.items():
                assert to is stage or (f"{stage.name} --> {to.name}: " in drawn and word.__name__ in drawn)
    assert drawn.startswith("stateDiagram-v2\n")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(list(WORDS))), max_size=30))
def test_two_ends_that_keep_to_the_tables_never_disagree(tries: list[tuple[bool, type[Any]]]) -> None:
    pair = Pair()
    seq = 0
    for from_host, kind in tries:
        speaker, listener = (pair.host, pair.worker) if from_host else (pair.worker, pair.host)
        seq += 1
        word: Any = Perform(seq, "state_reload", 5.0) if kind is Perform else WORDS[kind]
        if kind is VerbDone:
            word = VerbDone(*LIFE, pair.worker._seq, pair.worker._verb, "complete", "")
        try:
            speaker.sent(word)
        except OutOfTurn:
            continue
        listener.received(word)
        assert pair.host.stage is pair.worker.stage
