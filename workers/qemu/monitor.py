"""QMP for all guests of a worker: one thread with an asyncio loop; every command has a deadline, every death is heard."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError, Runstate
from qemu.qmp.qmp_client import NegotiationError

from tierhost.workers.qemu.expecting import Expectations, MonitorSilent
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping

COMMAND_LIMIT_S: Final = 5.0
GREETING_LIMIT_S: Final = 2.0
GOODBYE_LIMIT_S: Final = 1.0
GREETINGS_MAX: Final = 3
GREETING_AGAIN_S: Final = 0.02
"""How often, and how soon again, a QEMU is asked that hangs up while it greets: it lets go of its former client just then."""

# The library says goodbye to a dead QEMU with tracebacks in its log; the death is reported by the pidfd.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class MonitorRefused(DriverError):
    """Raised when QEMU answers a command with an error, in QEMU's own words."""

    code = Code.OPERATION_FAILED


class Greeting(NamedTuple):
    """Who answers at a monitor, and how the guest is."""

    uuid: str
    status: str


class Audience(Protocol):
    """Who is told what happens. Called in the loop's thread: note it, and leave the work to others."""

    def heard(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None:
        """One of QEMU's events."""

    def lost(self, uuid: str) -> None:
        """Its connection broke, and we did not do it."""

    def died(self, uuid: str) -> None:
        """Its process has ended."""


class Monitors:
    """The loop and its thread. Methods may be called from any thread but the loop's own."""

    def __init__(self, connect: Callable[[str], socket.socket], audience: Audience) -> None:
        """`connect(uuid)` makes a connected socket to a guest's monitor, or raises OSError."""
        self._connect = connect
        self._audience = audience
        self._clients: dict[str, tuple[QMPClient, asyncio.Task[None]]] = {}
        self._watched: dict[str, int] = {}
        self._expectations = Expectations()
        self.expecting = self._expectations.expecting
        self._closing = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        # What the tasks of a dying connection still have to say, nobody needs: see `lost` and `died`.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="monitors", daemon=True)
        self._thread.start()

    # Coming and going.

    def attach(self, uuid: str, limit_s: float = GREETING_LIMIT_S) -> Greeting:
        """Connect to a guest's monitor and ask who and how it is. Raises MonitorSilent."""
        greeting: Greeting = self._result(uuid, self.begin_attach(uuid, limit_s), limit_s + COMMAND_LIMIT_S)
        return greeting

    def begin_attach(self, uuid: str, limit_s: float = GREETING_LIMIT_S) -> Future[Greeting]:
        """Begin to attach; many guests at a time. The future raises MonitorSilent."""
        return self._begin(uuid, self._attach(uuid, limit_s))

    async def _attach(self, uuid: str, limit_s: float) -> Greeting:
        await self._detach(uuid)

        def hear(event: Mapping[str, Any]) -> bool:
            """Pass an event on from the filter, and refuse it: a listener keeps what it accepts for ever."""
            self._expectations.tell(uuid, str(event["event"]), event.get("data", {}))
            self._audience.heard(uuid, str(event["event"]), event.get("data", {}))
            return False

        try:
            # While another client is connected we are queued by the kernel and not greeted: hence the limit.
            client = await asyncio.wait_for(self._greeted(uuid, hear), limit_s)
        except (TimeoutError, OSError, QMPError) as error:
            said = "does not greet" if isinstance(error, TimeoutError) else f"does not answer ({_cause(error)})"
            reason = f"its monitor {said}"
            raise MonitorSilent(reason, subject=f"guest {uuid}", hint="its process is left alone; it is tried again") from None
        self._clients[uuid] = (client, self._loop.create_task(self._mind(uuid, client)))
        who: Any = await self._execute(uuid, "query-uuid", None)
        how: Any = await self._execute(uuid, "query-status", None)
        return Greeting(who["UUID"], how["status"])

    async def _greeted(self, uuid: str, hear: Callable[[Mapping[str, Any]], bool]) -> QMPClient:
        """Connect and be greeted. A QEMU that has just lost its former client may hang up in the middle of that: then again."""
        for tries_left in reversed(range(GREETINGS_MAX)):
            client = QMPClient(uuid)
            client.events.event_filter = hear
            try:
                await client.connect(self._connect(uuid))
            except ConnectError as error:
                if not tries_left or not isinstance(error.exc, EOFError | OSError | NegotiationError):
                    raise
                await asyncio.sleep(GREETING_AGAIN_S)
            else:
                return client
        raise AssertionError

    async def _mind(self, uuid: str, client: QMPClient) -> None:
        """Notice that a connection broke; the library tells only those who ask."""
        while client.runstate == Runstate.RUNNING:
            await client.runstate_changed()
        self._expectations.tell_lost(uuid)
        self._audience.lost(uuid)

    def detach(self, uuid: str) -> None:
        """Disconnect; the guest goes on."""
        self._run(uuid, self._detach(uuid), COMMAND_LIMIT_S)

    async def _detach(self, uuid: str) -> None:
        known = self._clients.pop(uuid, None)
        if known is None:
            return
        client, minding = known
        minding.cancel()
        self._expectations.tell_lost(uuid)
        try:
            await asyncio.wait_for(client.disconnect(), GOODBYE_LIMIT_S)
        except (TimeoutError, EOFError, OSError, QMPError):
            # It was dead, or deaf, before we said goodbye.
            return

    def is_attached(self, uuid: str) -> bool:
        """Whether this guest's monitor is connected."""
        known = self._clients.get(uuid)
        return known is not None and known[0].runstate == Runstate.RUNNING

    # Death.

    def watch(self, uuid: str, pidfd: int) -> None:
        """Hear of the death of a guest's process."""
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(self._watch, uuid, pidfd)

    def _watch(self, uuid: str, pidfd: int) -> None:
        self._watched[uuid] = pidfd
        self._loop.add_reader(pidfd, self._died, uuid, pidfd)

    def _died(self, uuid: str, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        self._watched.pop(uuid, None)
        self._audience.died(uuid)

    def forget(self, uuid: str) -> None:
        """Let go of a guest that is gone: its pidfd and its connection. Returns once nothing of it is in use here."""
        if not self._closed:
            self._run(uuid, self._forget(uuid), COMMAND_LIMIT_S)

    async def _forget(self, uuid: str) -> None:
        pidfd = self._watched.pop(uuid, None)
        if pidfd is not None:
            self._loop.remove_reader(pidfd)
        await self._detach(uuid)

    # Talking.

    def execute(
        self,
        uuid: str,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        fd: int | None = None,
        limit_s: float = COMMAND_LIMIT_S,
    ) -> Any:
        """Run one QMP command, with a descriptor for QEMU if it takes one. Raises MonitorSilent or MonitorRefused."""
        return self._run(uuid, self._execute(uuid, command, arguments, fd), limit_s)

    async def _execute(self, uuid: str, command: str, arguments: Mapping[str, Any] | None, fd: int | None = None) -> Any:
        known = self._clients.get(uuid)
        if known is None or known[0].runstate != Runstate.RUNNING:
            raise MonitorSilent("its monitor is not connected", subject=f"guest {uuid}", hint="it is tried again")
        client = known[0]
        try:
            if fd is not None:
                client.send_fd_scm(fd)
            return await client.execute(command, arguments)
        except ExecuteError as error:
            raise MonitorRefused(str(error), subject=f"guest {uuid}") from None
        except (QMPError, OSError) as error:
            raise MonitorSilent(f"its monitor went away during {command} ({_cause(error)})", subject=f"guest {uuid}") from None

    def _run(self, uuid: str, work: Coroutine[Any, Any, Any], limit_s: float) -> Any:
        return self._result(uuid, self._begin(uuid, work), limit_s)

    def _begin(self, uuid: str, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        with self._closing:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise MonitorSilent("this driver is ending", subject=f"guest {uuid}", hint="the guest runs on")

    @staticmethod
    def _result(uuid: str, future: Future[Any], limit_s: float) -> Any:
        try:
            return future.result(limit_s)
        except CancelledError:
            raise MonitorSilent("this driver is ending", subject=f"guest {uuid}", hint="the guest runs on") from None
        except (TimeoutError, FutureTimeout):
            future.cancel()
            reason = f"its monitor did not answer within {limit_s:g} s"
            raise MonitorSilent(reason, subject=f"guest {uuid}", hint="is its QEMU stopped, or its storage hung?") from None

    def close(self) -> None:
        """Disconnect from everybody and end the thread. Guests run on."""
        for uuid in list(self._clients):
            self.detach(uuid)
        with self._closing:
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._give_up(), self._loop)
        self._thread.join(COMMAND_LIMIT_S)
        self._loop.close()

    async def _give_up(self) -> None:
        """End what is still under way: whoever waits for it hears that it was cancelled."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=GOODBYE_LIMIT_S)
        self._loop.stop()


def _cause(error: BaseException) -> str:
    inner = getattr(error, "exc", error)
    return str(inner) or type(inner).__name__
