"""Other drivers, as a driver sees them: `services.secret.get_value(...)`, by name, never by address."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tierhost.ipc.calls import Caller, WokenByLoop
from tierhost.ipc.errors import AccessDenied, DriverBug
from tierhost.workers.runtime import calling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.ipc.directory import Directory
    from tierhost.workers.runtime.jobs import Jobs


class Services:
    """What the manifest's `needs` allows; anything else is refused here, with the line to add, and by the callee too."""

    def __init__(self, name: str, incarnation: int, needs: frozenset[str], jobs: Jobs, directory: Directory) -> None:
        self._name = name
        self._incarnation = incarnation
        self._needs = needs
        self._jobs = jobs
        self._directory = directory
        self._of_thread = threading.local()

    def __getattr__(self, driver: str) -> Service:
        # Kept in place: this is asked once for each name.
        service = self.__dict__[driver] = Service(self, driver.replace("_", "-"))
        return service

    def call(self, driver: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a service within what is left of the call in progress. Raises what the service raised, or a CallError."""
        need = f"{driver}.{method}"
        if need not in self._needs:
            reason = f"the manifest of '{self._name}' does not need {need}"
            raise AccessDenied(reason, subject=f"driver {self._name}", hint=f'add "{need}" to `needs` in its driver.toml')
        held = self._jobs.held()
        if held:
            # A worker that hangs would freeze the object for everybody: what libvirt does, and what we promise not to.
            reason = f"it calls {need} while it holds {', '.join(held)}"
            raise DriverBug(reason, subject=f"driver {self._name}", hint="ask first, then take the lock and look again")
        return self._caller().call(driver, method, args, kwargs, deadline_s=calling.deadline_s(), changes=True)

    def _caller(self) -> Caller:
        caller: Caller | None = getattr(self._of_thread, "caller", None)
        if caller is None:
            news = WokenByLoop(self._directory)
            caller = Caller(self._directory, news, name=self._name, incarnation=self._incarnation)
            self._of_thread.caller, self._of_thread.news = caller, news
        return caller

    def leave_thread(self) -> None:
        """Close what this thread opened; the runtime calls it when one of its threads ends."""
        caller: Caller | None = getattr(self._of_thread, "caller", None)
        if caller is not None:
            caller.close()
            self._of_thread.news.close()
            del self._of_thread.caller


class Service:
    """One other driver."""

    def __init__(self, services: Services, driver: str) -> None:
        self._services = services
        self._driver = driver

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._services.call(self._driver, method, args, kwargs)

        self.__dict__[method] = call
        return call
