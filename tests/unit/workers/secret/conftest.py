"""A secret driver over real stores, with a context that remembers what it was told. Nothing here is the real runtime."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tierhost.workers.runtime.contract import Context, InitResult
from tierhost.workers.runtime.jobs import Jobs
from tierhost.workers.runtime.store import Store
from tierhost.workers.secret import backend
from tierhost.workers.secret.driver import SecretDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tierhost.workers.runtime.services import Services


@dataclass
class Life:
    """One life of the driver in one folder."""

    folder: Path
    boot_id: str
    events: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    degraded: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.persistent = Store.open(self.folder / "state" / "secret", "persistent", boot_id=None)
        self.run = Store.open(self.folder / "run" / "secret", "run", boot_id=self.boot_id)
        for store in (self.persistent, self.run):
            store.watch(self.tell)
        self.driver = SecretDriver(self.context())

    def context(self) -> Context:
        return Context(
            name="secret",
            incarnation=1,
            boot_id=self.boot_id,
            privileged=True,
            state_dir=self.folder / "state" / "secret",
            run_dir=self.folder / "run" / "secret",
            config={},
            persistent=self.persistent,
            run=self.run,
            services=cast("Services", SimpleNamespace()),
            jobs=Jobs(),
            emit=lambda kind, subject, details: self.events.append((kind, subject, details)),
            degrade=self.degraded.__setitem__,
            mend=lambda subject: cast("None", self.degraded.pop(subject, None)),
            later=lambda _seconds, _function: None,
            caller=lambda: None,
        )

    def tell(self, subject: str, trouble: str) -> None:
        if trouble:
            self.degraded[subject] = trouble
        else:
            self.degraded.pop(subject, None)

    def initialize(self) -> SecretDriver:
        assert self.driver.state_initialize(privileged=True, inhibit=lambda **_: None) is InitResult.COMPLETE
        return self.driver

    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, subject) for kind, subject, _ in self.events]

    def close(self) -> None:
        self.persistent.close()
        self.run.close()


class Lives:
    """Lives of one driver, each in its own copy of the folder as the one before left it when it was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[Life] = []

    def first(self, boot_id: str = "boot 1") -> Life:
        return self.at(self._folder / "0", boot_id)

    def after(self, life: Life, boot_id: str = "boot 1", harm: Callable[[Path], object] = lambda _: None) -> Life:
        """The next life: `life` is killed now, and `harm` comes over its files."""
        folder = self._folder / str(len(self.all))
        shutil.copytree(life.folder, folder)
        harm(folder)
        return self.at(folder, boot_id)

    def at(self, folder: Path, boot_id: str = "boot 1") -> Life:
        life = Life(folder, boot_id)
        self.all.append(life)
        return life


@pytest.fixture(autouse=True)
def open_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests stays dumpable, and takes no credentials from its surroundings."""
    monkeypatch.setattr(backend, "keep_to_ourselves", lambda: None)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    made = Lives(tmp_path)
    yield made
    for life in made.all:
        life.close()


@pytest.fixture
def life(lives: Lives) -> Life:
    first = lives.first()
    first.initialize()
    return first


@pytest.fixture
def driver(life: Life) -> SecretDriver:
    return life.driver
