"""Two hosts side by side: `here`, who asks, and `there`, who has a door on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.integration.host.conftest import Site, until
from tierhost.host import catalog, config
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, change, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.ipc.client import Client

KEPT: Final = {"secret", "remote"}
UUID: Final = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
XML: Final = f"<secret ephemeral='no' private='no'><uuid>{UUID}</uuid></secret>"


class Tally(StateDriver):
    """Counts once per call, and answers when the test lets it."""

    name = "tally"
    required = False

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        return InitResult.COMPLETE

    @change()
    def add(self, gate: str) -> int:
        """Count, then wait until somebody opens the other end of a pipe."""
        count: int = (self.context.persistent.get("count", "all") or {"count": 0})["count"] + 1
        with self.context.persistent.transaction() as t:
            t.put("count", "all", {"count": count})
            t.reply(count)
        with open(gate, "rb") as pipe:  # noqa: PTH123  # this class travels, and takes no imports along
            pipe.read()
        return count

    @read()
    def count(self) -> int:
        """Tell how far it has counted."""
        count: int = (self.context.persistent.get("count", "all") or {"count": 0})["count"]
        return count


@dataclass
class Host(Site):
    """A host with two drivers."""

    port: int = 0

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start it."""
        others = [name for name in catalog.read(config.Config()).drivers if name not in KEPT]
        lines = ["spares = 1", *(f"[drivers.{name}]\nenabled = false" for name in others)]
        if self.port:
            lines.append(f'[drivers.remote.options]\nlisten = "{self.address}"')
        file = self.folder / "config.toml"
        file.write_text("\n".join(lines))
        self.start(Tally, options=("--config", str(file)))

    def signal_worker(self, name: str, number: int) -> int:
        """Send a driver's worker a signal; returns its incarnation."""
        row = self.driver(name)
        os.kill(row["pid"], number)
        life: int = row["incarnation"]
        return life


@dataclass
class Pair:
    """Both, and a client of the one who asks."""

    here: Host
    there: Host
    client: Client

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the remote driver here."""
        return self.client.call(f"remote.{method}", *args, **kwargs)

    def over(self, connection: str, method: str, *args: Any, deadline_s: float = 10.0, **kwargs: Any) -> Any:
        """Call a method there."""
        return self.client.call("remote.connect_call", connection, method, *args, deadline_s=deadline_s, **kwargs)

    def at(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the other host, as a person there does."""
        with self.there.client() as client:
            return client.call(method, *args, **kwargs)

    def introduce(self, *methods: str, name: str = "desk") -> None:
        """Make a key here, let it in there, and define the connection `name`."""
        public = self.call("remote_key_generate", name)["public"]
        self.at("remote.remote_allow", name, public, list(methods or ("secret.*",)))
        door = self.at("remote.remote_get_door")
        uri = f"tierhost+{door['address']}"
        self.call("connect_define", name, uri, name, [door["public"]])

    def alive(self, name: str) -> bool:
        """Whether a connection is."""
        found: bool = self.call("connect_is_alive", name, changes=False)
        return found

    def told(self, kind: str, subject: str = "") -> bool:
        """Whether the host here has told of this."""
        return any(event.kind == kind and subject in {"", event.subject} for event in self.client.events())


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def two_hosts() -> Iterator[Pair]:
    """Start both, and end whatever is left of them."""
    here, there = (Host(Path(tempfile.mkdtemp(prefix="th", dir="/tmp")), port=port) for port in (0, free_port()))
    try:
        for host in (there, here):
            host.begin()
        with here.client() as client:
            yield Pair(here, there, client)
    finally:
        for host in (here, there):
            host.tear_down()
            shutil.rmtree(host.folder, ignore_errors=True)


@pytest.fixture(scope="package")
def pair() -> Iterator[Pair]:
    """Two hosts that these tests share; each test has connections and keys of its own name."""
    with two_hosts() as made:
        yield made


@contextmanager
def frozen(host: Host, name: str) -> Iterator[None]:
    """Let a host and one of its workers hang: SIGSTOP."""
    assert host.running is not None
    pids = [host.running.pid, host.driver(name)["pid"]]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


__all__ = ["UUID", "XML", "Host", "Pair", "free_port", "frozen", "two_hosts", "until"]
