"""One life of one driver: its stores, its context, its object, its door, and the verbs it runs."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tierhost.ipc.admission import Admission
from tierhost.ipc.codec import encode, legible
from tierhost.ipc.errors import PeerAbsent
from tierhost.ipc.failures import failure_of
from tierhost.ipc.wires import Gate
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Context, InitResult, Skip, StateDriver
from tierhost.workers.runtime.files import make_folder
from tierhost.workers.runtime.guard import Outcome, guarded
from tierhost.workers.runtime.jobs import Jobs
from tierhost.workers.runtime.loading import offers
from tierhost.workers.runtime.outbox import Outbox
from tierhost.workers.runtime.pool import Pool
from tierhost.workers.runtime.services import Services
from tierhost.workers.runtime.serving import Serving
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.admission import Admitted
    from tierhost.ipc.directory import Directory
    from tierhost.ipc.paths import Root

STRANGERS_KEPT = 64
"""Processes that sent garbage, which is told once of each."""


class Life:
    """Made at Assign, in the loop's thread. Nothing in here outlives the process but what the stores keep."""

    def __init__(
        self,
        spec: dict[str, Any],
        incarnation: int,
        root: Root,
        directory: Directory,
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.incarnation = incarnation
        self.outbox = Outbox(self.name, incarnation)
        self.jobs = Jobs()
        self.services = Services(self.name, incarnation, frozenset(spec["needs"]), self.jobs, directory)
        self.pool = Pool(self.services.leave_thread)
        self.refused = 0
        self.strangers: deque[int] = deque(maxlen=STRANGERS_KEPT)
        self.door = Gate(root.worker_socket(self.name, incarnation))
        self._exposed: dict[str, Any] = {}
        self._offers: dict[str, bool] = {}
        self.admission = Admission(self.name, incarnation, spec["owner_uid"], self._offers, directory)
        self._root = root
        self._later = later
        self._driver: StateDriver | None = None
        self._serving: Serving | None = None
        self._trouble: str = ""
        self._initialized = False

    def build(self, loaded: Outcome) -> None:
        """Open the stores and construct the driver. What goes wrong is the answer to state_initialize."""
        outcome = loaded if loaded.error else guarded("constructing the driver", self._build, loaded.value)
        if outcome.error is not None:
            self._trouble = legible(str(outcome.error))

    def _build(self, driver_class: type[StateDriver]) -> None:
        state_dir, run_dir = self._root.driver_state(self.name), self._root.driver_run(self.name)
        for folder in (state_dir, run_dir):
            make_folder(folder)
        boot_id = self.spec["boot_id"]
        context = Context(
            name=self.name,
            incarnation=self.incarnation,
            boot_id=boot_id,
            privileged=self.spec["privileged"],
            state_dir=state_dir,
            run_dir=run_dir,
            config=self.spec["config"],
            persistent=Store.open(state_dir, "persistent", boot_id=None),
            run=Store.open(run_dir, "run", boot_id=boot_id),
            services=self.services,
            jobs=self.jobs,
            emit=self.outbox.emit,
            degrade=self.outbox.degrade,
            mend=self.outbox.mend,
            later=self._later,
            caller=calling.CALLER.get,
        )
        for store in (context.persistent, context.run):
            for mended in store.repaired:
                self.outbox.emit("state-file-mended", mended, {})
            store.watch(self._condition)
        self._exposed.update(offers(driver_class))
        self._driver = driver_class(context)
        self._serving = Serving(self._driver, context, self._exposed, self.outbox, self.pool.run)

    def _condition(self, subject: str, trouble: str) -> None:
        """Show what is lost from the state, or a file that fails while its mirror goes on without a second one."""
        if trouble:
            self.outbox.degrade(subject, trouble)
        else:
            self.outbox.mend(subject)

    # Verbs.

    def perform(self, verb: str, remaining_s: float) -> tuple[str, str]:
        """Run one verb in the calling thread; return its outcome and, if there is one, the reason."""
        if self._driver is None:
            return "failed", self._trouble

        calling.DEADLINE_S.set(time.monotonic() + remaining_s)
        try:
            outcome = guarded(verb, self._verb(verb))
        finally:
            calling.DEADLINE_S.set(None)
        self.outbox.dirty = True
        if outcome.error is not None:
            return "failed", legible(str(outcome.error))
        if isinstance(outcome.value, Skip):
            return "skipped", legible(str(outcome.value))
        if verb == "state_initialize":
            return self._initialize_outcome(outcome.value)
        return "complete", ""

    def _verb(self, verb: str) -> Callable[[], Any]:
        driver = self._driver
        assert driver is not None

        def run() -> Any:
            if verb == "state_reload":
                _acknowledge_losses(driver.context)
            if verb != "state_initialize":
                return getattr(driver, verb)()
            try:
                return driver.state_initialize(privileged=self.spec["privileged"], inhibit=self.outbox.inhibit)
            except Skip as skip:
                return skip

        return run

    def _initialize_outcome(self, value: object) -> tuple[str, str]:
        if not isinstance(value, InitResult):
            return "failed", f"state_initialize returned {value!r:.100}, expected an InitResult"
        if value is InitResult.COMPLETE:
            self._offers.update({name: exposure.service for name, exposure in self._exposed.items()})
            self._initialized = True
        return value.value, "" if value is not InitResult.FAILED else "state_initialize returned FAILED"

    def objects(self) -> dict[str, Any]:
        """Count the objects, for status."""
        if self._driver is None or not self._initialized:
            return {}
        outcome = guarded("objects", self._driver.objects)
        if isinstance(outcome.value, dict):
            self.outbox.mend(f"driver {self.name}")
            return outcome.value
        self.outbox.degrade(
            f"driver {self.name}", str(outcome.error or f"objects returned {outcome.value!r:.100}, expected a map")
        )
        return {}

    def close(self) -> None:
        """Let go of what was opened. For a life whose process goes on: a rehearsal."""
        self.door.close()
        self.outbox.close()
        if self._driver is not None:
            self._driver.context.persistent.close()
            self._driver.context.run.close()

    def serve(self, admitted: Admitted) -> bytes | None:
        """Begin a call; see Serving.serve."""
        if self._serving is None or not self._initialized:
            error = PeerAbsent("it is not initialized yet", subject=f"driver {self.name}", hint="try again in a moment")
            return encode(failure_of(error, admitted.arrival.request.call_id, self.incarnation))
        return self._serving.serve(admitted)


def _acknowledge_losses(context: Context) -> None:
    """Who asks for a reload has seen that nameless rows are lost; named ones stay on record until they are written anew."""
    for store in (context.persistent, context.run):
        for damage in store.damage():
            if not damage.table:
                store.dismiss(damage)
