"""A secret driver over real stores, one life after the other, with a host that remembers what it was told."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.contract import InitResult
from tierhost.workers.runtime.testing import FakeHost, make_context
from tierhost.workers.secret import backend
from tierhost.workers.secret.driver import SecretDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Life:
    """One life of the driver in one folder."""

    def __init__(self, folder: Path, boot_id: str) -> None:
        self.folder = folder
        self.host = FakeHost()
        self._opened = ExitStack()
        context = self._opened.enter_context(make_context(SecretDriver, folder, boot_id=boot_id, host=self.host))
        self.persistent, self.run = context.persistent, context.run
        self.events, self.degraded = self.host.events, self.host.degraded
        self.driver = SecretDriver(context)

    def initialize(self) -> SecretDriver:
        assert self.driver.state_initialize(privileged=True, inhibit=self.host.inhibit) is InitResult.COMPLETE
        return self.driver

    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, subject) for kind, subject, _ in self.events]

    def close(self) -> None:
        self._opened.close()


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
