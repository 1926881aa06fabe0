"""The one door: tiers open in order, people ask, deadlines pass."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.unit.host.core.site import GOODBYES, OPTIONAL, QEMU, SECRET, STORAGE, Site, kinds
from tierhost.host.core import commands, events
from tierhost.host.core.spec import Policy


def test_nothing_is_ordered_before_the_host_has_started() -> None:
    site = Site()
    assert site.tell(events.TimePassed()) == []
    assert site.start() == [commands.StartWorker("storage", 1)]


def test_the_upper_tier_starts_when_the_lower_one_has_auto_started() -> None:
    site = Site(SECRET, STORAGE, QEMU)
    assert site.start() == [commands.StartWorker("secret", 1), commands.StartWorker("storage", 1)]
    site.initializes("secret", "storage")
    assert site.answers("secret", "auto_start") == []
    assert site.answers("storage", "auto_start") == [commands.StartWorker("qemu", 1)]


def test_inside_a_tier_all_initialize_and_then_all_auto_start() -> None:
    site = Site(SECRET, STORAGE)
    site.start()
    site.greets("secret")
    assert site.answers("secret", "initialize") == [commands.AnnounceUp("secret", 1)]
    site.greets("storage")
    assert site.answers("storage", "initialize") == [
        commands.AnnounceUp("storage", 1),
        commands.RunVerb("secret", 1, "state_auto_start", 120.0),
        commands.RunVerb("storage", 1, "state_auto_start", 120.0),
    ]


def test_a_flat_host_has_no_barrier_which_is_how_the_race_is_shown() -> None:
    site = Site(STORAGE, QEMU, flat=True)
    assert kinds(site.start()) == ["StartWorker", "StartWorker"]
    site.greets("qemu")
    ordered = site.answers("qemu", "initialize")
    assert commands.RunVerb("qemu", 1, "state_auto_start", 120.0) in ordered, "storage has not even said hello"


def test_what_auto_started_in_this_boot_is_not_auto_started_again() -> None:
    site = Site(STORAGE, already_started={"storage"})
    site.start()
    site.greets("storage")
    assert site.answers("storage", "initialize") == [commands.AnnounceUp("storage", 1)]
    assert site.phase("storage") == "READY"


def test_a_required_driver_in_quarantine_holds_the_tier_above_and_is_named() -> None:
    site = Site(policy=Policy(intensity_max=0))
    site.start()
    site.dies("storage")
    assert site.phase("storage") == "QUARANTINED"
    assert [(tier.name, tier.state, tier.reason) for tier in site.core.tiers()] == [
        ("libvirt", "held", "storage is QUARANTINED: signal 9"),
        ("hypervisor", "held", "tier libvirt is held: storage is QUARANTINED: signal 9"),
    ]
    assert site.phase("qemu") == "DORMANT"


def test_an_optional_driver_in_quarantine_holds_nobody() -> None:
    site = Site(OPTIONAL, STORAGE, QEMU, policy=Policy(intensity_max=0))
    site.start()
    site.is_ready("storage")
    assert site.phase("qemu") == "DORMANT", "it is waited for as long as it tries"
    site.dies("nodedev")
    site.answers("storage", "auto_start")
    assert site.phase("qemu") == "INITIALIZING"


def test_a_tier_once_open_stays_open_when_the_one_below_fails() -> None:
    site = Site()
    site.all_ready()
    site.exits("storage")
    assert site.phase("qemu") == "READY"
    site.exits("qemu")
    assert site.is_buried("qemu") == [commands.StartWorker("qemu", 2)]


@pytest.mark.parametrize(
    ("verb", "limit_s", "reason"),
    [("hello", 10.0, "its hello took too long"), ("initialize", 30.0, "state_initialize took too long")],
)
def test_a_deadline_that_passes_costs_the_life(verb: str, limit_s: float, reason: str) -> None:
    site = Site()
    site.start()
    if verb == "initialize":
        site.greets("storage")
    assert site.core.deadline_s(site.now_s) == site.now_s + limit_s
    assert site.wait(limit_s - 0.001) == []
    assert site.wait(0.001) == [commands.EvictWorker("storage", 1, reason)]


def test_a_host_that_was_away_reads_what_arrived_before_it_judges_deadlines() -> None:
    site = Site()
    site.start()
    assert site.tell(events.TimePassed(), after_s=60.0) == [], "the hello may lie in the socket"
    assert kinds(site.greets("storage")) == ["RunVerb"]


def test_a_body_that_does_not_go_is_killed_again_and_its_end_is_never_assumed() -> None:
    site = Site(policy=Policy(evict_s=2.0))
    site.all_ready()
    site.tell(events.RestartAsked("storage"))
    ordered = site.wait(6.0)
    assert kinds(ordered) == ["EvictWorker"] * 3
    assert site.core.driver("storage").last_error == "it cannot be killed; the kernel holds it"
    assert site.phase("storage") == "EVICTING"


def test_a_person_restarts_a_driver_without_a_wait_or_a_mark() -> None:
    site = Site(policy=Policy(intensity_max=1))
    site.all_ready()
    for life in range(1, 8):
        assert site.tell(events.RestartAsked("storage")) == [
            commands.AnnounceDown("storage", life),
            commands.EvictWorker("storage", life, "a person asked for a restart"),
        ]
        assert site.dies("storage") == [commands.StartWorker("storage", life + 1)]
        site.is_ready("storage")


def test_a_restart_that_is_asked_during_an_eviction_changes_nothing() -> None:
    site = Site()
    site.all_ready()
    site.exits("storage")
    assert site.tell(events.RestartAsked("storage")) == []


def test_a_person_releases_a_quarantined_driver_and_the_tiers_above_follow() -> None:
    site = Site(policy=Policy(intensity_max=0))
    site.start()
    site.dies("storage")
    assert site.wait(60.0) == [], "quarantine does not end by itself"
    assert site.tell(events.ReleaseAsked("storage")) == [commands.StartWorker("storage", 2)]
    site.is_ready("storage")
    assert site.phase("qemu") == "INITIALIZING"


def test_a_stopped_driver_stays_down_until_it_is_released() -> None:
    site = Site()
    site.all_ready()
    assert site.tell(events.StopAsked("storage")) == [commands.RunVerb("storage", 1, "state_shutdown_prepare", 5.0)]
    for done, next_verb in pairwise(GOODBYES):
        (order,) = site.answers("storage", done.removeprefix("state_"))
        assert isinstance(order, commands.RunVerb)
        assert order.verb == next_verb
    assert kinds(site.answers("storage", "cleanup")) == ["AnnounceDown", "EvictWorker"]
    assert site.dies("storage") == []
    assert site.wait(60.0) == []
    assert site.phase("storage") == "STOPPED"
    assert site.tell(events.ReleaseAsked("storage")) == [commands.StartWorker("storage", 2)]


def test_releasing_a_driver_that_serves_changes_nothing() -> None:
    site = Site()
    site.all_ready()
    assert site.tell(events.ReleaseAsked("storage")) == []


def test_a_reload_reaches_everybody_or_the_one_that_was_named() -> None:
    site = Site()
    site.all_ready()
    assert site.tell(events.ReloadAsked("storage")) == [commands.RunVerb("storage", 1, "state_reload", 60.0)]
    site.answers("storage", "reload")
    assert site.tell(events.ReloadAsked()) == [
        commands.RunVerb("storage", 1, "state_reload", 60.0),
        commands.RunVerb("qemu", 1, "state_reload", 60.0),
    ]


def test_a_reload_waits_for_the_verb_under_way() -> None:
    site = Site()
    site.start()
    site.initializes("storage")
    assert site.tell(events.ReloadAsked()) == []
    assert commands.RunVerb("storage", 1, "state_reload", 60.0) in site.answers("storage", "auto_start")


def test_a_found_life_is_adopted_when_it_greets_and_serves_on() -> None:
    site = Site(already_started={"storage"})
    site.tell(events.LifeFound("storage", 4))
    assert site.start() == []
    assert site.greets("storage", "state_auto_start") == [
        commands.AdoptWorker("storage", 4),
        commands.AnnounceUp("storage", 4),
        commands.StartWorker("qemu", 1),
    ]
    assert site.phase("storage") == "READY"


def test_a_found_life_in_the_middle_of_a_verb_is_given_the_time_to_finish_it() -> None:
    site = Site()
    site.tell(events.LifeFound("storage", 4))
    site.start()
    assert site.wait(site.policy.adopt_s + 60.0) == [], "it may be auto-starting guests since before we came"
    ordered = site.greets("storage", "state_auto_start")
    assert commands.AdoptWorker("storage", 4) in ordered


def test_a_found_life_that_never_greets_is_ended_at_last() -> None:
    site = Site()
    site.tell(events.LifeFound("storage", 4))
    site.start()
    ordered = site.wait(site.policy.adopt_s + STORAGE.longest_s() + 0.5)
    assert ordered == [commands.EvictWorker("storage", 4, "its hello took too long")]
    assert site.dies("storage") == [commands.StartWorker("storage", 5)]


def test_a_found_life_that_had_not_initialized_is_replaced() -> None:
    site = Site()
    site.tell(events.LifeFound("storage", 4))
    site.start()
    assert kinds(site.greets("storage")) == ["EvictWorker"]
    assert site.dies("storage") == [commands.StartWorker("storage", 5)]


def test_a_found_life_of_a_driver_that_is_not_configured_any_more_is_ended() -> None:
    site = Site()
    assert site.tell(events.LifeFound("tape", 2)) == [commands.EvictWorker("tape", 2, "no driver of this name is configured")]


def test_numbers_of_former_lives_are_never_used_again() -> None:
    site = Site()
    site.tell(events.IncarnationSeen("storage", 41))
    site.tell(events.IncarnationSeen("storage", 7))
    site.tell(events.IncarnationSeen("tape", 9))
    assert site.start() == [commands.StartWorker("storage", 42)]


def test_every_driver_is_shown_in_the_order_in_which_they_start() -> None:
    site = Site(QEMU, STORAGE, SECRET)
    assert [view.name for view in site.core.drivers()] == ["storage", "secret", "qemu"]
    assert site.core.story("qemu") == ()


def test_a_quiet_host_has_no_deadline() -> None:
    site = Site()
    site.all_ready()
    assert site.core.deadline_s(site.now_s) is None


@pytest.mark.parametrize(
    "event",
    [
        events.WorkerStarted("tape", 1, 7),
        events.WorkerGreeted("tape", 1, ""),
        events.WorkerExited("tape", 1, "signal 9"),
        events.BeatRead("tape", 1, 60.0, stopped=True),
        events.ProtocolBroken("tape", 1, "garbage"),
        events.VerbReported("storage", 99, "state_initialize", "complete", ""),
        events.WorkerExited("storage", 99, "signal 9"),
        events.InhibitChanged("storage", 99, held=True, why="old"),
    ],
    ids=repr,
)
def test_words_of_strangers_and_of_other_lives_change_nothing(event: events.Event) -> None:
    site = Site()
    site.all_ready()
    before = site.core.drivers()
    assert site.tell(event) == []
    assert site.core.drivers() == before
