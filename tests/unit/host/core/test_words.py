"""What workers say, and what is seen of them: believed as far as they were asked."""

from __future__ import annotations

import pytest

from tests.unit.host.core.site import STORAGE, Site, kinds
from tierhost.host.core import commands, events


def started() -> Site:
    """Make a host with one driver whose process has not said hello."""
    site = Site(STORAGE)
    site.start()
    return site


def test_a_hello_is_answered_with_initialize() -> None:
    site = started()
    site.tell(events.WorkerStarted("storage", 1, 4711))
    assert site.greets("storage") == [commands.RunVerb("storage", 1, "state_initialize", 30.0)]
    assert any("pid 4711" in line for line in site.core.story("storage"))


def test_it_can_be_called_as_soon_as_it_has_initialized_and_auto_starts_after() -> None:
    site = started()
    site.greets("storage")
    assert site.answers("storage", "initialize") == [
        commands.AnnounceUp("storage", 1),
        commands.RunVerb("storage", 1, "state_auto_start", 120.0),
    ]
    assert site.answers("storage", "auto_start") == []
    assert site.phase("storage") == "READY"


def test_a_process_that_could_not_be_made_is_a_failure_with_its_reason() -> None:
    site = started()
    assert kinds(site.tell(events.WorkerStartFailed("storage", 1, "fork: no memory"))) == ["EvictWorker"]
    assert site.core.driver("storage").last_error == "fork: no memory"


def test_a_driver_with_nothing_to_drive_is_skipped_and_stays_down() -> None:
    site = started()
    site.greets("storage")
    assert kinds(site.answers("storage", "initialize", "skipped", "no zfs here")) == ["EvictWorker"]
    assert site.dies("storage") == []
    assert site.phase("storage") == "SKIPPED"
    assert site.core.tiers()[0].state == "ready"
    assert site.core.driver("storage").last_error == ""


def test_an_initialize_that_fails_costs_the_life_and_is_tried_again() -> None:
    site = started()
    site.greets("storage")
    assert site.answers("storage", "initialize", "failed", "disk full") == [
        commands.EvictWorker("storage", 1, "state_initialize: disk full")
    ]
    assert site.dies("storage") == [commands.StartWorker("storage", 2)]


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_an_auto_start_that_fails_is_shown_and_not_tried_again(outcome: str) -> None:
    site = started()
    site.initializes("storage")
    assert site.answers("storage", "auto_start", outcome, "guest web: no disk") == []
    assert site.phase("storage") == "READY"
    assert (site.core.driver("storage").last_error == "state_auto_start: guest web: no disk") is (outcome == "failed")
    site.dies("storage")
    site.greets("storage")
    assert site.answers("storage", "initialize") == [commands.AnnounceUp("storage", 2)]


def test_a_reload_that_fails_is_shown_and_the_driver_serves_on() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.ReloadAsked())
    assert site.answers("storage", "reload", "failed", "pool.xml:3: no name") == []
    assert site.phase("storage") == "READY"
    assert site.core.driver("storage").last_error == "state_reload: pool.xml:3: no name"


@pytest.mark.parametrize(
    ("verb", "outcome"),
    [("auto_start", "complete"), ("initialize", "banana"), ("cleanup", "failed"), ("", "complete")],
)
def test_an_answer_that_nobody_asked_for_costs_the_life(verb: str, outcome: str) -> None:
    site = started()
    site.greets("storage")
    assert kinds(site.answers("storage", verb, outcome)) == ["EvictWorker"]


def test_an_answer_that_is_given_twice_costs_the_life() -> None:
    site = started()
    site.initializes("storage")
    assert kinds(site.answers("storage", "initialize")) == ["AnnounceDown", "EvictWorker"]


@pytest.mark.parametrize("finished", ["", "state_auto_start"])
def test_a_second_hello_costs_the_life(finished: str) -> None:
    site = started()
    site.greets("storage")
    assert kinds(site.greets("storage", finished)) == ["EvictWorker"]


