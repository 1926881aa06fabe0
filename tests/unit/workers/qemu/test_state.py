"""Every state QEMU can report and everything a crash can leave behind, and what becomes of it."""

from __future__ import annotations

import itertools

import pytest

from tierhost.workers.qemu.state import (
    CONDITIONS,
    IO_ERROR,
    PANICKED,
    POWERED_OFF,
    RETRY_FIRST_S,
    RETRY_LAST_S,
    After,
    Condition,
    Finding,
    SaveStep,
    Wish,
    after_event,
    after_panic,
    after_power_off,
    condition_of,
    find_out,
    retry_s,
    settle_save,
    wish,
)

BOOTED = Condition("running", "booted")
UNPAUSED = Condition("running", "unpaused")
BY_USER = Condition("paused", "user")
RUN_STATES = (
    *("running", "paused", "prelaunch", "inmigrate", "restore-vm", "finish-migrate", "postmigrate", "save-vm"),
    *("io-error", "watchdog", "debug", "internal-error", "guest-panicked", "shutdown", "suspended", "colo"),
)


def test_every_run_state_of_qemu_has_a_name() -> None:
    assert set(CONDITIONS) == set(RUN_STATES)


def test_a_run_state_that_a_later_qemu_invents_is_no_reason_to_stop() -> None:
    assert condition_of("dreaming", BY_USER) == Condition("running", "unknown")


@pytest.mark.parametrize(
    ("status", "known", "expected"),
    [
        ("running", UNPAUSED, UNPAUSED),  # QEMU says no more than we know: the reason stays
        ("running", BY_USER, BOOTED),
        ("paused", Condition("paused", "saving"), Condition("paused", "saving")),
        ("paused", BOOTED, BY_USER),
        ("io-error", BY_USER, IO_ERROR),
        ("shutdown", BOOTED, POWERED_OFF),
        ("guest-panicked", BOOTED, PANICKED),
        ("postmigrate", BOOTED, Condition("paused", "saving")),
    ],
)
def test_the_condition_follows_qemu_and_keeps_the_reason_we_know(status: str, known: Condition, expected: Condition) -> None:
    assert condition_of(status, known) == expected


@pytest.mark.parametrize(
    ("status", "paused", "expected"),
    [
        ("running", False, Wish.NOTHING),
        ("running", True, Wish.STOP),
        ("paused", False, Wish.CONT),
        ("paused", True, Wish.NOTHING),
        ("prelaunch", False, Wish.CONT),
        ("prelaunch", True, Wish.NOTHING),
        ("postmigrate", False, Wish.CONT),
        ("io-error", False, Wish.TRY_AGAIN),
        ("io-error", True, Wish.NOTHING),
        ("shutdown", False, Wish.POWERED_OFF),
        ("shutdown", True, Wish.POWERED_OFF),
        ("guest-panicked", False, Wish.PANICKED),
        ("watchdog", False, Wish.NOTHING),
        ("internal-error", False, Wish.NOTHING),
        ("save-vm", False, Wish.NOTHING),
        ("suspended", False, Wish.NOTHING),
    ],
)
def test_a_guest_is_brought_to_what_its_user_asked_for(status: str, *, paused: bool, expected: Wish) -> None:
    assert wish(status, paused=paused) is expected


@pytest.mark.parametrize(("status", "paused"), list(itertools.product(RUN_STATES, (False, True))))
def test_a_guest_that_its_user_paused_is_never_let_run(status: str, *, paused: bool) -> None:
    found = wish(status, paused=paused)
    assert not (paused and found in {Wish.CONT, Wish.TRY_AGAIN})
    assert not (found is Wish.STOP and not paused)


