"""What a guest's state is called, what its events mean, and what to do with what a restart finds. Pure: tables and questions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_FIRST_S: Final = 0.2
RETRY_LAST_S: Final = 10.0
DOUBLINGS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Condition:
    """State and reason, in libvirt's words."""

    state: str
    reason: str


RUNNING: Final = "running"
PAUSED: Final = "paused"
SHUTOFF: Final = "shutoff"
IO_ERROR: Final = Condition(PAUSED, "ioerror")
PANICKED: Final = Condition("crashed", "panicked")
POWERED_OFF: Final = Condition("shutdown", "unknown")
NO_ANSWER: Final = "monitor does not answer"

CONDITIONS: Final[dict[str, Condition]] = {
    "running": Condition(RUNNING, "booted"),
    "paused": Condition(PAUSED, "user"),
    "prelaunch": Condition(PAUSED, "starting up"),
    "inmigrate": Condition(PAUSED, "starting up"),
    "restore-vm": Condition(PAUSED, "starting up"),
    "finish-migrate": Condition(PAUSED, "saving"),
    "postmigrate": Condition(PAUSED, "saving"),
    "save-vm": Condition(PAUSED, "saving"),
    "io-error": IO_ERROR,
    "watchdog": Condition(PAUSED, "watchdog"),
    "debug": Condition(PAUSED, "unknown"),
    "internal-error": Condition(PAUSED, "crashed"),
    "guest-panicked": PANICKED,
    "shutdown": POWERED_OFF,
    "suspended": Condition("pmsuspended", "unknown"),
    "colo": Condition(PAUSED, "unknown"),
}
"""QEMU's run state -> ours. Every run state of QEMU is in it."""


def condition_of(status: str, known: Condition) -> Condition:
    """Translate QEMU's run state; where it says no more than we know, the reason we know stays."""
    told = CONDITIONS.get(status, Condition(RUNNING, "unknown"))
    return known if known.state == told.state and told.reason in {"booted", "user"} else told


class Wish(Enum):
    """What brings a guest to what its user asked for."""

    NOTHING = "it is as it should be, or only somebody else can tell"
    CONT = "it should run"
    STOP = "it should be paused"
    TRY_AGAIN = "it stopped for an I/O error: it runs on when its storage is back"
    POWERED_OFF = "it has powered itself off: what comes next is in its definition"
    PANICKED = "its system has crashed: what comes next is in its definition"


def wish(status: str, *, paused: bool) -> Wish:
    """Say what to do with a guest that QEMU reports as `status` and its user wants paused, or running."""
    if status == "io-error":
        return Wish.NOTHING if paused else Wish.TRY_AGAIN
    if status == "shutdown":
        return Wish.POWERED_OFF
    if status == "guest-panicked":
        return Wish.PANICKED
    if status in {"prelaunch", "paused", "postmigrate"}:
        return Wish.NOTHING if paused else Wish.CONT
    return Wish.STOP if status == "running" and paused else Wish.NOTHING


AFTER_EVENT: Final[dict[tuple[str, str], Condition]] = {
    ("RESUME", ""): Condition(RUNNING, "unpaused"),
    ("STOP", ""): Condition(PAUSED, "user"),
    ("BLOCK_IO_ERROR", "stop"): IO_ERROR,
    ("SHUTDOWN", ""): POWERED_OFF,
    ("GUEST_PANICKED", ""): PANICKED,
    ("WATCHDOG", "pause"): Condition(PAUSED, "watchdog"),
    ("SUSPEND", ""): Condition("pmsuspended", "unknown"),
    ("WAKEUP", ""): Condition(RUNNING, "wakeup"),
}
"""Event, and its action where that matters -> how the guest is from then on. Other events change nothing."""


def after_event(known: Condition, kind: str, data: Mapping[str, Any]) -> Condition:
    """The condition after one of QEMU's events."""
    if kind == "STOP" and known.state != RUNNING:
        # Why it does not run was told by an event before this one.
        return known
    return AFTER_EVENT.get((kind, str(data.get("action", "")))) or AFTER_EVENT.get((kind, ""), known)


class After(Enum):
    """What follows on a guest's end."""

    END = "its process ends"
    RESTART = "it is reset and runs on"
    STAY = "its process stays as it is, for somebody to look at"


def after_power_off(reason: str, *, by_guest: bool, rebooting: bool, on_poweroff: str, on_reboot: str) -> After:
    """QEMU says SHUTDOWN for `reason` ("guest-shutdown", "guest-reset", "host-signal", ...)."""
    if not by_guest:
        return After.END
    if rebooting:
        return After.RESTART
    action = on_reboot if reason == "guest-reset" else on_poweroff
    return {"destroy": After.END, "restart": After.RESTART, "preserve": After.STAY}[action]


def after_panic(on_crash: str) -> After:
    """The guest's own system has crashed and said so."""
    return {"destroy": After.END, "restart": After.RESTART, "preserve": After.STAY}[on_crash]


class Finding(Enum):
    """What to do with a guest after a restart of this driver."""

    ADOPT = "its process lives: take it up again"
    REBUILD = "its process lives and its record is lost: make the record again"
    UNDO = "its start was never acknowledged: end it, as if it had never been asked for"
    GONE = "its process is dead: it is shut off"
    NOTHING = "it is shut off, and nothing runs"


def find_out(*, recorded: bool, starting: bool, alive: bool) -> Finding:
    """Decide from the record, the intent to start, and whether a process of this guest lives.

    A living process is never doubled, whatever the files say; a dead one is never shown as running.
    """
    if recorded:
        return Finding.ADOPT if alive else Finding.GONE
    if starting:
        return Finding.UNDO
    return Finding.REBUILD if alive else Finding.NOTHING


class SaveStep(Enum):
    """How to settle a save that was under way: the guest runs, or is saved; never both, never neither."""

    COMPLETE = "its memory was written whole: the file counts, the process ends"
    UNDO = "its memory was not written whole: the file goes, the guest runs on"
    LOST = "its process died before its memory was written: it crashed, and the file goes"


def settle_save(*, written: bool, file_there: bool, alive: bool) -> SaveStep:
    """Decide by the mark in the intent, never by what a file looks like."""
    if written and file_there:
        return SaveStep.COMPLETE
    return SaveStep.UNDO if alive else SaveStep.LOST


def retry_s(attempt: int) -> float:
    """How long to wait before the next try at something that storage, a secret or a silent QEMU holds up."""
    return min(RETRY_FIRST_S * (1 << min(attempt, DOUBLINGS_MAX)), RETRY_LAST_S)
