"""Who lives which life: one small record per driver, so that the next host adopts what it did not start."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import msgpack

from tierhost.ipc.limits import DRIVERS_MAX

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Life:
    """One life of one driver and the process that lives it. `alive` is False once it was buried: the number stays used."""

    driver: str
    incarnation: int
    alive: bool
    pid: int
    start_time: int
    identity: str
    slot: int
    cgroup: str
    log: str
    started_s: float


class Lives:
    """The records in `run/lives`. Written before the world is told, read once when a host starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, life: Life) -> None:
        """Replace the record. Not fsynced on purpose: it describes processes, and none outlives a power cut."""
        path = self._folder / life.driver
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgpack.packb(asdict(life)))
        os.replace(fresh, path)

    def read(self) -> tuple[list[Life], list[str]]:
        """Return the records, and the names of those nobody can read any more (reported, then ignored)."""
        lives, damaged = [], []
        for path in sorted(self._folder.iterdir()):
            if path.suffix == ".new":
                path.unlink()
                continue
            try:
                lives.append(_life(msgpack.unpackb(path.read_bytes()), path.name))
            except (ValueError, TypeError, msgpack.UnpackException):
                damaged.append(path.name)
                path.rename(self._folder.parent / f"{path.name}.damaged-life")
        return lives, damaged


def _life(raw: Any, driver: str) -> Life:
    """Check a record. Raises TypeError or ValueError: what was written over may still be a map of the right names."""
    life = Life(**raw)
    for name, kind in _KINDS.items():
        if type(getattr(life, name)) is not kind:
            message = f"{name} is no {kind.__name__}"
            raise TypeError(message)
    if life.driver != driver or life.pid <= 0 or life.incarnation <= 0 or not 0 <= life.slot < DRIVERS_MAX:
        message = "it is not this driver's, or has a number that nobody gave"
        raise ValueError(message)
    return life


_KINDS: dict[str, type] = get_type_hints(Life)


class BootRecord:
    """Which drivers have auto-started in this boot: autostart happens once per boot, however often anybody restarts."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id
        self.started: set[str] = set()
        self.same_boot = False
        try:
            record = msgpack.unpackb(path.read_bytes())
            self.same_boot = record["boot_id"] == boot_id
            if self.same_boot:
                self.started = set(record["started"])
        except (FileNotFoundError, ValueError, TypeError, KeyError, msgpack.UnpackException):
            return

    def add(self, driver: str) -> None:
        """Record that a driver auto-starts in this boot, before it is told to."""
        self.started.add(driver)
        self.write()

    def write(self) -> None:
        """Replace the file by one that says what we know."""
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgpack.packb({"boot_id": self._boot_id, "started": sorted(self.started)}))
        os.replace(fresh, self._path)
