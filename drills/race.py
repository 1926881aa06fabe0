"""The race of 2014 on our host: guests on volumes, storage that is slow to come up, and a restart; flat loading against tiers."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.libvirt_faults import definitions
from tierhost.drills.plan import Ask
from tierhost.drills.race_drivers.slow_storage.slow import DELAY_S
from tierhost.drills.sweeping import sweep
from tierhost.drills.targets.ours import OurHost
from tierhost.drills.waiting import strike, within
from tierhost.host import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FLAT: Final = "flat"
TIERS: Final = "tiers"
MODES: Final = (FLAT, TIERS)
OURS: Final = "ours"
BOLD: Final = "libvirt-like"
DRIVERS: Final = {OURS: ("slow_storage",), BOLD: ("slow_storage", "bold_qemu")}
"""Kinds of drivers raced: which folders of race_drivers stand in for the built-in ones."""

GUESTS: Final = 2
DELAY_MAX_S: Final = 1.0
SETTLE_LIMIT_S: Final = 3.0
CALL_LIMIT_S: Final = 30.0
STAND_INS: Final = Path(__file__).parent / "race_drivers"


@dataclass(frozen=True, slots=True)
class Trial:
    """One boot and one restart after a crash of everything but the guests, with storage `delay_s` late.

    `not_started`: guests that are marked to start at a boot, and did not run when the host said that all is ready;
    `never_started`: those that did not run `SETTLE_LIMIT_S` later either. `killed`: guests that ran before the crash, and
    not after the restart. `starts_s`: for each guest that was started by the boot, when, from the host's start on.
    """

    number: int
    mode: str
    drivers: str
    delay_s: float
    guests: int
    not_started: tuple[str, ...]
    never_started: tuple[str, ...]
    killed: tuple[str, ...]
    starts_s: tuple[float, ...]
    took_s: float

    @property
    def lost(self) -> bool:
        """Whether a guest failed to start at the boot, or was killed at the restart."""
        return bool(self.not_started or self.never_started or self.killed)


class Course:
    """One root folder, prepared once, on which trials of one mode with one kind of drivers are run one after the other."""

    def __init__(self, folder: Path, mode: str, drivers: str) -> None:
        self.folder, self.mode, self.drivers = folder, mode, drivers
        folder.mkdir(parents=True, exist_ok=True)
        names = [_name_of(STAND_INS / each) for each in DRIVERS[drivers]]
        for kind in ("built-in", "stand-ins"):
            (folder / kind).mkdir()
        for place in catalog.BUILT_IN.glob("*/driver.toml"):
            if _name_of(place.parent) not in names:
                (folder / "built-in" / place.parent.name).symlink_to(place.parent)
        for each in DRIVERS[drivers]:
            (folder / "stand-ins" / each).symlink_to((STAND_INS / each).resolve())
        self.uuids: dict[str, str] = {}

    def prepare(self) -> None:
        """Set the site up, and end it as a power cut would."""
        host = OurHost(self.folder)
        try:
            host.start()
            _ask(host, "storage.storage_pool_define_xml", definitions.pool("images", self.folder / "images"))
            _ask(host, "storage.storage_pool_create", "images", 1)
            _ask(host, "storage.storage_pool_set_autostart", "images", True)
            for number in range(GUESTS):
                name = f"guest-{number}"
                _ask(host, "storage.storage_vol_create_xml", "images", definitions.volume(name))
                self.uuids[name] = _ask(host, "qemu.domain_define_xml", definitions.guest(name, "images", name))["uuid"]
                _ask(host, "qemu.domain_set_autostart", name, True)
        finally:
            host.close()

    def trial(self, number: int, delay_s: float) -> Trial:
        """Boot, crash, restart; count. Nothing runs when it returns."""
        began_s = time.monotonic()
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        host = self._host(delay_s)
        try:
            host_s = time.monotonic()
            host.start()
            failed = tuple(sorted({*self.uuids} - self._running(host) | _shown_as_failed(host)))
            within(lambda: self._running(host) == set(self.uuids), SETTLE_LIMIT_S)
            booted = self._running(host)
            starts = tuple(sorted(_started_s(guest["pid"]) - host_s for guest in host.look("booted").world["guests"]))
            for name in set(self.uuids) - booted:
                # Whoever runs the site starts by hand what was not started: the restart is raced with every guest.
                _ask(host, "qemu.domain_create", name)
            before = self._processes(host)
            for pid in host.pids("everything"):
                strike(pid)
            host.start()
            within(lambda: self._processes(host) != before, max(0.0, 2 * delay_s))
            after = self._processes(host)
        finally:
            host.close()
        never = tuple(sorted(set(self.uuids) - booted))
        killed = tuple(sorted(name for name, pid in before.items() if after.get(name) != pid))
        took_s = time.monotonic() - began_s
        return Trial(number, self.mode, self.drivers, delay_s, len(self.uuids), failed, never, killed, starts, took_s)

    def _host(self, delay_s: float) -> OurHost:
        program = ("env", f"{DELAY_S}={delay_s:.3f}", sys.executable, "-m", "tierhost.drills.race_host")
        options = ("--drivers", str(self.folder / "stand-ins"), *(["--flat"] if self.mode == FLAT else []))
        return OurHost(self.folder, options=options, program=(*program, str(self.folder / "built-in")))

    def _running(self, host: OurHost) -> set[str]:
        return {row["name"] for row in _ask(host, "qemu.domain_list") if row["state"] == "running"}

    @staticmethod
    def _processes(host: OurHost) -> dict[str, int]:
        """QEMU processes, as the kernel shows them."""
        return {guest["name"]: guest["pid"] for guest in host.look("processes").world["guests"]}


def race(folder: Path, trials: int, seed: int, drivers: Sequence[str], delay_max_s: float = DELAY_MAX_S) -> Iterator[Trial]:
    """Run every mode with every kind of drivers in turn, over the same delays."""
    chance = random.Random(seed)  # noqa: S311  # a schedule that can be repeated
    delays = [chance.uniform(0.0, delay_max_s) for _ in range(trials)]
    courses = [
        Course(folder / f"{number}", mode, kind) for number, (kind, mode) in enumerate((k, m) for k in drivers for m in MODES)
    ]
    try:
        for course in courses:
            course.prepare()
        for number, delay_s in enumerate(delays, 1):
            for course in courses:
                yield course.trial(number, delay_s)
    finally:
        for course in courses:
            sweep(course.folder)


def _ask(host: OurHost, method: str, *args: Any) -> Any:
    return host.ask(Ask(method, args, CALL_LIMIT_S))


def _name_of(folder: Path) -> str:
    return catalog.read_folder(folder, "").name


def _shown_as_failed(host: OurHost) -> set[str]:
    """Return the guests of which the status says that they could not be started (yet)."""
    rows = host.client().host("status")["drivers"]
    return {subject.removeprefix("guest ") for row in rows if row["name"] == "qemu" for subject in row.get("degraded", {})}


def _started_s(pid: int) -> float:
    """When a process was started, by the monotonic clock (the kernel tells hundredths of a second since the boot)."""
    ticks = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    asleep_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return ticks / os.sysconf("SC_CLK_TCK") - asleep_s
