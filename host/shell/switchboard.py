"""What comes in on the host's socket: workers' words become events, clients' requests become answers."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from tierhost.host.core import events
from tierhost.host.shell.status import Reported
from tierhost.ipc.codec import decode
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import PROTOCOL
from tierhost.ipc.messages import Goodbye, Happened, Hello, Inhibit, Parked, Report, Request, VerbDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierhost.host.core.events import Event
    from tierhost.host.shell.control import Control
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.orders import Orders
    from tierhost.host.shell.processes import Body
    from tierhost.ipc.credentials import PeerCredentials

MESSAGES_PER_TURN_MAX = 200
"""A worker that floods the host gets its turn like the others, and no more."""

STRANGERS_KEPT = 64


class Switchboard:
    """Reads the one ROUTER. Who speaks is decided by the kernel's pid, checked against the body of that identity."""

    def __init__(self, equipment: Equipment, orders: Orders, control: Control) -> None:
        self._of = equipment
        self._orders = orders
        self._control = control
        self._strangers: OrderedDict[int, int] = OrderedDict()
        self._malformed_untold = 1
        self._hear: dict[type, Callable[[Body, Any], Iterable[Event]]] = {
            Parked: self._parked,
            Hello: self._hello,
            VerbDone: self._verb_done,
            Report: self._report,
            Inhibit: self._inhibit,
            Happened: self._happened,
            Goodbye: self._goodbye,
        }

    def read(self) -> Iterable[Event]:
        """Take what has arrived, at most one turn's worth."""
        for _ in range(MESSAGES_PER_TURN_MAX):
            arrived = self._of.door.receive()
            if arrived is None:
                break
            yield from self._take(*arrived)
        self._tell_malformed()

    def _tell_malformed(self) -> None:
        """Make visible what was no message at all, each time there is twice as much of it: a flood of it is none of events."""
        count = self._of.door.malformed
        if count >= self._malformed_untold:
            self._malformed_untold = 2 * count
            self._of.publisher.say(time.monotonic(), "host", "malformed", "host.sock", {"count": count})

    def _take(self, routing_id: bytes, peer: PeerCredentials, data: bytes) -> Iterable[Event]:
        body = self._of.processes.bodies.by_identity.get(routing_id)
        if body is not None and body.pid not in {0, peer.pid}:
            self._stranger(peer, f"speaks under the name of {body.driver or 'a spare'}")
            return []
        try:
            message = decode(data)
            if isinstance(message, Request):
                self._control.answer(routing_id, peer, message)
                return []
            if body is None:
                return self._unknown(routing_id, peer, message)
            return self._hear[type(message)](body, message)
        except (ProtocolError, KeyError) as error:
            if body is None or not body.driver:
                self._stranger(peer, f"speaks nonsense: {error}")
                return []
            return [events.ProtocolBroken(body.driver, body.incarnation, str(error))]

    def _unknown(self, routing_id: bytes, peer: PeerCredentials, message: object) -> Iterable[Event]:
        """Handle words of a process that is not ours: a life whose record was lost leaves; nobody else has a say."""
        self._stranger(peer, f"is no process of this host, and says {type(message).__name__}")
        if isinstance(message, Hello | Parked):
            self._orders.dismiss_stranger(routing_id, "this host does not know you")
        return []

    def _stranger(self, peer: PeerCredentials, what: str) -> None:
        """Make it visible, once per process."""
        if peer.pid in self._strangers:
            self._strangers[peer.pid] += 1
            return
        self._strangers[peer.pid] = 1
        if len(self._strangers) > STRANGERS_KEPT:
            self._strangers.popitem(last=False)
        self._of.publisher.say(time.monotonic(), "host", "stranger", f"pid {peer.pid}", {"what": what, "uid": peer.uid})

    # Words of our own processes. Each is about the sender's own life: another name or number is a lie.

    def _check(self, body: Body, driver: str, incarnation: int) -> None:
        if (driver, incarnation) != (body.driver, body.incarnation) or not body.assigned:
            message = f"it claims to be life {incarnation} of '{driver}', and is life {body.incarnation} of '{body.driver}'"
            raise ProtocolError(message)

    def _parked(self, body: Body, message: Parked) -> Iterable[Event]:
        if message.protocol != PROTOCOL or body.parked or message.warm != body.warm:
            reason = (
                f"it parks with protocol {message.protocol}, warm for '{message.warm}', expected {PROTOCOL} and '{body.warm}'"
            )
            raise ProtocolError(reason)
        body.parked = True
        return self._orders.assign(body) if body.driver and body.is_ready else []

    def _hello(self, body: Body, message: Hello) -> Iterable[Event]:
        self._check(body, message.driver, message.incarnation)
        if message.protocol != PROTOCOL:
            reason = f"it speaks protocol {message.protocol}, this host {PROTOCOL}"
            raise ProtocolError(reason)
        return [events.WorkerGreeted(message.driver, message.incarnation, message.phase)]

    def _verb_done(self, body: Body, message: VerbDone) -> Iterable[Event]:
        self._check(body, message.driver, message.incarnation)
        if message.verb == "state_auto_start" and message.outcome == "complete":
            try:
                self._of.boot.add(message.driver)
            except OSError as error:
                # This host knows; a next one of this boot learns it with the next record that can be written.
                details = {"reason": f"it auto-started, and that cannot be recorded: {error.strerror}"}
                self._of.publisher.say(time.monotonic(), "host", "boot-record-failed", message.driver, details)
        return [events.VerbReported(message.driver, message.incarnation, message.verb, message.outcome, message.reason)]

    def _report(self, body: Body, message: Report) -> Iterable[Event]:
        self._check(body, message.driver, message.incarnation)
        self._of.reported[message.driver] = Reported(message.objects, message.degraded)
        return []

    def _inhibit(self, body: Body, message: Inhibit) -> Iterable[Event]:
        self._check(body, message.driver, message.incarnation)
        if message.held:
            self._of.inhibitors[message.driver] = message.why
        else:
            self._of.inhibitors.pop(message.driver, None)
        return [events.InhibitChanged(message.driver, message.incarnation, message.held, message.why)]

    def _happened(self, body: Body, message: Happened) -> Iterable[Event]:
        self._check(body, message.driver, message.incarnation)
        self._of.publisher.say(time.monotonic(), body.driver, message.kind, message.subject, message.details, body.incarnation)
        return []

    def _goodbye(self, body: Body, message: Goodbye) -> Iterable[Event]:
        # Its death is what counts, and the kernel reports that. The words are for people.
        body.how = f"left: {message.reason}"
        return []
