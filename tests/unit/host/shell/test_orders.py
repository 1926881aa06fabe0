"""What the shell does when the core gives an order: who gets which role, what is recorded, and what others are told."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.unit.host.shell.fakes import STORAGE
from tierhost.host.core import commands, events
from tierhost.ipc.messages import Assign, Hello, Leave, Parked, PeerDown, PeerUp, Perform, VerbDone, Welcome

if TYPE_CHECKING:
    from tests.unit.host.shell.fakes import FakeShell
    from tierhost.host.shell.processes import Body
    from tierhost.ipc.messages import Message

START = commands.StartWorker("storage", 1)


def started(shell: FakeShell, driver: str, incarnation: int = 1) -> Body:
    """Give a driver a life in a fresh process."""
    body = shell.spare("storage" if driver == "storage" else "")
    assert list(shell.orders.perform(commands.StartWorker(driver, incarnation))) == [
        events.WorkerStarted(driver, incarnation, body.pid)
    ]
    shell.door.take()
    return body


def sent_to(shell: FakeShell, body: Body) -> list[Message]:
    return [message for to, message in shell.door.take() if to == body.identity.encode()]


# Who gets the role.


def test_a_warm_spare_is_preferred_to_a_cold_one_and_a_parked_one_to_one_under_way(shell: FakeShell) -> None:
    shell.spare("")
    shell.processes.order(STORAGE)
    warm = shell.spare("storage")
    assert list(shell.orders.perform(START)) == [events.WorkerStarted("storage", 1, warm.pid)]
    assert shell.body("storage") is warm


def test_a_cold_spare_does_where_no_warm_one_is(shell: FakeShell) -> None:
    cold = shell.spare("")
    assert list(shell.orders.perform(START)) == [events.WorkerStarted("storage", 1, cold.pid)]


def test_a_spare_of_another_driver_is_left_alone_and_a_process_is_ordered(shell: FakeShell) -> None:
    spare = shell.spare("storage")
    assert list(shell.orders.perform(commands.StartWorker("qemu", 1))) == []
    assert shell.body("qemu") is not spare
    assert shell.zygote.orders[-1]["launch"]["warm"]["name"] == "qemu"


def test_one_that_is_ordered_gets_its_role_when_it_parks(shell: FakeShell) -> None:
    assert list(shell.orders.perform(START)) == []
    body = shell.body("storage")
    shell.born(body)
    assert shell.hear(body, Parked(1, "storage")) == [events.WorkerStarted("storage", 1, body.pid)]
    [assigned] = sent_to(shell, body)
    assert isinstance(assigned, Assign)
    assert (assigned.spec["name"], assigned.incarnation, assigned.slot) == ("storage", 1, 0)


def test_one_that_parks_before_its_birth_is_told_gets_its_role_then_and_its_record_a_pid(shell: FakeShell) -> None:
    shell.orders.perform(START)
    body = shell.body("storage")
    assert shell.hear(body, Parked(1, "storage"), pid=4711) == []
    assert not body.assigned
    shell.zygote.words.append(({"born": body.identity, "pid": 4711}, 9))
    assert shell.orders.born() == [events.WorkerStarted("storage", 1, 4711)]
    assert [life.pid for life in shell.of.lives.read()[0]] == [4711]
    assert shell.poller.watched == {9}


def test_a_spare_whose_birth_was_not_told_yet_waits_for_it_too(shell: FakeShell) -> None:
    spare = shell.processes.order()
    assert spare is not None
    shell.hear(spare, Parked(1, ""), pid=4711)
    assert list(shell.orders.perform(commands.StartWorker("qemu", 1))) == []
    shell.born(spare)
    assert spare.assigned


def test_when_nobody_forks_the_start_has_failed(shell: FakeShell) -> None:
    shell.zygote.deaf = True
    [fact] = shell.orders.perform(START)
    assert isinstance(fact, events.WorkerStartFailed)
    assert "does not answer" in fact.reason


def test_the_record_is_written_before_the_role_is_given(shell: FakeShell) -> None:
    body = started(shell, "storage")
    [life] = shell.of.lives.read()[0]
    assert (life.driver, life.incarnation, life.alive, life.pid, life.identity) == ("storage", 1, True, body.pid, body.identity)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_life_whose_record_cannot_be_written_has_not_started_and_its_process_stays_a_spare(
    shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = shell.spare("storage")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        [fact] = shell.orders.perform(START)
    assert fact == events.WorkerStartFailed("storage", 1, "its record cannot be written: No space left on device")
    assert shell.door.take() == []
    assert list(shell.orders.perform(commands.StartWorker("storage", 2))) == [events.WorkerStarted("storage", 2, spare.pid)]


def test_a_full_disk_does_not_hinder_a_burial(shell: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    body = started(shell, "storage")
    shell.orders.perform(commands.BuryWorker("storage", 1))
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        shell.orders.follow_up()
    assert shell.processes.forgotten == [body]


# What a life is told.


def test_a_verb_goes_to_the_life_that_is_meant_and_to_no_other(shell: FakeShell) -> None:
    body = started(shell, "storage")
    shell.orders.perform(commands.RunVerb("storage", 1, "state_initialize", 30.0))
    shell.orders.perform(commands.RunVerb("storage", 2, "state_initialize", 30.0))
    shell.orders.perform(commands.RunVerb("storage", 1, "state_reload", 60.0))
    assert sent_to(shell, body) == [Perform(1, "state_initialize", 30.0), Perform(2, "state_reload", 60.0)]


def test_peers_hear_who_is_up_and_who_is_down_and_others_do_not(shell: FakeShell) -> None:
    storage, qemu, nodedev = (started(shell, driver) for driver in ("storage", "qemu", "nodedev"))
    shell.orders.perform(commands.AnnounceUp("storage", 1))
    assert shell.door.take() == []
    shell.orders.follow_up()
    [(to, up)] = shell.door.take()
    assert to == qemu.identity.encode()
    assert up == PeerUp("storage", 1, str(shell.of.root.worker_socket("storage", 1)), storage.pid, [])
    shell.orders.perform(commands.AnnounceDown("storage", 1))
    shell.orders.follow_up()
    assert shell.door.take() == [(qemu.identity.encode(), PeerDown("storage", 1))]
    assert nodedev.assigned
    assert [event.incarnation for event in shell.said("peer-up") + shell.said("peer-down")] == [1, 1]


def test_a_new_life_hears_at_once_of_peers_that_are_up(shell: FakeShell) -> None:
    started(shell, "storage")
    shell.orders.perform(commands.AnnounceUp("storage", 1))
    shell.orders.follow_up()
    qemu = shell.spare("")
    shell.orders.perform(commands.StartWorker("qemu", 1))
    assert [type(message) for message in sent_to(shell, qemu)] == [Assign, PeerUp]


def test_news_of_an_old_life_does_not_take_the_new_one_down(shell: FakeShell) -> None:
    started(shell, "storage", 2)
    shell.orders.perform(commands.AnnounceUp("storage", 2))
    shell.orders.perform(commands.AnnounceDown("storage", 1))
    assert shell.orders.news.up["storage"].incarnation == 2


def test_an_adopted_life_is_welcomed(shell: FakeShell) -> None:
    body = started(shell, "storage")
    shell.orders.perform(commands.AdoptWorker("storage", 1))
    shell.orders.perform(commands.AdoptWorker("storage", 7))
    assert sent_to(shell, body) == [Welcome(1, shell.of.facts.pid)]


def test_a_stranger_is_told_to_leave(shell: FakeShell) -> None:
    shell.orders.dismiss_stranger(b"x", "no")
    assert shell.door.take() == [(b"x", Leave("no"))]


# Ends.


def test_an_evicted_life_is_killed_and_the_reason_is_its_end(shell: FakeShell) -> None:
    body = started(shell, "storage")
    assert list(shell.orders.perform(commands.EvictWorker("storage", 1, "it hangs"))) == []
    assert shell.processes.killed == [body]
    assert body.how == "killed by the host: it hangs"


@pytest.mark.parametrize("incarnation", [1, 9])
def test_evicting_a_life_without_a_process_leaves_the_spare_alone(incarnation: int, shell: FakeShell) -> None:
    shell.orders.perform(START)
    spare = shell.body("storage")
    facts = list(shell.orders.perform(commands.EvictWorker("storage", incarnation, "too slow")))
    assert facts == [events.WorkerExited("storage", incarnation, "had no process"), events.WorkerBuried("storage", incarnation)]
    assert shell.processes.killed == []
    assert (spare.driver == "") is (incarnation == 1)


def test_a_life_is_buried_once_nothing_of_it_is_left(shell: FakeShell) -> None:
    body = started(shell, "storage")
    shell.of.inhibitors["storage"] = "a wipe runs"
    shell.processes.buried = False
    assert list(shell.orders.perform(commands.BuryWorker("storage", 1))) == []
    assert shell.orders.unburied == [body]
    assert list(shell.orders.buried(body)) == [events.WorkerBuried("storage", 1)]
    assert shell.of.inhibitors == {}
    assert list(shell.orders.perform(commands.BuryWorker("storage", 1))) == [events.WorkerBuried("storage", 1)]


def test_of_the_dead_the_number_stays_used_and_the_socket_goes(shell: FakeShell) -> None:
    body = started(shell, "storage")
    socket = shell.of.root.worker_socket("storage", 1)
    socket.parent.mkdir()
    socket.touch()
    shell.orders.perform(commands.BuryWorker("storage", 1))
    shell.orders.follow_up()
    assert not socket.exists()
    assert shell.processes.forgotten == [body]
    assert [(life.incarnation, life.alive) for life in shell.of.lives.read()[0]] == [(1, False)]


def test_the_record_of_a_successor_is_not_written_over_by_its_predecessor_s_end(shell: FakeShell) -> None:
    started(shell, "storage")
    shell.orders.perform(commands.BuryWorker("storage", 1))
    started(shell, "storage", 2)
    shell.orders.follow_up()
    assert [(life.incarnation, life.alive) for life in shell.of.lives.read()[0]] == [(2, True)]


def test_a_whole_start_goes_from_the_first_tier_to_the_last(shell: FakeShell) -> None:
    for _ in range(2):
        shell.spare("")
    shell.spare("storage")
    shell.tell(events.HostStarted())
    for verb in ("state_initialize", "state_auto_start"):
        for driver in ("storage", "nodedev"):
            body = shell.body(driver)
            if verb == "state_initialize":
                shell.tell(*shell.hear(body, Hello(1, driver, 1, "")))
        for driver in ("storage", "nodedev"):
            shell.tell(*shell.hear(shell.body(driver), VerbDone(driver, 1, 1, verb, "complete", "")))
    assert [event.subject for event in shell.said("tier") if event.details["state"] == "ready"] == ["libvirt"]
    assert "qemu" in shell.processes.bodies.by_driver


def test_a_refused_shutdown_and_the_end_are_kept_for_whoever_asked(shell: FakeShell) -> None:
    shell.orders.perform(commands.RefuseShutdown(("2 guests run",)))
    assert (shell.orders.refusals, shell.orders.ended) == ([("2 guests run",)], False)
    shell.orders.perform(commands.EndHost())
    assert shell.orders.ended
