"""The host as a callee: what people and their programs may ask it, over the same requests that workers answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierhost.host.core import events
from tierhost.host.shell import status
from tierhost.ipc.codec import encode
from tierhost.ipc.errors import AccessDenied, Code, DriverError, NoSuchMethod, TierhostError
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.host.core.events import Event
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.orders import Orders
    from tierhost.ipc.credentials import PeerCredentials
    from tierhost.ipc.messages import Request, Value

PENDING_MAX = 64


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose answer is known only once the core has done something with it."""

    routing_id: bytes
    request: Request


class Control:
    """Answers `host.METHOD`. What changes something becomes an event for the core; `asked` hands those to the loop."""

    def __init__(self, equipment: Equipment, orders: Orders) -> None:
        self._of = equipment
        self._orders = orders
        self._asked: list[Event] = []
        self._unconfirmed: list[Pending] = []
        self._shutdown: list[Pending] = []
        self._methods: dict[str, Callable[..., Value]] = {
            "status": self.status,
            "directory": self.directory,
            "story": self.story,
            "events_since": self.events_since,
            "worker_restart": self._ask_about(events.RestartAsked),
            "worker_stop": self._ask_about(events.StopAsked),
            "worker_release": self._ask_about(events.ReleaseAsked),
            "reload": self.reload,
        }

    def asked(self) -> list[Event]:
        """Take what was asked since."""
        asked, self._asked = self._asked, []
        return asked

    def confirm(self) -> None:
        """Answer those whose events the core has taken by now: whoever looks afterwards sees that it has begun."""
        for pending in self._unconfirmed:
            self._reply(pending.routing_id, pending.request, None)
        self._unconfirmed.clear()

    def answer(self, routing_id: bytes, peer: PeerCredentials, request: Request) -> None:
        """Run one request. The caller must be root or whoever runs this host."""
        try:
            if peer.uid not in {0, os.geteuid()}:
                reason = f"uid {peer.uid} may not talk to this host"
                raise AccessDenied(reason, hint="ask as root or as the user who runs it")
            if request.method == "shutdown":
                self._ask_shutdown(Pending(routing_id, request), *request.args, **request.kwargs)
                return
            method = self._methods.get(request.method)
            if method is None:
                reason = f"the host has no method '{request.method}'"
                raise NoSuchMethod(reason, hint=f"it has {', '.join(sorted([*self._methods, 'shutdown']))}")
            asked_before = len(self._asked)
            value = method(*request.args, **request.kwargs)
            if len(self._asked) > asked_before:
                self._unconfirmed.append(Pending(routing_id, request))
            else:
                self._reply(routing_id, request, value)
        except TypeError as error:
            self._fail(routing_id, request, DriverError(f"host.{request.method}: {error}", code=Code.INVALID_ARG))
        except TierhostError as error:
            self._fail(routing_id, request, error)

    # Methods.

    def status(self) -> Value:
        """Everything `tierhost status` shows."""
        of = self._of
        return status.whole(of.facts, of.core, of.processes.bodies, of.reported, of.catalog.broken, of.inhibitors)

    def directory(self) -> Value:
        """The lives that can be called, and the number of the latest event, to follow on from."""
        lives: list[Value] = [
            {"driver": up.driver, "incarnation": up.incarnation, "endpoint": up.endpoint, "pid": up.pid, "needs": up.needs}
            for up in self._orders.news.up.values()
        ]
        return {"number": self._of.publisher.number, "lives": lives}

    def story(self, name: str) -> Value:
        """What happened to one driver lately, in words."""
        self._known(name)
        return list(self._of.core.story(name))

    def events_since(self, number: int) -> Value:
        """The kept events after this number. If the first of them is not the next one, the host keeps no older ones any more."""
        return [event._asdict() for event in self._of.publisher.since(number)]

    def reload(self, name: str = "") -> Value:
        """Let every driver, or one, read its definitions again."""
        if name:
            self._known(name)
        self._asked.append(events.ReloadAsked(name))
        return None

    def _ask_about(self, event: type[events.RestartAsked | events.StopAsked | events.ReleaseAsked]) -> Callable[[str], Value]:
        def ask(name: str) -> Value:
            self._known(name)
            self._asked.append(event(name))
            return None

        return ask

    def _known(self, name: str) -> None:
        if name not in self._of.catalog.drivers:
            known = ", ".join(self._of.catalog.drivers)
            reason = f"there is no driver '{name}'"
            raise DriverError(reason, code=Code.INVALID_ARG, hint=f"drivers: {known}")

    # Shutdown answers late: refused at once, or when the last worker is gone.

    def _ask_shutdown(self, pending: Pending, *, save: Value = False, force: Value = False) -> None:
        if len(self._shutdown) >= PENDING_MAX:
            reason = "too many wait for the shutdown already"
            raise DriverError(reason, code=Code.RESOURCE_BUSY)
        self._shutdown.append(pending)
        self._asked.append(events.ShutdownAsked(save=bool(save), force=bool(force)))

    def settle_shutdown(self) -> None:
        """Answer those who asked for it, once it was refused or is done."""
        for reasons in self._orders.refusals:
            error = DriverError(
                "; ".join(reasons),
                code=Code.OPERATION_DENIED,
                subject="shutdown is held off",
                hint="`tierhost down --leave-guests` ends the host and lets them run, `--save` saves them first",
            )
            for pending in self._shutdown[:1]:
                self._fail(pending.routing_id, pending.request, error)
            del self._shutdown[:1]
        self._orders.refusals.clear()
        if self._orders.ended:
            for pending in self._shutdown:
                self._reply(pending.routing_id, pending.request, None)
            self._shutdown.clear()

    def _reply(self, routing_id: bytes, request: Request, value: Value) -> None:
        self._of.door.send(routing_id, encode(Reply(request.call_id, 0, value)))

    def _fail(self, routing_id: bytes, request: Request, error: TierhostError) -> None:
        self._of.door.send(routing_id, encode(failure_of(error, request.call_id, 0)))
