"""The judge on histories written by hand: it convicts of what it saw, and acquits the same history done right."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.unit.host.core.site import QEMU, SECRET, STORAGE, TIERS, Site
from tierhost.host.core import commands, events
from tierhost.host.core.invariants import Invariants
from tierhost.host.core.promises import INVARIANTS, Breach
from tierhost.host.core.spec import Policy

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec

Turn: TypeAlias = "tuple[float, Event, list[Command]]"
"""When, what happened, and what was ordered in answer."""

NOTHING = events.TimePassed()
INITIALIZE = commands.RunVerb("storage", 1, "state_initialize", 30.0)
AUTO_START = commands.RunVerb("storage", 1, "state_auto_start", 120.0)
BORN: list[Turn] = [(0.0, events.HostStarted(), [commands.StartWorker("storage", 1)])]
GREETED: list[Turn] = [*BORN, (0.1, events.WorkerGreeted("storage", 1, ""), [INITIALIZE])]
UP: list[Turn] = [
    *GREETED,
    (0.2, events.VerbReported("storage", 1, "state_initialize", "complete", ""), [commands.AnnounceUp("storage", 1)]),
]
DEAD: list[Turn] = [
    *UP,
    (
        0.3,
        events.WorkerExited("storage", 1, "signal 9"),
        [commands.AnnounceDown("storage", 1), commands.BuryWorker("storage", 1)],
    ),
]
BURIED: list[Turn] = [*DEAD, (0.4, events.WorkerBuried("storage", 1), [])]


def breaches(
    history: list[Turn], *specs: DriverSpec, policy: Policy | None = None, already_started: Collection[str] = ()
) -> list[Breach]:
    """Let the judge see a history."""
    judge = Invariants(specs or (STORAGE,), policy or Policy(), TIERS, already_started=already_started)
    for now_s, event, given in history:
        judge.after(event, 100.0 + now_s, given)
    return judge.breaches


def broken(
    history: list[Turn], *specs: DriverSpec, policy: Policy | None = None, already_started: Collection[str] = ()
) -> set[str]:
    """Name what was broken."""
    return {breach.invariant for breach in breaches(history, *specs, policy=policy, already_started=already_started)}


@pytest.mark.parametrize("history", [BORN, GREETED, UP, DEAD, BURIED], ids=["born", "greeted", "up", "dead", "buried"])
def test_an_honest_life_is_acquitted_at_every_step(history: list[Turn]) -> None:
    assert breaches(history) == []


@pytest.mark.parametrize(
    ("history", "ordered", "invariant"),
    [
        (BORN, commands.StartWorker("storage", 2), "one body"),
        (DEAD, commands.StartWorker("storage", 2), "one body"),
        (BURIED, commands.StartWorker("storage", 1), "incarnation"),
        (BORN, commands.AnnounceUp("storage", 1), "announce"),
        (UP, commands.AnnounceUp("storage", 1), "announce"),
        (UP, commands.AnnounceDown("storage", 1), "announce"),
        (BURIED, commands.AnnounceDown("storage", 1), "announce"),
        (UP, commands.BuryWorker("storage", 1), "dead life"),
        (BURIED, INITIALIZE, "dead life"),
        (BURIED, commands.EvictWorker("storage", 1, "late"), "dead life"),
        (UP, commands.RunVerb("storage", 2, "state_reload", 60.0), "dead life"),
        (GREETED, AUTO_START, "one verb"),
        (UP, commands.EvictWorker("storage", 1, "for nothing"), "isolation"),
        (UP, commands.RunVerb("storage", 1, "state_cleanup", 10.0), "stop order"),
        (UP, commands.EndHost(), "end"),
        (UP, commands.RefuseShutdown(("storage: no reason",)), "inhibit"),
        (UP, commands.PublishPhase("storage", 1, "READY", ""), "phases"),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_an_order_that_may_not_be_given_now_is_seen(history: list[Turn], ordered: Command, invariant: str) -> None:
    assert invariant in broken([*history, (1.0, NOTHING, [ordered])])


def test_the_barrier_is_judged_by_what_the_workers_below_have_said() -> None:
    auto_started = events.VerbReported("storage", 1, "state_auto_start", "complete", "")
    start = commands.StartWorker("qemu", 1)
    assert broken([*UP, (1.0, NOTHING, [start])], STORAGE, QEMU) == {"barrier"}
    assert broken([*UP, (1.0, NOTHING, [AUTO_START]), (2.0, auto_started, [start])], STORAGE, QEMU) == set()


def test_auto_start_before_the_rest_of_the_tier_is_seen() -> None:
    assert broken([*UP, (1.0, NOTHING, [AUTO_START])], STORAGE, SECRET) == {"together"}
    assert broken([*UP, (1.0, NOTHING, [AUTO_START])], STORAGE) == set()


def test_a_second_auto_start_in_one_boot_is_seen() -> None:
    assert broken([*UP, (1.0, NOTHING, [AUTO_START])], already_started={"storage"}) == {"auto start"}


def test_a_kill_on_the_word_of_another_life_is_seen() -> None:
    stale = events.ProtocolBroken("storage", 7, "old")
    ordered: list[Command] = [commands.AnnounceDown("storage", 1), commands.EvictWorker("storage", 1, "old")]
    assert "stale" in broken([*UP, (1.0, stale, ordered)])
    own = events.ProtocolBroken("storage", 1, "garbage")
    assert broken([*UP, (1.0, own, ordered)]) == set()


def test_a_death_that_is_not_announced_is_seen() -> None:
    exited = events.WorkerExited("storage", 1, "signal 9")
    assert broken([*UP, (1.0, exited, [commands.BuryWorker("storage", 1)])]) == {"announce"}


def test_too_many_lives_in_too_little_time_are_seen() -> None:
    def history(lives: int) -> list[Turn]:
        turns: list[Turn] = []
        for life in range(1, lives + 1):
            turns += [
                (life / 10, NOTHING, [commands.StartWorker("storage", life)]),
                (life / 10, events.WorkerExited("storage", life, "signal 9"), [commands.BuryWorker("storage", life)]),
                (life / 10, events.WorkerBuried("storage", life), []),
            ]
        return [(0.0, events.HostStarted(), []), *turns]

    assert broken(history(3), policy=Policy(intensity_max=2)) == set()
    assert broken(history(4), policy=Policy(intensity_max=2)) == {"intensity"}


def turns_of_time(first_s: float, last_s: float) -> list[Turn]:
    """A host that looks at its deadlines four times a second and does nothing."""
    return [(first_s + number / 4, NOTHING, []) for number in range(int((last_s - first_s) * 4) + 1)]


def test_a_verb_that_is_long_overdue_is_seen() -> None:
    assert broken([*GREETED, *turns_of_time(0.25, 30.5)]) == set()
    assert broken([*GREETED, *turns_of_time(0.25, 31.5)]) == {"deadline"}


def test_a_worker_that_does_not_beat_and_is_left_alone_is_seen() -> None:
    def beats(last_s: float) -> list[Turn]:
        return [
            (number / 4, events.BeatRead("storage", 1, number / 4, stopped=False), []) for number in range(1, int(last_s * 4) + 1)
        ]

    assert broken([*UP, *beats(5.5)]) == set()
    assert broken([*UP, *beats(6.5)]) == {"beat"}


def test_a_shutdown_is_refused_when_somebody_holds_it_off_and_only_then() -> None:
    held = (1.0, events.InhibitChanged("storage", 1, held=True, why="a guest"), list[commands.Command]())
    plain, forced = events.ShutdownAsked(save=False, force=False), events.ShutdownAsked(save=False, force=True)
    refusal = commands.RefuseShutdown(("storage: a guest",))
    assert broken([*UP, held, (2.0, plain, [refusal])]) == set()
    assert broken([*UP, held, (2.0, plain, [])]) == {"inhibit"}
    assert broken([*UP, held, (2.0, forced, [refusal])]) == {"inhibit"}
    assert broken([*UP, (2.0, plain, [refusal])]) == {"inhibit"}


def test_anything_after_the_end_is_seen() -> None:
    end: Turn = (1.0, events.ShutdownAsked(save=False, force=False), [commands.EndHost()])
    assert broken([*BURIED, end]) == set()
    assert "end" in broken([*BURIED, end, (2.0, NOTHING, [commands.StartWorker("storage", 2)])])


def test_a_driver_that_is_not_up_once_all_is_quiet_is_seen() -> None:
    site = Site(STORAGE)
    site.start()
    site.greets("storage")
    site.judge.has_settled(site.now_s)
    assert [breach.invariant for breach in site.judge.breaches] == ["settles"]

    site = Site(STORAGE)
    site.all_ready()
    site.judge.has_settled(site.now_s)
    assert site.judge.breaches == []


def test_a_breach_says_which_promise_when_and_how() -> None:
    (breach,) = breaches([*UP, (1.5, NOTHING, [commands.StartWorker("storage", 2), commands.AnnounceDown("storage", 1)])])[:1]
    assert breach.invariant in INVARIANTS
    assert breach.at_s == 101.5
    assert "StartWorker(driver='storage', incarnation=2)" in breach.text


def test_every_promise_is_a_sentence_under_a_name() -> None:
    for name, promise in INVARIANTS.items():
        assert name == name.lower()
        assert len(promise.split()) >= 4
