"""The qemu driver under power cuts: definitions, passwords, autostart flags, and the records of guests that ran until the cut."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.subjects import RESTART, TROUBLE, Step, Subject
from tierhost.workers.qemu.driver import QemuDriver
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.drills.power_cut.subjects import Rows
    from tierhost.workers.runtime.testing import LifeInTest

SECURE_INACTIVE: Final = 1 | 2
"""The definition with its password."""

START_PAUSED: Final = 1
LIST_ACTIVE: Final = 1
PASSWORDS: Final = "secret", "other"
GUEST: Final = "guest "


class QemuLife:
    """The driver, with real guests that hold still: paused, as little as there can be of one."""

    def __init__(self, life: LifeInTest) -> None:
        self._life = life

    def rows(self) -> Rows:
        """Each guest: its definition, its flag, whether it runs. Whoever runs without a definition is there, too."""
        rows: Rows = {}
        for shown in self._life.call("domain_list"):
            name = shown["name"]
            if shown["persistent"]:
                xml = self._life.call("domain_get_xml_desc", name, SECURE_INACTIVE)
                rows[f"{GUEST}{name}"] = {"uuid": shown["uuid"], "xml": xml}
                rows[f"autostart of {name}"] = shown["autostart"]
            if shown["pid"] or not shown["persistent"] or shown["state"] != "shutoff":
                rows[f"life of {name}"] = shown["state"]
        rows[TROUBLE] = sorted(f"{subject}: {reason}" for subject, reason in self._life.host.degraded.items())
        return rows

    def define(self, name: str, *, password: str = "", description: str = "") -> None:
        """Define or redefine a guest."""
        self._life.call("domain_define_xml", _xml(name, password, description))

    def start(self, name: str) -> None:
        """Start a guest that is defined."""
        self._life.call("domain_create", name, START_PAUSED)

    def start_transient(self, name: str) -> None:
        """Start a guest that has no definition."""
        self._life.call("domain_create_xml", _xml(name, "", ""), START_PAUSED)

    def end_all(self) -> None:
        """End every guest."""
        for shown in self._life.call("domain_list", LIST_ACTIVE):
            self._life.call("domain_destroy", shown["name"])

    def call(self, method: str, *args: object) -> None:
        """Ask for anything else."""
        self._life.call(f"domain_{method}", *args)


def _xml(name: str, password: str, description: str) -> str:
    uuid = name.encode().hex().rjust(12, "0").rjust(32, "2")
    about = f"<name>{name}</name><uuid>{uuid}</uuid><description>{description}</description>"
    screen = f"<graphics type='vnc' port='-1' passwd='{password}'/>" if password else ""
    inside = f"<devices>{screen}<memballoon model='none'/></devices>"
    return f"<domain type='qemu'>{about}<memory unit='MiB'>16</memory><os><type>hvm</type></os>{inside}</domain>"


def _steps() -> list[Step]:
    return [
        Step("a guest is defined", lambda life: life.define("one")),
        Step("it is to start at boot", lambda life: life.call("set_autostart", "one", True)),
        Step("it is started", lambda life: life.start("one")),
        Step("another is defined, with a password", lambda life: life.define("two", password=PASSWORDS[0])),
        Step("a guest without a definition is started", lambda life: life.start_transient("three")),
        RESTART,
        Step("the definition of one that runs is changed", lambda life: life.define("one", description="changed")),
        Step("the password is changed", lambda life: life.define("two", password=PASSWORDS[1])),
        Step("the guest without a definition ends", lambda life: life.call("destroy", "three")),
        Step("one that runs is forgotten", lambda life: life.call("undefine", "one")),
        Step("it is defined anew while it runs", lambda life: life.define("one", description="anew")),
        Step("it ends", lambda life: life.call("destroy", "one")),
        RESTART,
        Step("the other is to start at boot", lambda life: life.call("set_autostart", "two", True)),
    ]


@contextmanager
def _live(folder: Path, boot: str) -> Iterator[QemuLife]:
    with live(QemuDriver, folder, boot_id=boot) as life:
        try:
            yield QemuLife(life)
        finally:
            life.driver.state_cleanup()


def _no_guest_runs(rows: Rows) -> Rows:
    """A power cut ends every guest: what is left of it is its definition."""
    return {name: row for name, row in rows.items() if not name.startswith("life of ")}


QEMU: Final = Subject(
    "qemu",
    "the qemu driver: definitions, passwords, autostart, guests that ran",
    _live,
    _steps,
    survives=_no_guest_runs,
    finish=QemuLife.end_all,
)