def test_a_first_hello_that_claims_a_past_costs_the_life() -> None:
    site = started()
    assert kinds(site.greets("storage", "state_auto_start")) == ["EvictWorker"]


def test_an_adopted_life_may_greet_again_and_answer_its_former_host() -> None:
    site = Site(STORAGE)
    site.tell(events.LifeFound("storage", 3))
    site.start()
    assert site.answers("storage", "auto_start") == [], "it was asked by the former host"
    site.greets("storage", "state_auto_start")
    assert site.greets("storage", "state_auto_start") == []
    assert site.answers("storage", "reload") == []
    assert site.phase("storage") == "READY"


def test_a_life_adopted_between_its_verbs_gets_the_second_one() -> None:
    site = Site(STORAGE)
    site.tell(events.LifeFound("storage", 3))
    site.start()
    assert site.greets("storage", "state_initialize") == [
        commands.AdoptWorker("storage", 3),
        commands.AnnounceUp("storage", 3),
        commands.RunVerb("storage", 3, "state_auto_start", 120.0),
    ]


def test_garbage_costs_the_life_once() -> None:
    site = Site(STORAGE)
    site.all_ready()
    assert kinds(site.tell(events.ProtocolBroken("storage", 1, "not msgpack"))) == ["AnnounceDown", "EvictWorker"]
    assert site.tell(events.ProtocolBroken("storage", 1, "not msgpack")) == []
    assert site.core.driver("storage").last_error == "it broke the protocol: not msgpack"


@pytest.mark.parametrize(
    ("age_s", "stopped", "error"),
    [(5.2, False, "its last beat is 5.2 s old: it hangs"), (0.6, True, "its last beat is 0.6 s old: it is stopped")],
)
def test_a_beat_that_is_too_old_costs_the_life(age_s: float, error: str, *, stopped: bool) -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.wait(1.0)
    assert kinds(site.beats("storage", age_s, stopped=stopped)) == ["AnnounceDown", "EvictWorker"]
    assert site.core.driver("storage").last_error == error


def test_a_worker_that_imports_its_driver_need_not_beat() -> None:
    site = started()
    site.wait(1.0)
    assert site.beats("storage", 8.0) == []
    assert kinds(site.beats("storage", 8.0, stopped=True)) == ["EvictWorker"]


def test_a_host_that_slept_does_not_take_old_beats_for_hangs() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.TimePassed(), after_s=60.0)
    assert site.beats("storage", 60.0) == []


def test_what_a_life_says_while_it_is_killed_changes_nothing() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.RestartAsked("storage"))
    assert site.greets("storage") == []
    assert site.answers("storage", "initialize") == []
    assert site.tell(events.WorkerStartFailed("storage", 1, "late")) == []
    assert site.tell(events.ProtocolBroken("storage", 1, "torn")) == []
    assert site.beats("storage", 60.0, stopped=True) == []
    assert site.phase("storage") == "EVICTING"


@pytest.mark.parametrize(("outcome", "counts"), [("complete", True), ("failed", True), ("banana", False)])
def test_an_auto_start_that_was_answered_while_it_was_killed_counts(outcome: str, *, counts: bool) -> None:
    site = started()
    site.initializes("storage")
    site.tell(events.RestartAsked("storage"))
    site.answers("storage", "auto_start", outcome)
    site.dies("storage")
    site.greets("storage")
    again = kinds(site.answers("storage", "initialize")) == ["AnnounceUp", "RunVerb"]
    assert again is not counts, "once a boot"


def test_a_life_that_is_killed_cannot_hold_the_shutdown_off() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.RestartAsked("storage"))
    site.tell(events.InhibitChanged("storage", 1, held=True, why="a guest runs"))
    site.dies("storage")
    site.is_ready("storage")
    assert kinds(site.tell(events.ShutdownAsked(save=False, force=False))) == ["RunVerb"]
