"""A host with the secret driver and others that ask it: one that may, one that may not, one that lies about it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.integration.host.conftest import Site
from tierhost.workers.runtime.contract import Code, InhibitCallback, InitResult, StateDriver, read

if TYPE_CHECKING:
    from collections.abc import Iterator

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
VALUE = b"correct-horse-battery-staple"


class Asker(StateDriver):
    """Needs the values of secrets."""

    name = "asker"
    needs: ClassVar[tuple[str, ...]] = ("secret.get_value",)

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        return InitResult.COMPLETE

    @read()
    def fetch(self, uuid: str) -> int:
        """Look a value up; tells its length only."""
        return len(self.context.services.secret.get_value(uuid=uuid))


class Nosy(Asker):
    """Asks without a need."""

    name = "nosy"
    needs = ()


class Liar(Asker):
    """Asks without a need, after it has told its own runtime that it has one and where the secret driver is."""

    name = "liar"
    needs = ()

    @read()
    def lie(self, uuid: str, entry: dict[str, Any]) -> int:
        """Look a value up all the same."""
        from tierhost.ipc.directory import Entry  # noqa: PLC0415  # this class travels, and takes no imports along

        services = self.context.services
        services._needs = frozenset({"secret.get_value"})
        services._directory.up(Entry("secret", entry["incarnation"], entry["endpoint"], entry["pid"]))
        return self.fetch(uuid)


@dataclass
class Secrets(Site):
    """A site whose secret worker can be killed, and whose values can be asked for."""

    @property
    def state(self) -> Path:
        return self.root.driver_state("secret")

    def define(self, *, private: bool = True, ephemeral: bool = False, value: bytes = VALUE) -> None:
        """Define the secret and give it its value."""
        answers = {True: "yes", False: "no"}
        xml = f"<secret ephemeral='{answers[ephemeral]}' private='{answers[private]}'><uuid>{UUID}</uuid></secret>"
        with self.client() as client:
            client.call("secret.secret_define_xml", xml)
            client.call("secret.secret_set_value", UUID, value)

    def value(self) -> bytes:
        """The value, as a client gets it."""
        with self.client() as client:
            value: bytes = client.call("secret.secret_get_value", UUID, changes=False)
        return value

    def end(self) -> None:
        """SIGKILL the host and the secret worker: what is on disk is all there is."""
        life = self.driver("secret")["pid"]
        assert self.running is not None
        self.running.kill()
        os.kill(life, signal.SIGKILL)

    def begin(self) -> None:
        """Start a host, and wait for the secret driver's life."""
        self.start()
        self.wait_phase("secret", "READY")

    def reload(self) -> None:
        """Let the secret driver read its files again."""
        with self.client() as client:
            client.host("reload", "secret")

    def degraded(self) -> dict[str, Any]:
        """What the host shows as degraded."""
        found: dict[str, Any] = self.driver("secret")["degraded"]
        return found


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    """A root without a host yet, and without credentials from outside."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    made = Secrets(Path(tempfile.mkdtemp(prefix="th", dir="/tmp")))
    try:
        yield made
    finally:
        made.tear_down()
        shutil.rmtree(made.folder, ignore_errors=True)


@contextmanager
def refused(kind: type[Exception], code: Code, match: str) -> Iterator[None]:
    """Expect a typed error with this code, which has no word of the value in it."""
    with pytest.raises(kind, match=match) as caught:
        yield
    assert getattr(caught.value, "code", None) is code
    assert VALUE.decode() not in repr(vars(caught.value))
