"""From an admitted request to its answer: runs the method once per call id, and answers repetitions from the record."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tierhost.ipc.admission import OpenRequests
from tierhost.ipc.codec import NotInLanguage, encode
from tierhost.ipc.errors import Busy, Code, DriverBug, DriverError, OutcomeUnknown, TierhostError
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Reply
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Caller
from tierhost.workers.runtime.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.ipc.admission import Admitted
    from tierhost.workers.runtime.contract import Context, Exposure, StateDriver
    from tierhost.workers.runtime.outbox import Outbox
    from tierhost.workers.runtime.store import Recorded, Store


class Serving:
    """Runs methods of one driver. `inline` ones right here in the loop, the others on the pool."""

    def __init__(
        self,
        driver: StateDriver,
        context: Context,
        exposed: Mapping[str, Exposure],
        outbox: Outbox,
        run: Callable[[Callable[[], None]], None],
    ) -> None:
        self._driver = driver
        self._context = context
        self._exposed = exposed
        self._outbox = outbox
        self._run = run
        self._open = OpenRequests(context.name)
        self._lock = threading.Lock()
        self._under_way: dict[bytes, list[bytes]] = {}
        self._methods: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {}

    def serve(self, admitted: Admitted) -> bytes | None:
        """Begin a call. Returns the answer's bytes if it is known at once; else it goes to the outbox when it is."""
        request = admitted.arrival.request
        exposure = self._exposed[request.method]
        if exposure.inline:
            return self._call(admitted, exposure)
        try:
            self._open.begin(admitted.arrival.peer.pid)
        except Busy as error:
            return encode(failure_of(error, request.call_id, self._context.incarnation))
        if exposure.changes and self._joins(admitted):
            return None
        self._run(lambda: self._in_thread(admitted, exposure))
        return None

    def _joins(self, admitted: Admitted) -> bool:
        """Whether this very call is under way already: then its one answer goes to this asker too."""
        request = admitted.arrival.request
        with self._lock:
            waiting = self._under_way.get(request.call_id)
            if waiting is None:
                self._under_way[request.call_id] = []
                return False
            waiting.append(admitted.arrival.routing_id)
        self._open.finish(admitted.arrival.peer.pid)
        return True

    def _in_thread(self, admitted: Admitted, exposure: Exposure) -> None:
        answer = self._call(admitted, exposure)
        waiting: list[bytes] = []
        if exposure.changes:
            with self._lock:
                waiting = self._under_way.pop(admitted.arrival.request.call_id, [])
        for routing_id in (admitted.arrival.routing_id, *waiting):
            self._outbox.answer(routing_id, answer)
        self._open.finish(admitted.arrival.peer.pid)
        if exposure.changes or exposure.service:
            # A service that may be repeated freely is no change, and may still alter what is counted: who holds a volume.
            self._outbox.touch()

    def _call(self, admitted: Admitted, exposure: Exposure) -> bytes:
        arrival = admitted.arrival
        request, entry = arrival.request, admitted.entry
        driver, incarnation = (entry.driver, entry.incarnation) if entry else ("", 0)
        calling.CALLER.set(Caller(arrival.peer.uid, arrival.peer.gid, arrival.peer.pid, driver, incarnation))
        calling.DEADLINE_S.set(arrival.deadline_s)
        if exposure.changes:
            calling.CALL_ID.set(request.call_id)
        try:
            return self._answer(admitted, exposure)
        finally:
            calling.CALLER.set(None)
            calling.DEADLINE_S.set(None)
            if exposure.changes:
                calling.CALL_ID.set(None)

    def _answer(self, admitted: Admitted, exposure: Exposure) -> bytes:
        request = admitted.arrival.request
        incarnation = self._context.incarnation
        recorded = self._recorded(request.call_id) if exposure.changes and request.attempt > 1 else None
        error: TierhostError | None
        if recorded is not None and not recorded.replied:
            reason = f"a worker died during {request.method}, after it had begun to change something"
            error = OutcomeUnknown(reason, subject=f"driver {self._context.name}", hint="look at the object before you try again")
            value = None
        elif recorded is not None:
            value, error = recorded.value, None
        else:
            method = self._methods.get(request.method) or self._prepare(request.method, exposure)
            outcome = guarded(f"{self._context.name}.{request.method}", method, request.args, request.kwargs)
            value, error = outcome.value, outcome.error
            if exposure.changes:
                error = guarded("recording the answer", self._record, request.call_id, value, error).error or error
        if error is not None:
            return encode(failure_of(error, request.call_id, incarnation))
        try:
            return encode(Reply(request.call_id, incarnation, value))
        except NotInLanguage as trouble:
            bug = DriverBug(f"{request.method} returned what cannot travel: {trouble}", subject=f"driver {self._context.name}")
            return encode(failure_of(bug, request.call_id, incarnation))

    def _prepare(self, name: str, exposure: Exposure) -> Callable[[list[Any], dict[str, Any]], Any]:
        """Make what runs a method, once; it is kept."""
        method = getattr(self._driver, name)
        what = f"{self._context.name}.{name}"

        def locked(args: list[Any], kwargs: dict[str, Any]) -> Any:
            bound = _bind(what, method, args, kwargs)
            with self._context.jobs.changing(f"{self._context.name} {bound[exposure.lock]}"):
                return method(*args, **kwargs)

        def plain(args: list[Any], kwargs: dict[str, Any]) -> Any:
            try:
                return method(*args, **kwargs)
            except TypeError:
                # Arguments that do not fit are the caller's mistake; then it never ran. Anything else is the driver's.
                _bind(what, method, args, kwargs)
                raise

        made = self._methods[name] = locked if exposure.lock else plain
        return made

    def _stores(self) -> tuple[Store, Store]:
        return self._context.persistent, self._context.run

    def _recorded(self, call_id: bytes) -> Recorded | None:
        found = [record for store in self._stores() if (record := store.recorded(call_id)) is not None]
        return next((record for record in found if record.replied), found[0] if found else None)

    def _record(self, call_id: bytes, value: Any, error: TierhostError | None) -> None:
        """Complete the record of a change that did not do so itself (`t.reply`), if it changed anything at all."""
        records = [(store, store.recorded(call_id)) for store in self._stores()]
        if any(record and record.replied for _, record in records):
            return
        for store, record in records:
            if record is not None and error is None:
                with store.transaction() as t:
                    t.reply(value)
                return


def _bind(what: str, method: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Match arguments with parameters. Raises INVALID_ARG: a wrong call is the caller's mistake, not the driver's."""
    import inspect  # noqa: PLC0415  # only methods that lock by an argument or are called wrongly need the slow way

    try:
        bound = inspect.signature(method).bind(*args, **kwargs)
    except TypeError as error:
        raise DriverError(str(error), code=Code.INVALID_ARG, subject=what) from None
    bound.apply_defaults()
    return dict(bound.arguments)
