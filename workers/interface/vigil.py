"""Notices when somebody else changes what was started here: shows it, and stops showing it when it is whole again."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Final

from tierhost.workers.interface import steps
from tierhost.workers.runtime.contract import DriverError, TierhostError
from tierhost.workers.runtime.guard import guarded

if TYPE_CHECKING:
    import weakref

    from tierhost.workers.interface.backend import Links
    from tierhost.workers.interface.registry import Interfaces, Started
    from tierhost.workers.interface.state import World
    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.runtime.ending import End

GROUPS: Final = 0x1 | 0x10 | 0x100
"""What rtnetlink is asked to tell: changes of links, of IPv4 and of IPv6 addresses."""

CALM_S: Final = 0.05
"""How long nothing must be told before it is worth looking: a change rarely comes alone."""

BUSY_S: Final = 1.0
"""When to look again at an interface that was being changed by us."""

DATAGRAM_BYTES: Final = 1 << 16
TOLD_STEPS_MAX: Final = 3


class Vigil:
    """Looks at every active interface. Only looks: what is missing is made by a reload, or by the next life."""

    def __init__(self, context: Context, links: Links, interfaces: Interfaces) -> None:
        self._context = context
        self._links = links
        self._interfaces = interfaces
        self._shown: set[str] = set()

    def look(self) -> bool:
        """Look at all. Returns whether one of them was busy, and has to be looked at again."""
        active = [interface for interface in self._interfaces.all() if interface.active]
        return any(self._look_at(interface.name) for interface in active)

    def _look_at(self, name: str) -> bool:
        subject = f"interface {name}"
        try:
            # Not while we change it ourselves: half of it is there then, as it should be.
            with self._context.jobs.changing(subject, 0.0):
                interface = self._interfaces.get(name)
                if interface is None or interface.live is None:
                    return False
                trouble = what_is_wrong(interface.live, self._links.world())
                if trouble:
                    hint = "`tierhost reload interface` makes it again"
                    self._shown.add(name)
                    self._context.degrade(subject, f"{trouble}: somebody else has changed it ({hint})")
                elif name in self._shown:
                    # Only what was shown here: another trouble of it is not over with this one.
                    self._shown.discard(name)
                    self._context.mend(subject)
        except DriverError as error:
            self._context.degrade(subject, str(error))
        except TierhostError:
            return True
        return False


def what_is_wrong(started: Started, world: World) -> str:
    """Say what of an active interface is not as it was started; empty if all is."""
    missing = steps.pending(steps.start_steps(started.definition.part, started.indexes), world)
    gone = {name for name in (step.name for step in missing) if world.get(name) is None}
    told = [f"'{name}' is gone" for name in sorted(gone)]
    told += [steps.told(step) for step in missing if step.name not in gone]
    more = f", and {len(told) - TOLD_STEPS_MAX} more" if len(told) > TOLD_STEPS_MAX else ""
    return ", ".join(told[:TOLD_STEPS_MAX]) + more


def keep(of: weakref.ref[Vigil], ear: socket.socket, end: End) -> None:
    """Listen until the end, or until nobody wants to know any more."""
    poll = select.poll()
    for fd in (ear.fileno(), end.fd):
        poll.register(fd, select.POLLIN)
    limit_s: float | None = None
    with ear:
        while True:
            ready = {fd for fd, _ in poll.poll(None if limit_s is None else round(limit_s * 1000))}
            if end.fd in ready:
                return
            if ready:
                _drain(ear)
                limit_s = CALM_S
                continue
            vigil = of()
            if vigil is None:
                return
            busy = guarded("looking after the interfaces", vigil.look).value
            del vigil
            limit_s = BUSY_S if busy else None


def listen() -> socket.socket:
    """Open a socket on which the kernel tells of changes. Raises OSError."""
    ear = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    ear.bind((0, GROUPS))
    return ear


def _drain(ear: socket.socket) -> None:
    """Take what was told. Of what there was too much of, it is enough to know that there was something."""
    while True:
        try:
            ear.recv(DATAGRAM_BYTES)
        except BlockingIOError:
            return
        except OSError:
            continue
