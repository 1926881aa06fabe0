"""The storage driver under power cuts: definitions of pools, their autostart flags, and the directories it makes for them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.subjects import RESTART, TROUBLE, Step, Subject
from tierhost.workers.runtime.testing import live
from tierhost.workers.storage.driver import StorageDriver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.drills.power_cut.subjects import Rows
    from tierhost.workers.runtime.testing import LifeInTest


class StorageLife:
    """The driver, with pools of directories beside its own folders."""

    def __init__(self, life: LifeInTest, folder: Path) -> None:
        self._life = life
        self._folder = folder

    def rows(self) -> Rows:
        """Each pool that has a definition: what it says, its flag, and whether its directory is there."""
        rows: Rows = {}
        for shown in self._life.call("storage_pool_list"):
            if shown["persistent"]:
                name = shown["name"]
                rows[f"pool {name}"] = {"uuid": shown["uuid"], "xml": self._life.call("storage_pool_get_xml_desc", name, 1)}
                rows[f"autostart of {name}"] = shown["autostart"]
        for path in sorted(self._folder.glob("pools/*/*")):
            rows[f"directory {path.name}"] = True
        rows[TROUBLE] = sorted(f"{subject}: {reason}" for subject, reason in self._life.host.degraded.items())
        return rows

    def define(self, name: str, target: str) -> None:
        """Define or redefine a pool."""
        path = f"{self._folder}/pools/{target}"
        self._life.call(
            "storage_pool_define_xml",
            f"<pool type='dir'><name>{name}</name>{_uuid(name)}<target><path>{path}</path></target></pool>",
        )

    def call(self, method: str, *args: object) -> None:
        """Ask for anything else."""
        self._life.call(f"storage_pool_{method}", *args)


def _uuid(name: str) -> str:
    return f"<uuid>{name.encode().hex().rjust(12, '0').rjust(32, '1')}</uuid>"


def _steps() -> list[Step]:
    return [
        Step("a pool is defined", lambda life: life.define("one", "a/one")),
        Step("its directory is built", lambda life: life.call("build", "one")),
        Step("it is to start at boot", lambda life: life.call("set_autostart", "one", True)),
        Step("it is started", lambda life: life.call("create", "one")),
        Step("another pool is defined", lambda life: life.define("two", "b/two")),
        RESTART,
        Step("its definition is changed", lambda life: life.define("two", "b/other")),
        Step("its directory is built, too", lambda life: life.call("build", "two")),
        Step("the first is stopped", lambda life: life.call("destroy", "one")),
        Step("the first is not to start at boot", lambda life: life.call("set_autostart", "one", False)),
        Step("the directory of the first is removed", lambda life: life.call("delete", "one")),
        Step("the first is forgotten", lambda life: life.call("undefine", "one")),
        RESTART,
        Step("the other is to start at boot", lambda life: life.call("set_autostart", "two", True)),
    ]


@contextmanager
def _live(folder: Path, boot: str) -> Iterator[StorageLife]:
    with live(StorageDriver, folder, boot_id=boot) as life:
        yield StorageLife(life, folder)


STORAGE: Final = Subject("storage", "the storage driver: definitions, autostart, directories", _live, _steps)
