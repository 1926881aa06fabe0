"""What clients may ask the host, what it answers, and how it refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host.core import commands, events
from tierhost.host.shell.control import PENDING_MAX
from tierhost.host.shell.publisher import EVENTS_KEPT
from tierhost.ipc.errors import Code
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.messages import Failure, Reply

if TYPE_CHECKING:
    from tests.unit.host.shell.fakes import FakeShell

SOMEBODY = os.geteuid() + 1


def answer(shell: FakeShell) -> Any:
    """The one answer at the door."""
    [(to, message)] = shell.door.take()
    assert to == b"client"
    assert isinstance(message, Reply)
    return message.value


def refusal(shell: FakeShell) -> Failure:
    [(to, message)] = shell.door.take()
    assert to == b"client"
    assert isinstance(message, Failure)
    return message


@pytest.mark.parametrize(
    ("method", "args", "fact"),
    [
        ("worker_restart", ["qemu"], events.RestartAsked("qemu")),
        ("worker_stop", ["qemu"], events.StopAsked("qemu")),
        ("worker_release", ["qemu"], events.ReleaseAsked("qemu")),
        ("reload", ["qemu"], events.ReloadAsked("qemu")),
        ("reload", [], events.ReloadAsked("")),
    ],
)
def test_what_changes_something_is_answered_once_the_core_has_taken_it(
    method: str, args: list[str], fact: events.Event, shell: FakeShell
) -> None:
    assert shell.ask(method, *args) == [fact]
    assert shell.control.asked() == []
    assert shell.door.take() == []
    shell.control.confirm()
    assert answer(shell) is None
    shell.control.confirm()
    assert shell.door.take() == []


METHODS = "directory, events_since, reload, shutdown, status, story, worker_release, worker_restart, worker_stop"


@pytest.mark.parametrize(
    ("method", "args", "code", "text", "hint"),
    [
        ("explode", [], Code.NO_SUPPORT, "the host has no method 'explode'", f"it has {METHODS}"),
        ("answer", [], Code.NO_SUPPORT, "the host has no method 'answer'", f"it has {METHODS}"),
        ("worker_stop", ["tape"], Code.INVALID_ARG, "there is no driver 'tape'", "drivers: storage, nodedev, qemu"),
        ("worker_restart", [""], Code.INVALID_ARG, "there is no driver ''", "drivers: storage, nodedev, qemu"),
        ("story", ["tape"], Code.INVALID_ARG, "there is no driver 'tape'", "drivers: storage, nodedev, qemu"),
        ("reload", ["tape"], Code.INVALID_ARG, "there is no driver 'tape'", "drivers: storage, nodedev, qemu"),
        ("worker_stop", [], Code.INVALID_ARG, "missing 1 required positional argument", ""),
        ("worker_stop", [["qemu"]], Code.INVALID_ARG, "unhashable", ""),
        ("events_since", ["yesterday"], Code.INVALID_ARG, "not supported between", ""),
        ("status", [1], Code.INVALID_ARG, "positional argument", ""),
        ("shutdown", [True], Code.INVALID_ARG, "positional argument", ""),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_way_out(
    method: str, args: list[Any], code: Code, text: str, hint: str, shell: FakeShell
) -> None:
    shell.of.publisher.say(1.0, "host", "tier")
    assert shell.ask(method, *args) == []
    refused = refusal(shell)
    assert (refused.code, refused.hint) == (code, hint)
    assert text in refused.text


def test_a_shutdown_with_a_word_that_means_nothing_is_refused(shell: FakeShell) -> None:
    assert shell.ask("shutdown", forse=True) == []
    assert "forse" in refusal(shell).text


@pytest.mark.parametrize("method", ["status", "shutdown", "explode"])
def test_another_user_is_refused_whatever_he_asks(method: str, shell: FakeShell) -> None:
    assert shell.ask(method, uid=SOMEBODY) == []
    refused = refusal(shell)
    assert (refused.kind, refused.text) == ("AccessDenied", f"uid {SOMEBODY} may not talk to this host")
    assert refused.hint == "ask as root or as the user who runs it"


def test_root_and_the_owner_are_answered(shell: FakeShell) -> None:
    for uid in {0, os.geteuid()}:
        shell.ask("directory", uid=uid)
        assert answer(shell)["lives"] == []


# Events.


def test_events_since_a_number_are_the_rows_of_those_after_it(shell: FakeShell) -> None:
    first = shell.of.publisher.number + 1
    for subject in ("a", "b"):
        shell.of.publisher.say(7.0, "storage", "note", subject, {"x": 1}, 2)
    shell.ask("events_since", first)
    assert answer(shell) == [
        {
            "number": first + 1,
            "at_s": 7.0,
            "source": "storage",
            "incarnation": 2,
            "kind": "note",
            "subject": "b",
            "details": {"x": 1},
        }
    ]


@pytest.mark.parametrize("size", [10, 60_000, FRAME_BYTES_MAX - 1_000])
def test_events_since_the_beginning_fit_into_one_answer_and_the_latest_are_in_it(size: int, shell: FakeShell) -> None:
    first = shell.of.publisher.number + 1
    for _ in range(EVENTS_KEPT + 10 if size < FRAME_BYTES_MAX // 2 else 3):
        shell.of.publisher.say(1.0, "storage", "note", "", {"text": b"x" * size})
    shell.ask("events_since", 0)
    rows = answer(shell)
    assert rows[-1]["number"] == shell.of.publisher.number
    assert [row["number"] for row in rows] == list(range(rows[0]["number"], rows[-1]["number"] + 1))
    if size < FRAME_BYTES_MAX // 2:
        assert rows[0]["number"] > first


def test_the_directory_is_who_is_up_and_the_number_to_follow_on_from(shell: FakeShell) -> None:
    body = shell.spare("storage")
    shell.orders.perform(commands.StartWorker("storage", 1))
    shell.orders.perform(commands.AnnounceUp("storage", 1))
    shell.door.take()
    shell.ask("directory")
    endpoint = str(shell.of.root.worker_socket("storage", 1))
    assert answer(shell) == {
        "number": shell.of.publisher.number,
        "lives": [{"driver": "storage", "incarnation": 1, "endpoint": endpoint, "pid": body.pid, "needs": []}],
    }


def test_a_story_is_what_the_core_tells(shell: FakeShell) -> None:
    shell.tell(events.HostStarted())
    shell.door.take()
    shell.ask("story", "storage")
    assert answer(shell) == list(shell.core.story("storage"))


# Shutdown.


def test_a_shutdown_is_answered_when_the_last_worker_is_gone(shell: FakeShell) -> None:
    assert shell.ask("shutdown", save=True) == [events.ShutdownAsked(save=True, force=False)]
    shell.control.confirm()
    shell.control.settle_shutdown()
    assert shell.door.take() == []
    shell.orders.perform(commands.EndHost())
    shell.control.settle_shutdown()
    assert answer(shell) is None


def test_a_shutdown_that_is_held_off_says_by_whom_and_what_to_do(shell: FakeShell) -> None:
    shell.ask("shutdown")
    shell.orders.perform(commands.RefuseShutdown(("qemu: 2 guests run", "storage: a wipe runs")))
    shell.control.settle_shutdown()
    refused = refusal(shell)
    assert (refused.code, refused.subject) == (Code.OPERATION_DENIED, "shutdown is held off")
    assert refused.text == "qemu: 2 guests run; storage: a wipe runs"
    assert "--leave-guests" in refused.hint
    shell.control.settle_shutdown()
    assert shell.door.take() == []


def test_a_refusal_is_for_the_one_who_asked_first_and_the_other_waits_on(shell: FakeShell) -> None:
    shell.ask("shutdown")
    shell.ask("shutdown", force=True)
    shell.orders.perform(commands.RefuseShutdown(("no",)))
    shell.control.settle_shutdown()
    assert refusal(shell).text == "no"
    shell.orders.perform(commands.EndHost())
    shell.control.settle_shutdown()
    assert answer(shell) is None


def test_a_refusal_that_nobody_asked_for_is_told_to_nobody(shell: FakeShell) -> None:
    shell.orders.perform(commands.RefuseShutdown(("no",)))
    shell.control.settle_shutdown()
    assert shell.door.take() == []
    shell.ask("shutdown")
    shell.control.settle_shutdown()
    assert shell.door.take() == []


def test_only_so_many_may_wait_for_the_shutdown(shell: FakeShell) -> None:
    for _ in range(PENDING_MAX):
        assert len(shell.ask("shutdown")) == 1
    assert shell.ask("shutdown") == []
    assert refusal(shell).code == Code.RESOURCE_BUSY