@pytest.mark.parametrize(
    ("known", "kind", "data", "expected"),
    [
        (BY_USER, "RESUME", {}, UNPAUSED),
        (BOOTED, "STOP", {}, BY_USER),
        (IO_ERROR, "STOP", {}, IO_ERROR),  # why it stopped was told before
        (PANICKED, "STOP", {}, PANICKED),
        (BOOTED, "BLOCK_IO_ERROR", {"action": "stop"}, IO_ERROR),
        (BOOTED, "BLOCK_IO_ERROR", {"action": "report"}, BOOTED),
        (BOOTED, "SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}, POWERED_OFF),
        (BOOTED, "GUEST_PANICKED", {"action": "pause"}, PANICKED),
        (BOOTED, "WATCHDOG", {"action": "pause"}, Condition("paused", "watchdog")),
        (BOOTED, "WATCHDOG", {"action": "none"}, BOOTED),
        (BOOTED, "SUSPEND", {}, Condition("pmsuspended", "unknown")),
        (BOOTED, "WAKEUP", {}, Condition("running", "wakeup")),
        (BOOTED, "RTC_CHANGE", {"offset": 1}, BOOTED),
        (BOOTED, "", {}, BOOTED),
    ],
)
def test_events_change_the_condition_and_unknown_ones_do_not(
    known: Condition, kind: str, data: dict[str, object], expected: Condition
) -> None:
    assert after_event(known, kind, data) == expected


@pytest.mark.parametrize(
    ("reason", "by_guest", "rebooting", "expected"),
    [
        ("guest-shutdown", True, False, After.STAY),
        ("guest-reset", True, False, After.END),
        ("guest-shutdown", True, True, After.RESTART),  # the power button was ours, for a reboot
        ("host-signal", False, False, After.END),
        ("host-qmp-quit", False, True, After.END),
    ],
)
def test_a_guest_that_powers_itself_off_has_what_its_definition_says(
    reason: str, *, by_guest: bool, rebooting: bool, expected: After
) -> None:
    found = after_power_off(reason, by_guest=by_guest, rebooting=rebooting, on_poweroff="preserve", on_reboot="destroy")
    assert found is expected


@pytest.mark.parametrize(("action", "expected"), [("destroy", After.END), ("restart", After.RESTART), ("preserve", After.STAY)])
def test_a_guest_whose_system_crashed_has_what_its_definition_says(action: str, expected: After) -> None:
    assert after_panic(action) is expected


FINDINGS = {
    # recorded, starting, alive
    (True, True, True): Finding.ADOPT,
    (True, False, True): Finding.ADOPT,
    (True, True, False): Finding.GONE,
    (True, False, False): Finding.GONE,
    (False, True, True): Finding.UNDO,
    (False, True, False): Finding.UNDO,
    (False, False, True): Finding.REBUILD,
    (False, False, False): Finding.NOTHING,
}


@pytest.mark.parametrize(("recorded", "starting", "alive"), FINDINGS)
def test_everything_a_restart_can_find_has_an_answer(*, recorded: bool, starting: bool, alive: bool) -> None:
    assert find_out(recorded=recorded, starting=starting, alive=alive) is FINDINGS[recorded, starting, alive]


def test_a_living_guest_is_ended_only_if_its_start_was_never_acknowledged() -> None:
    ended = [key for key, found in FINDINGS.items() if key[2] and found is Finding.UNDO]
    assert ended == [(False, True, True)]


@pytest.mark.parametrize(
    ("written", "there", "alive", "expected"),
    [
        (True, True, True, SaveStep.COMPLETE),
        (True, True, False, SaveStep.COMPLETE),
        (True, False, True, SaveStep.UNDO),
        (True, False, False, SaveStep.LOST),
        (False, True, True, SaveStep.UNDO),
        (False, False, True, SaveStep.UNDO),
        (False, True, False, SaveStep.LOST),
        (False, False, False, SaveStep.LOST),
    ],
)
def test_a_guest_runs_or_is_saved_never_both(*, written: bool, there: bool, alive: bool, expected: SaveStep) -> None:
    assert settle_save(written=written, file_there=there, alive=alive) is expected


def test_tries_begin_soon_and_never_end() -> None:
    waits = [retry_s(attempt) for attempt in range(2000)]
    assert waits[0] == RETRY_FIRST_S
    assert waits == sorted(waits)
    assert set(waits[10:]) == {RETRY_LAST_S}
