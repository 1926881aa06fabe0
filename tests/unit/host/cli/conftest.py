"""A fake of the one client that commands talk to, and a terminal that is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest

from tierhost.host.cli import asking, looking
from tierhost.host.cli.main import main
from tierhost.ipc.errors import DeadlineExceeded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tierhost.ipc.errors import TierhostError
    from tierhost.ipc.messages import Event


@dataclass
class FakeClient:
    """Answers what the test says, and remembers what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    error: TierhostError | BaseException | None = None
    happened: list[Event] = field(default_factory=list)
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((method, args, kwargs))
        if self.error is not None:
            raise self.error
        return self.answers.get(method)

    def host(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.call(f"host.{method}", *args, **kwargs)

    def wait_until(self, condition: Callable[[], Any], what: str, *, deadline_s: float) -> Any:
        found = condition()
        if found:
            return found
        assert deadline_s <= 0, f"this fake never changes, so nobody may wait for it: {what}"
        raise DeadlineExceeded(what)

    def events(self, since: int = 0, *, follow: bool = False, timeout_s: float | None = None) -> Iterator[Event]:
        self.asked.append(("events", (since,), {"follow": follow}))
        yield from (event for event in self.happened if event.number > since)
        if follow and timeout_s is None:
            raise KeyboardInterrupt


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """The client that every command of this test gets."""
    client = FakeClient()

    def connect(_: argparse.Namespace, *, workers_will_do: bool = False) -> FakeClient:
        return client

    for module in (asking, looking):
        monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(asking, "connect_to_call", connect)
    return client


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run one command line."""

    def command(*words: str) -> Ran:
        try:
            code = main(words)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        return Ran(code, *capsys.readouterr())

    return command


@pytest.fixture
def status() -> dict[str, Any]:
    """A whole answer to `status`: one driver serves, one is in quarantine, one is skipped, one folder is no driver."""
    secret = {
        "name": "secret",
        "tier": "libvirt",
        "phase": "READY",
        "reason": "",
        "pid": 41,
        "incarnation": 2,
        "restarts": 1,
        "since_s": 10.0,
        "last_error": "",
        "required": True,
        "objects": {"secrets": {"with value": 2, "without value": 0}},
        "degraded": {"secret abc": "its value does not open"},
    }
    storage = secret | {"name": "storage", "phase": "QUARANTINED", "pid": 0, "objects": {}, "degraded": {}}
    hal = storage | {"name": "nodedev-hal", "phase": "SKIPPED", "reason": "no HAL answers: install one"}
    return {
        "host": {
            "pid": 40,
            "version": "0.1.0",
            "root": "/r",
            "boot_id": "b",
            "since_s": 1.0,
            "state": "held",
            "inhibitors": [{"driver": "qemu", "why": "2 guests run"}],
            "spares": 2,
        },
        "tiers": [{"name": "libvirt", "state": "held", "reason": "storage is QUARANTINED"}],
        "drivers": [secret, storage | {"last_error": "state_initialize: " + "no " * 40 + "end"}, hal],
        "broken": [{"source": "/d/tape", "reason": "driver.toml: tier: missing"}],
    }
