"""How lives end, what follows, and how everything goes down in order."""

from __future__ import annotations

import pytest

from tests.unit.host.core.site import GOODBYES, QEMU, SECRET, STORAGE, Site, kinds
from tierhost.host.core import commands, events
from tierhost.host.core.spec import Policy


def say_goodbye(site: Site, driver: str, verbs: tuple[str, ...] = GOODBYES) -> None:
    for verb in verbs:
        site.answers(driver, verb.removeprefix("state_"))


def test_a_death_is_announced_at_once_and_buried_before_the_next_life() -> None:
    site = Site(STORAGE)
    site.all_ready()
    assert site.exits("storage") == [commands.AnnounceDown("storage", 1), commands.BuryWorker("storage", 1)]
    assert site.is_buried("storage") == [commands.StartWorker("storage", 2)]
    assert site.core.driver("storage").restarts == 1


def test_a_death_that_is_reported_twice_is_one_death() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.exits("storage")
    assert site.exits("storage") == []
    assert site.is_buried("storage") == [commands.StartWorker("storage", 2)]
    assert site.is_buried("storage") == [], "that life has just begun"


def test_a_death_costs_its_neighbours_nothing() -> None:
    site = Site(SECRET, STORAGE, QEMU)
    site.all_ready()
    before = [view for view in site.core.drivers() if view.name != "storage"]
    site.dies("storage")
    assert [view for view in site.core.drivers() if view.name != "storage"] == before


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_and_longer() -> None:
    site = Site(STORAGE, policy=Policy(intensity_max=5, backoff_first_s=0.1))
    site.start()
    assert kinds(site.dies("storage")) == ["StartWorker"]
    for wait_s in (0.1, 0.2, 0.4, 0.8):
        assert site.dies("storage") == []
        assert site.phase("storage") == "BACKOFF"
        assert site.core.deadline_s(site.now_s) == pytest.approx(site.now_s + wait_s)
        assert kinds(site.wait(wait_s + 0.001)) == ["StartWorker"]


def test_too_many_failures_end_in_quarantine_and_a_driver_has_a_budget_of_its_own() -> None:
    site = Site(SECRET, STORAGE, policy=Policy(intensity_max=2))
    site.all_ready()
    site.dies("storage")
    site.dies("storage")
    site.wait(0.5)
    site.dies("storage")
    assert site.phase("storage") == "QUARANTINED"
    assert kinds(site.dies("secret")) == ["StartWorker"]


def test_failures_that_are_far_apart_never_end_in_quarantine() -> None:
    site = Site(STORAGE, policy=Policy(intensity_max=2, intensity_period_s=10.0))
    site.all_ready()
    for _ in range(20):
        assert kinds(site.dies("storage")) == ["StartWorker"]
        site.is_ready("storage")
        site.wait(10.5)


def test_a_shutdown_goes_from_the_highest_tier_down_and_ends_with_the_last_body() -> None:
    site = Site()
    site.all_ready()
    assert site.tell(events.ShutdownAsked(save=False, force=False)) == [commands.RunVerb("qemu", 1, GOODBYES[0], 5.0)]
    say_goodbye(site, "qemu")
    assert site.phase("storage") == "READY", "guests' storage outlives the guests' driver"
    site.exits("qemu")
    assert site.is_buried("qemu") == [commands.RunVerb("storage", 1, GOODBYES[0], 5.0)]
    say_goodbye(site, "storage")
    site.exits("storage")
    assert site.is_buried("storage") == [commands.EndHost()]
    assert site.wait(60.0) == []


def test_a_shutdown_that_saves_lets_every_driver_stop_first() -> None:
    site = Site(STORAGE)
    site.all_ready()
    assert site.tell(events.ShutdownAsked(save=True, force=False)) == [commands.RunVerb("storage", 1, "state_stop", 120.0)]
    assert site.answers("storage", "stop") == [commands.RunVerb("storage", 1, GOODBYES[0], 5.0)]


