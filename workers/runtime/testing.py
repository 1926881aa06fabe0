"""For tests of a driver, in the process of the test: its context with real stores and locks, and real calls."""

from __future__ import annotations

import os
import sys
import time
import tomllib
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tierhost.ipc.admission import Admission, Admitted, Arrival
from tierhost.ipc.codec import NotInLanguage, decode, encode
from tierhost.ipc.credentials import PeerCredentials
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import CallError, Code, PeerAbsent
from tierhost.ipc.failures import error_of
from tierhost.ipc.messages import Failure, Happened, Reply, Request
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Context, InitResult, Skip, StateDriver
from tierhost.workers.runtime.files import make_folder
from tierhost.workers.runtime.jobs import Jobs
from tierhost.workers.runtime.loading import offers
from tierhost.workers.runtime.outbox import Outbox
from tierhost.workers.runtime.services import Services
from tierhost.workers.runtime.serving import Serving
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierhost.ipc.calls import Caller

DEADLINE_S: Final = 10.0
WORKER_PID: Final = -1
"""No process has it: the pid of the worker that `call(..., by=...)` speaks for."""


@dataclass
class FakeHost:
    """Stands in for the host: keeps what the driver says to it. `put_off` is what the driver wants run later."""

    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    degraded: dict[str, str] = field(default_factory=dict)
    put_off: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    held_off: str = ""

    def emit(self, kind: str, subject: str, details: Mapping[str, Any]) -> None:
        """Keep an event. Raises NotInLanguage if it could not travel."""
        encode(Happened("fake", 1, kind, subject, dict(details)))
        self.events.append((kind, subject, dict(details)))

    def degrade(self, subject: str, reason: str) -> None:
        """Keep what does not do what it should."""
        self.degraded[subject] = reason

    def mend(self, subject: str) -> None:
        """Forget it."""
        self.degraded.pop(subject, None)

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Keep what is to be run; nothing runs by itself."""
        self.put_off.append((seconds, function))

    def inhibit(self, *, held: bool, why: str = "") -> None:
        """Keep why the shutdown is held off."""
        self.held_off = why if held else ""

    def condition(self, subject: str, trouble: str) -> None:
        """Keep what a store says of its files."""
        if trouble:
            self.degrade(subject, trouble)
        else:
            self.mend(subject)

    def kinds(self) -> list[str]:
        """List the kinds of event that were told, in order."""
        return [kind for kind, _, _ in self.events]


class FakeServices(Services):
    """Stands in for other drivers: `fakes` maps a driver's name to an object with its services as methods.

    It refuses as the real one does: what the manifest does not need, and any call while an object is locked.
    """

    def __init__(self, name: str, needs: frozenset[str], jobs: Jobs, fakes: Mapping[str, object]) -> None:
        super().__init__(name, 1, needs, jobs, Directory())
        self._fakes = _FakeCaller(fakes)

    def _caller(self) -> Caller:
        return cast("Caller", self._fakes)


class _FakeCaller:
    def __init__(self, fakes: Mapping[str, object]) -> None:
        self._fakes = fakes

    def call(self, driver: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], **_: object) -> Any:
        service = getattr(self._fakes.get(driver), method, None)
        if service is None:
            reason = f"the test gives no fake for {driver}.{method}"
            raise PeerAbsent(reason, subject=f"driver {driver}", hint="services={...} of make_context")
        return service(*args, **kwargs)


@contextmanager
def make_context(
    driver: type[StateDriver],
    folder: Path,
    *,
    services: Mapping[str, object] | None = None,
    config: Mapping[str, Any] | None = None,
    boot_id: str = "boot 1",
    incarnation: int = 1,
    host: FakeHost | None = None,
) -> Iterator[Context]:
    """Give what a life of `driver` is given; its files are in `folder`. Made again on the same folder, it is the next life.

    Name and needs are those of the driver.toml beside the class, or of the class itself. The stores are closed at the end
    of the block, and nothing else is done to them: what is left is what a crash leaves.
    """
    name, needs = _manifest_of(driver)
    host = host or FakeHost()
    jobs = Jobs()
    state_dir, run_dir = folder / "state", folder / "run"
    for place in (state_dir, run_dir):
        make_folder(place)
    persistent, run = Store.open(state_dir, "persistent", boot_id=None), Store.open(run_dir, "run", boot_id=boot_id)
    try:
        for store in (persistent, run):
            for mended in store.repaired:
                host.emit("state-file-mended", mended, {})
            store.watch(host.condition)
        yield Context(
            name=name,
            incarnation=incarnation,
            boot_id=boot_id,
            privileged=os.geteuid() == 0,
            state_dir=state_dir,
            run_dir=run_dir,
            config=config or {},
            persistent=persistent,
            run=run,
            services=FakeServices(name, needs, jobs, services or {}),
            jobs=jobs,
            emit=host.emit,
            degrade=host.degrade,
            mend=host.mend,
            later=host.later,
            caller=calling.CALLER.get,
        )
    finally:
        persistent.close()
        run.close()


def _manifest_of(driver: type[StateDriver]) -> tuple[str, frozenset[str]]:
    source = getattr(sys.modules.get(driver.__module__), "__file__", None)
    path = Path(source).with_name("driver.toml") if source else Path()
    if path.is_file():
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        if manifest["entry"].endswith(f":{driver.__name__}"):
            return manifest["name"], frozenset(manifest.get("needs", ()))
    return driver.name or driver.__name__.lower(), frozenset(driver.needs)


class LifeInTest:
    """One life of a driver, initialized by `live`. Calls go the way of the runtime: admission, locks, records, msgpack."""

    def __init__(self, driver: StateDriver, context: Context, host: FakeHost) -> None:
        self.driver = driver
        self.context = context
        self.host = host
        self.outcome = InitResult.FAILED
        self._directory = Directory()
        self._callers = 0
        exposed = offers(type(driver))
        shown = {name: exposure.service for name, exposure in exposed.items()}
        self._admission = Admission(context.name, context.incarnation, os.geteuid(), shown, self._directory)
        self._outbox = Outbox(context.name, context.incarnation)
        self._serving = Serving(driver, context, exposed, self._outbox, lambda work: work())

    def initialize(self) -> InitResult:
        """Run state_initialize; `outcome` remembers its answer."""
        try:
            self.outcome = self.driver.state_initialize(privileged=self.context.privileged, inhibit=self.host.inhibit)
        except Skip:
            self.outcome = InitResult.SKIPPED
        return self.outcome

    def call(self, method: str, *args: Any, by: str = "", call_id: bytes = b"", attempt: int = 1, **kwargs: Any) -> Any:
        """Call a method as a client, or as the worker `by`, whose manifest needs it. Raises what a caller would get.

        With the `call_id` of an earlier change and an `attempt` above 1 it is the caller's repetition of that change.
        """
        pid = WORKER_PID if by else os.getpid()
        if by:
            self._callers += 1
            self._directory.up(Entry(by, self._callers, "", pid, frozenset({f"{self.context.name}.{method}"})))
        call_id = call_id or uuid.uuid4().bytes
        request = Request(call_id, 0, method, list(args), kwargs, DEADLINE_S, by, int(bool(by)), attempt)
        try:
            encode(request)
        except NotInLanguage as error:
            raise CallError(str(error), code=Code.INVALID_ARG, subject=f"driver {self.context.name}") from None
        peer = PeerCredentials(os.geteuid(), os.getegid(), pid)
        arrival = Arrival(b"test", peer, request, time.monotonic())
        try:
            admitted = self._admission.admit(arrival)
        finally:
            if by:
                self._directory.down(by, self._callers)
        answer = decode(self._answer(cast("Admitted", admitted)))
        if isinstance(answer, Failure):
            raise error_of(answer)
        return cast("Reply", answer).value

    def _answer(self, admitted: Admitted) -> bytes:
        at_once = self._serving.serve(admitted)
        return self._outbox.answers()[0][1] if at_once is None else at_once

    def run_later(self) -> None:
        """Let the time come for everything that was put off so far."""
        now, self.host.put_off[:] = list(self.host.put_off), []
        for _, function in now:
            function()

    def close(self) -> None:
        """Give back what the kit itself opened."""
        os.close(self._outbox.wake_fd)


@contextmanager
def live(driver: type[StateDriver], folder: Path, **surroundings: Any) -> Iterator[LifeInTest]:
    """Live once: the driver is initialized, and at the end of the block gone without a word, as in a crash.

    `surroundings` are those of `make_context`.
    """
    host = surroundings.setdefault("host", FakeHost())
    with make_context(driver, folder, **surroundings) as context:
        life = LifeInTest(driver(context), context, host)
        try:
            life.initialize()
            yield life
        finally:
            life.close()
