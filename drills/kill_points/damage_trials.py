"""The damage sweep: each state file of each driver, damaged in each way between two lives, on one warm site."""

from __future__ import annotations

import os
import select
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.exercises import DEFINED, found
from tierhost.drills.kill_points import guests
from tierhost.drills.kill_points.damaging import DAMAGES, Damaged
from tierhost.drills.kill_points.exercised import PRIVILEGED, bring, view
from tierhost.drills.kill_points.operation import Scene
from tierhost.drills.kill_points.site import CALL_LIMIT_S, LOOK_AGAIN_S, Site
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRRORS: Final = ((".a.db", ".b.db"), ("", ".copy"))
"""How the two files of a pair end."""

FIRST: Final = ("one", "two")
LATER: Final = ("three", "four")
TOLD_LIMIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Files to damage together: one, or a pair of mirrors. Paths are relative to the driver's folders ("state/..", "run/..")."""

    driver: str
    files: tuple[str, ...]
    damage: str


@dataclass(slots=True)
class DamageTrials:
    """A site with objects from two days, so that files have an older version; every trial begins with the same files."""

    site: Site
    drivers: tuple[str, ...] = ()
    scenes: dict[str, Scene] = field(default_factory=dict)
    before: dict[str, dict[str, str]] = field(default_factory=dict)

    # The site.

    def set_up(self) -> None:
        """Make objects, keep the files of that day, make more objects, keep those files too. Raises TierhostError."""
        self.site.start()
        lives = self.site.lives()
        self.drivers = tuple(name for name in self.site.drivers if name in found() and lives[name]["phase"] == "READY")
        for day, names in (("old", FIRST), ("new", LATER)):
            for number, name in enumerate(names):
                self._make(name, number)
            for driver in self.drivers:
                self._stop(driver)
                for place in ("state", "run"):
                    self._keep(self._folder(driver, place), self._kept(day, driver, place))
                self._release(driver)
        self.before = {driver: self._objects(driver) for driver in self.drivers}

    @staticmethod
    def _keep(folder: Path, kept: Path) -> None:
        kept.mkdir(parents=True)
        for path in folder.iterdir():
            if not _is_passing(path):
                shutil.copyfile(path, kept / path.name)

    def _make(self, name: str, number: int) -> None:
        scene = self.scenes[name] = Scene(self.site, name)
        scene.folder.mkdir(parents=True)
        for driver in self.drivers:
            exercises = found()[driver]
            states = [state for state in exercises.damage if PRIVILEGED or not exercises.netns or state == DEFINED]
            if states:
                bring(exercises, scene, states[number % len(states)])

    def _folder(self, driver: str, place: str) -> Path:
        return self.site.root.driver_state(driver) if place == "state" else self.site.root.driver_run(driver)

    def _kept(self, day: str, driver: str, place: str) -> Path:
        return self.site.folder / "kept" / day / driver / place

    def _stop(self, driver: str) -> None:
        self.site.client.host("worker_stop", driver)
        self._wait(driver, {"STOPPED"})

    def _release(self, driver: str) -> None:
        self.site.client.host("worker_release", driver)
        self._wait(driver, {"READY", "QUARANTINED"})

    def _wait(self, driver: str, phases: set[str]) -> None:
        self.site.client.wait_until(
            lambda: self.site.lives()[driver]["phase"] in phases, f"{driver} is {phases}", deadline_s=CALL_LIMIT_S
        )

    # What there is.

    def targets(self) -> Iterator[Target]:
        """Every file by itself, and every pair, in every way."""
        for driver in self.drivers:
            files = []
            for place in ("state", "run"):
                kept = self._kept("new", driver, place)
                files += [f"{place}/{path.name}" for path in sorted(kept.iterdir()) if path.is_file() and not _is_passing(path)]
            pairs = [
                (one, other)
                for one in files
                for other in files
                for a, b in MIRRORS
                if one.endswith(a) and other == one.removesuffix(a) + b
            ]
            for group in [*((name,) for name in files), *pairs]:
                yield from (Target(driver, group, damage) for damage in DAMAGES)

    def _objects(self, driver: str) -> dict[str, str]:
        """What a driver says of each object that we made, and which it lists: nobody made another."""
        exercises = found()[driver]
        seen = {name: scene.plain(view(exercises, scene)) for name, scene in self.scenes.items()}
        rows = [row for call in exercises.listed for row in self.site.client.call(f"{driver}.{call.method}", changes=False)]
        return {**seen, **{f"listed: {_name(row)}": "" for row in rows}}

    def _pids(self) -> frozenset[int]:
        return frozenset(pid for scene in self.scenes.values() for pid in guests.pids(scene))

    # Trials.

    def run(self, target: Target) -> Damaged:
        """Damage files between two lives of their driver, and look."""
        names, both = target.files, len(target.files) > 1
        before = self.before[target.driver]
        try:
            number = max((event["number"] for event in self.site.client.host("events_since", 0)), default=0)
            pids = self._pids()
            self._stop(target.driver)
            self._restore(target.driver)
            for name in names:
                self._damage(target.driver, name, target.damage)
            self._release(target.driver)
            after = self._objects(target.driver)
            told = self._told(target.driver, wanted=after != before)
            events = [f"{event['kind']} {event['subject']}" for event in self.site.client.host("events_since", number)]
            return Damaged(names, target.damage, both, before, after, tuple(told), tuple(events), (pids, self._pids()))
        except TierhostError as error:
            return Damaged(names, target.damage, both, before, {}, trouble=f"{type(error).__name__}: {error}")

    def _told(self, driver: str, *, wanted: bool) -> list[str]:
        """What the status says is wrong; if something should be, its word is given a moment to arrive."""
        end_s = time.monotonic() + TOLD_LIMIT_S
        while True:
            row = self.site.lives()[driver]
            told = [f"{subject}: {why}" for subject, why in row["degraded"].items()]
            told += [f"{row['phase']}: {row['last_error']}"] if row["phase"] != "READY" else []
            if told or not wanted or time.monotonic() > end_s:
                return told
            select.select([], [], [], LOOK_AGAIN_S)

    def put_back(self, driver: str) -> None:
        """Bring a driver back to what it was. Raises TierhostError."""
        self._stop(driver)
        self._restore(driver)
        self._release(driver)

    def _restore(self, driver: str) -> None:
        for place in ("state", "run"):
            folder = self._folder(driver, place)
            for path in folder.iterdir():
                if path.is_file() and not _is_passing(path):
                    path.unlink()
            for path in self._kept("new", driver, place).iterdir():
                if path.is_file() and not _is_passing(path):
                    shutil.copyfile(path, folder / path.name)
                    os.chmod(folder / path.name, 0o600)  # noqa: PTH101  # beside its copy

    def _damage(self, driver: str, name: str, damage: str) -> None:
        place, _, file = name.partition("/")
        others = [name for name in self.drivers if name != driver and self._kept("new", name, "state").exists()]
        other = others[0] if others else driver
        foreign = self._kept("new", other, place) / file
        if not foreign.exists():
            foreign = self._kept("new", other, "state") / "persistent.a.db"
        DAMAGES[damage](self._folder(driver, place) / file, self._kept("old", driver, place) / file, foreign)


def _name(row: Any) -> str:
    """What an object in a list is known by."""
    return str(row.get("uuid") or row.get("name")) if isinstance(row, dict) else str(row)


def _is_passing(path: Path) -> bool:
    """Sockets, locks and logs of guests: nobody's state."""
    return not path.is_file() or path.suffix in {".lock", ".log", ".qmp", ".pid", ".sock"}