@pytest.mark.parametrize(("save", "force", "refused"), [(False, False, True), (True, False, False), (False, True, False)])
def test_running_guests_hold_a_plain_shutdown_off_and_no_other(*, save: bool, force: bool, refused: bool) -> None:
    site = Site()
    site.all_ready()
    site.tell(events.InhibitChanged("qemu", 1, held=True, why="guest web runs"))
    ordered = site.tell(events.ShutdownAsked(save=save, force=force))
    assert (ordered == [commands.RefuseShutdown(("qemu: guest web runs",))]) is refused
    assert site.core.is_stopping() is not refused


def test_a_driver_that_lets_go_or_dies_no_longer_holds_the_shutdown_off() -> None:
    for end in ("lets go", "dies"):
        site = Site()
        site.all_ready()
        site.tell(events.InhibitChanged("qemu", 1, held=True, why=""))
        assert site.tell(events.ShutdownAsked(save=False, force=False)) == [commands.RefuseShutdown(("qemu: no reason given",))]
        if end == "dies":
            site.exits("qemu")
        else:
            site.tell(events.InhibitChanged("qemu", 1, held=False, why=""))
        site.tell(events.ShutdownAsked(save=False, force=False))
        assert site.core.is_stopping()


def test_nothing_is_restarted_on_the_way_down() -> None:
    site = Site()
    site.all_ready()
    site.tell(events.ShutdownAsked(save=False, force=False))
    assert site.tell(events.RestartAsked("storage")) == []
    assert site.tell(events.ReleaseAsked("storage")) == []
    assert site.tell(events.ReloadAsked()) == []
    assert kinds(site.exits("storage")) == ["AnnounceDown", "BuryWorker"]
    assert site.is_buried("storage") == []
    assert site.phase("storage") == "STOPPED"


def test_a_driver_that_hangs_in_its_farewell_does_not_hold_the_host() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.ShutdownAsked(save=False, force=False))
    assert kinds(site.wait(5.5)) == ["AnnounceDown", "EvictWorker"]
    site.exits("storage")
    assert site.is_buried("storage") == [commands.EndHost()]


def test_a_farewell_waits_for_the_verb_under_way_and_no_longer_than_its_limit() -> None:
    site = Site(STORAGE)
    site.start()
    site.initializes("storage")
    assert site.tell(events.ShutdownAsked(save=False, force=False)) == []
    assert site.answers("storage", "auto_start") == [commands.RunVerb("storage", 1, GOODBYES[0], 5.0)]


def test_a_life_that_has_taken_nothing_yet_is_ended_without_farewell() -> None:
    site = Site(STORAGE)
    site.start()
    assert site.tell(events.StopAsked("storage")) == [commands.EvictWorker("storage", 1, "it has nothing to give back yet")]
    assert site.dies("storage") == []
    assert site.phase("storage") == "STOPPED"


def test_a_driver_stopped_while_it_is_buried_or_waits_stays_down() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.exits("storage")
    site.tell(events.StopAsked("storage"))
    assert site.is_buried("storage") == []
    assert site.phase("storage") == "STOPPED"

    site = Site(STORAGE)
    site.start()
    site.dies("storage")
    site.dies("storage")
    assert site.phase("storage") == "BACKOFF"
    site.tell(events.StopAsked("storage"))
    assert site.wait(10.0) == []
    assert site.phase("storage") == "STOPPED"


def test_a_second_shutdown_does_not_begin_again() -> None:
    site = Site(STORAGE)
    site.all_ready()
    site.tell(events.ShutdownAsked(save=False, force=False))
    assert site.tell(events.ShutdownAsked(save=True, force=True)) == []
    say_goodbye(site, "storage")
    site.exits("storage")
    assert site.is_buried("storage") == [commands.EndHost()]


def test_a_host_without_anything_running_ends_at_once() -> None:
    site = Site(STORAGE)
    assert site.tell(events.ShutdownAsked(save=False, force=False)) == [commands.EndHost()]
