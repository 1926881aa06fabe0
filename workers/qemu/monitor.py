"""QMP for all guests of a worker: one thread with an asyncio loop; every command has a deadline, every death is heard."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError, Runstate
from qemu.qmp.error import QMPError as AnyQmpError

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

COMMAND_LIMIT_S = 5.0
GREETING_LIMIT_S = 2.0
EVENTS_WAITING_MAX = 256

# The library says goodbye to a dead QEMU with tracebacks in its log; the death is reported by the pidfd.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class MonitorSilent(DriverError):
    """Raised when a guest's QEMU does not answer in time: it is stopped, hangs, or is dying. The guest is not touched."""

    code = Code.AGENT_UNRESPONSIVE


class MonitorRefused(DriverError):
    """Raised when QEMU answers a command with an error, in QEMU's own words."""

    code = Code.OPERATION_FAILED


class Monitors:
    """The loop and its thread. Methods may be called from any thread but the loop's own."""

    def __init__(self, on_event: Callable[[str, str, Mapping[str, Any]], None], on_death: Callable[[str], None]) -> None:
        self._on_event = on_event
        self._on_death = on_death
        self._clients: dict[str, tuple[QMPClient, asyncio.Task[None]]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="monitors", daemon=True)
        self._thread.start()

    def attach(self, guest: str, path: str) -> dict[str, Any]:
        """Connect to a guest's monitor; return its uuid and status. Raises MonitorSilent."""
        found: dict[str, Any] = self._run(guest, self._attach(guest, path), GREETING_LIMIT_S * 2)
        return found

    async def _attach(self, guest: str, path: str) -> dict[str, Any]:
        await self._detach(guest)
        client = QMPClient(guest)
        listener = EventListener()
        client.register_listener(listener)
        try:
            # A second client is accepted by the kernel and never greeted: hence the limit.
            await asyncio.wait_for(client.connect(path), GREETING_LIMIT_S)
        except (OSError, AnyQmpError, asyncio.TimeoutError) as error:
            reason = f"its monitor does not answer ({type(error).__name__})"
            raise MonitorSilent(reason, subject=f"guest {guest}", hint="its process is left alone; it is tried again") from None
        self._clients[guest] = (client, self._loop.create_task(self._listen(guest, listener)))
        uuid = await asyncio.wait_for(client.execute("query-uuid"), GREETING_LIMIT_S)
        status = await asyncio.wait_for(client.execute("query-status"), GREETING_LIMIT_S)
        return {"uuid": uuid["UUID"], "status": status["status"]}  # type: ignore[index]

    async def _listen(self, guest: str, listener: EventListener) -> None:
        while True:
            event = await listener.get()
            self._on_event(guest, str(event["event"]), event.get("data", {}))  # type: ignore[arg-type]

    def watch(self, guest: str, pidfd: int) -> None:
        """Hear of the death of a guest's process: the library's listener sleeps on when QEMU is killed."""
        self._loop.call_soon_threadsafe(self._loop.add_reader, pidfd, self._died, guest, pidfd)

    def unwatch(self, pidfd: int) -> None:
        """Hear no more of this process. Returns once the loop has let go of the descriptor."""
        self._run("", self._unwatch(pidfd), COMMAND_LIMIT_S)

    async def _unwatch(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)

    def _died(self, guest: str, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        self._on_death(guest)

    def execute(self, guest: str, command: str, arguments: dict[str, Any] | None = None, *, limit_s: float = COMMAND_LIMIT_S) -> Any:
        """Run one QMP command. Raises MonitorSilent or MonitorRefused."""
        return self._run(guest, self._execute(guest, command, arguments), limit_s)

    async def _execute(self, guest: str, command: str, arguments: dict[str, Any] | None) -> Any:
        client = self._client(guest)
        try:
            return await client.execute(command, arguments)
        except ExecuteError as error:
            raise MonitorRefused(str(error), subject=f"guest {guest}") from None
        except (QMPError, OSError) as error:
            reason = f"its monitor went away during {command} ({type(error).__name__})"
            raise MonitorSilent(reason, subject=f"guest {guest}") from None

    def send_fd(self, guest: str, name: str, fd: int) -> None:
        """Give QEMU a file descriptor under a name (QMP `getfd`)."""
        self._run(guest, self._send_fd(guest, name, fd), COMMAND_LIMIT_S)

    async def _send_fd(self, guest: str, name: str, fd: int) -> None:
        client = self._client(guest)
        client.send_fd_scm(fd)
        await client.execute("getfd", {"fdname": name})

    def _client(self, guest: str) -> QMPClient:
        known = self._clients.get(guest)
        if known is None or known[0].runstate != Runstate.RUNNING:
            reason = "its monitor is not connected"
            raise MonitorSilent(reason, subject=f"guest {guest}", hint="it is tried again; `tierhost status` shows it as degraded")
        return known[0]

    def is_attached(self, guest: str) -> bool:
        """Whether this guest's monitor is connected."""
        known = self._clients.get(guest)
        return known is not None and known[0].runstate == Runstate.RUNNING

    def detach(self, guest: str) -> None:
        """Disconnect; the guest goes on."""
        self._run(guest, self._detach(guest), COMMAND_LIMIT_S)

    async def _detach(self, guest: str) -> None:
        known = self._clients.pop(guest, None)
        if known is None:
            return
        client, task = known
        task.cancel()
        try:
            await asyncio.wait_for(client.disconnect(), GREETING_LIMIT_S)
        except (EOFError, OSError, AnyQmpError, asyncio.TimeoutError):
            # It was dead before we said goodbye.
            return

    def _run(self, guest: str, work: Coroutine[Any, Any, Any], limit_s: float) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(limit_s)
        except (FutureTimeout, asyncio.TimeoutError):
            future.cancel()
            reason = f"its monitor did not answer within {limit_s:g} s"
            raise MonitorSilent(reason, subject=f"guest {guest}", hint="is its QEMU stopped, or its storage hung?") from None

    def close(self) -> None:
        """Disconnect from everybody and end the thread."""
        for guest in list(self._clients):
            self.detach(guest)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(COMMAND_LIMIT_S)
