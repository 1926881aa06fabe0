"""Whose words count: what workers may say of themselves, and what strangers, liars and floods get."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.unit.host.shell.fakes import PID_FIRST
from tierhost.host.core import events
from tierhost.host.shell.status import Reported
from tierhost.host.shell.switchboard import MESSAGES_PER_TURN_MAX, STRANGERS_KEPT
from tierhost.ipc.codec import encode
from tierhost.ipc.messages import Goodbye, Happened, Hello, Inhibit, Leave, Parked, Report, Request, VerbDone

if TYPE_CHECKING:
    from tests.unit.host.shell.fakes import FakeShell
    from tierhost.host.core.events import Event
    from tierhost.host.shell.processes import Body
    from tierhost.ipc.messages import Message

STRANGER = PID_FIRST + 5000


@pytest.fixture
def storage(shell: FakeShell) -> Body:
    """Life 1 of storage, assigned."""
    body = shell.spare("storage")
    shell.tell(events.HostStarted())
    shell.door.take()
    assert (body.driver, body.incarnation, body.assigned) == ("storage", 1, True)
    return body


@pytest.mark.parametrize(
    ("message", "fact"),
    [
        (Hello(1, "storage", 1, ""), events.WorkerGreeted("storage", 1, "")),
        (
            VerbDone("storage", 1, 1, "state_initialize", "failed", "no disk"),
            events.VerbReported("storage", 1, "state_initialize", "failed", "no disk"),
        ),
        (Inhibit("storage", 1, True, "2 guests run"), events.InhibitChanged("storage", 1, True, "2 guests run")),
        (Report("storage", 1, {}, {}), None),
        (Happened("storage", 1, "pool-started", "images", {}), None),
        (Goodbye("storage", 1, "no host"), None),
    ],
)
def test_a_worker_s_word_on_its_own_life_becomes_a_fact(
    message: Message, fact: Event | None, shell: FakeShell, storage: Body
) -> None:
    assert shell.hear(storage, message) == ([] if fact is None else [fact])


@pytest.mark.parametrize(
    "message",
    [
        Hello(1, "qemu", 1, ""),
        Hello(1, "storage", 2, ""),
        Hello(2, "storage", 1, ""),
        VerbDone("qemu", 1, 1, "state_initialize", "complete", ""),
        Report("storage", 2, {}, {}),
        Inhibit("qemu", 1, True, "not mine"),
        Happened("qemu", 1, "shot", "web", {}),
        Parked(1, "storage"),
        Leave("a worker cannot send a worker away"),
    ],
)
def test_a_word_on_somebody_else_s_life_or_out_of_turn_breaks_the_protocol(
    message: Message, shell: FakeShell, storage: Body
) -> None:
    [fact] = shell.hear(storage, message)
    assert isinstance(fact, events.ProtocolBroken)
    assert (fact.driver, fact.incarnation) == ("storage", 1)
    assert not shell.of.reported
    assert not shell.of.inhibitors


def test_nonsense_from_a_worker_breaks_the_protocol_and_nothing_else(shell: FakeShell, storage: Body) -> None:
    shell.arrive(storage.identity.encode(), b"\xff\x00", storage.pid)
    [fact] = shell.switchboard.read()
    assert isinstance(fact, events.ProtocolBroken)


def test_another_process_under_a_worker_s_name_is_not_heard_and_is_shown(shell: FakeShell, storage: Body) -> None:
    assert shell.hear(storage, Inhibit("storage", 1, True, "lies"), pid=STRANGER) == []
    assert shell.of.inhibitors == {}
    [told] = shell.said("stranger")
    assert (told.subject, told.details["what"]) == (f"pid {STRANGER}", "speaks under the name of storage")


@pytest.mark.parametrize("message", [Hello(1, "storage", 1, "initialize"), Parked(1, "")])
def test_a_worker_that_no_record_knows_is_sent_away(message: Message, shell: FakeShell) -> None:
    shell.arrive(b"lost", encode(message), STRANGER)
    assert list(shell.switchboard.read()) == []
    assert shell.door.take() == [(b"lost", Leave("this host does not know you"))]


def test_a_stranger_s_other_words_get_no_answer_and_are_shown_once(shell: FakeShell) -> None:
    for data in (encode(Goodbye("storage", 1, "x")), b"nonsense", encode(Report("storage", 1, {}, {}))):
        shell.arrive(b"x", data, STRANGER)
    assert list(shell.switchboard.read()) == []
    assert shell.door.take() == []
    assert len(shell.said("stranger")) == 1


def test_only_so_many_strangers_are_remembered(shell: FakeShell) -> None:
    for pid in range(STRANGERS_KEPT + 1):
        shell.arrive(b"x", b"nonsense", STRANGER + pid)
    shell.arrive(b"x", b"nonsense", STRANGER)
    list(shell.switchboard.read())
    assert len(shell.said("stranger")) == STRANGERS_KEPT + 2


def test_a_turn_takes_so_many_messages_and_leaves_the_rest_for_the_next(shell: FakeShell, storage: Body) -> None:
    for _ in range(MESSAGES_PER_TURN_MAX + 7):
        shell.arrive(storage.identity.encode(), encode(Hello(1, "storage", 1, "")), storage.pid)
    assert len(list(shell.switchboard.read())) == MESSAGES_PER_TURN_MAX
    assert len(list(shell.switchboard.read())) == 7


def test_a_report_is_what_status_shows(shell: FakeShell, storage: Body) -> None:
    shell.hear(storage, Report("storage", 1, {"pools": {"active": 2}}, {"pool a": "gone"}))
    assert shell.of.reported == {"storage": Reported({"pools": {"active": 2}}, {"pool a": "gone"})}


def test_an_inhibitor_is_kept_until_it_is_taken_back(shell: FakeShell, storage: Body) -> None:
    shell.hear(storage, Inhibit("storage", 1, True, "a wipe runs"))
    assert shell.of.inhibitors == {"storage": "a wipe runs"}
    shell.hear(storage, Inhibit("storage", 1, False, ""))
    assert shell.of.inhibitors == {}


def test_what_happened_to_an_object_is_published_under_its_driver_s_name(shell: FakeShell, storage: Body) -> None:
    shell.hear(storage, Happened("storage", 1, "pool-started", "images", {"by": "autostart"}))
    [told] = shell.said("pool-started")
    assert (told.source, told.incarnation, told.subject, told.details) == ("storage", 1, "images", {"by": "autostart"})


@pytest.mark.parametrize(("outcome", "started"), [("complete", {"storage"}), ("failed", set()), ("skipped", set())])
def test_only_a_complete_auto_start_counts_for_this_boot(
    outcome: str, started: set[str], shell: FakeShell, storage: Body
) -> None:
    shell.hear(storage, VerbDone("storage", 1, 2, "state_auto_start", outcome, ""))
    assert shell.of.boot.started == started


def test_an_auto_start_that_cannot_be_recorded_is_shown_and_still_counts(
    shell: FakeShell, storage: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    done = VerbDone("storage", 1, 2, "state_auto_start", "complete", "")
    assert shell.hear(storage, done) == [events.VerbReported("storage", 1, "state_auto_start", "complete", "")]
    assert [event.subject for event in shell.said("boot-record-failed")] == ["storage"]
    assert shell.of.boot.started == {"storage"}


def test_last_words_say_how_it_ended(shell: FakeShell, storage: Body) -> None:
    shell.hear(storage, Goodbye("storage", 1, "this host does not know you"))
    assert storage.how == "left: this host does not know you"


def test_a_spare_that_parks_for_another_driver_or_protocol_is_a_stranger(shell: FakeShell) -> None:
    for message in (Parked(1, "qemu"), Parked(2, "")):
        body = shell.processes.order()
        assert body is not None
        shell.born(body)
        assert shell.hear(body, message) == []
        assert not body.parked
    assert len(shell.said("stranger")) == 2


def test_a_request_is_answered_also_for_a_process_that_is_a_worker(shell: FakeShell, storage: Body) -> None:
    assert shell.hear(storage, Request(b"id", 0, "directory", [], {}, 1.0, "storage", 1, 1)) == []
    [(to, _)] = shell.door.take()
    assert to == storage.identity.encode()
