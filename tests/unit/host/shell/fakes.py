"""Fakes of what the shell holds open, and one shell put together of them: no process, no socket, no clock of its own."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from tierhost.host.catalog import Catalog, Manifest
from tierhost.host.config import Config
from tierhost.host.core.supervisor import Supervisor
from tierhost.host.shell.beats import Beats
from tierhost.host.shell.cgroups import Fence
from tierhost.host.shell.control import Control
from tierhost.host.shell.equipment import Equipment
from tierhost.host.shell.journal import Journal
from tierhost.host.shell.lives import BootRecord, Lives
from tierhost.host.shell.notify import Readiness, ServiceManager
from tierhost.host.shell.nursery import Nursery
from tierhost.host.shell.orders import Orders
from tierhost.host.shell.processes import Body, Processes
from tierhost.host.shell.publisher import Publisher
from tierhost.host.shell.status import HostFacts
from tierhost.host.shell.switchboard import Switchboard
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.credentials import PeerCredentials
from tierhost.ipc.messages import Event, Parked, Request
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.host.core.events import Event as Fact
    from tierhost.host.shell.forking import Zygote
    from tierhost.ipc.messages import Message
    from tierhost.ipc.sockets import Door, Loudspeaker, Poller, Sockets

STORAGE = Manifest(name="storage", tier="libvirt", entry="driver:Storage", warm=True)
QEMU = Manifest(name="qemu", tier="hypervisor", entry="driver:Qemu", needs=("storage.resolve_volume",))
NODEDEV = Manifest(name="nodedev", tier="libvirt", entry="driver:Nodedev", required=False)

PID_FIRST = 1 << 23
"""Beyond every pid that Linux gives: no process has it."""


class FakeLoudspeaker:
    """Keeps what was said, and to which topic."""

    def __init__(self) -> None:
        self.said: list[tuple[bytes, Event]] = []

    def say(self, topic: bytes, data: bytes) -> None:
        event = decode(data)
        assert isinstance(event, Event)
        self.said.append((topic, event))


class FakeDoor:
    """Gives what a test says has arrived, and keeps what is sent."""

    def __init__(self) -> None:
        self.arrived: deque[tuple[bytes, PeerCredentials, bytes]] = deque()
        self.sent: list[tuple[bytes, Message]] = []
        self.malformed = 0

    def receive(self) -> tuple[bytes, PeerCredentials, bytes] | None:
        return self.arrived.popleft() if self.arrived else None

    def send(self, routing_id: bytes, data: bytes) -> bool:
        self.sent.append((routing_id, decode(data)))
        return True

    def take(self) -> list[tuple[bytes, Message]]:
        """What was sent since."""
        sent, self.sent = self.sent, []
        return sent


class FakePoller:
    """Keeps which file descriptors are watched."""

    def __init__(self) -> None:
        self.watched: set[int] = set()

    def register_fd(self, fd: int) -> None:
        self.watched.add(fd)


class FakeZygote:
    """Takes orders, and forks nobody; says what a test wants it to."""

    def __init__(self) -> None:
        self.preload: tuple[str, ...] = ()
        self.bore = False
        self.deaf = False
        self.closed = False
        self.orders: list[dict[str, Any]] = []
        self.words: list[tuple[dict[str, Any], int]] = []

    def order(self, words: dict[str, Any]) -> bool:
        if not self.deaf:
            self.orders.append(words)
        return not self.deaf

    def hear(self) -> list[tuple[dict[str, Any], int]]:
        words, self.words = self.words, []
        return words

    def close(self) -> None:
        self.closed = True


class FakeProcesses(Processes):
    """The real books over no processes: nobody is killed, and a body is buried when the test says so."""

    def __init__(self, root: Root, zygote: FakeZygote) -> None:
        super().__init__(root, Fence(None), cast("Zygote", zygote), epoch="t")
        self.killed: list[Body] = []
        self.forgotten: list[Body] = []
        self.buried = True

    def kill(self, body: Body) -> None:
        self.killed.append(body)

    def is_buried(self, body: Body) -> bool:
        return self.buried

    def forget(self, body: Body) -> None:
        self.bodies.drop(body)
        self.forgotten.append(body)


class FakeShell:
    """The real parts of the shell, put together of the fakes, and what a loop does with them."""

    def __init__(
        self, folder: Path, *manifests: Manifest, config: Config | None = None, broken: dict[str, str] | None = None
    ) -> None:
        root = Root.under(folder)
        for place in (root.run, root.state):
            place.mkdir(parents=True)
        catalog = Catalog({manifest.name: manifest for manifest in manifests}, broken or {})
        config = config or Config()
        self.door, self.loudspeaker, self.poller, self.zygote = FakeDoor(), FakeLoudspeaker(), FakePoller(), FakeZygote()
        self.processes = FakeProcesses(root, self.zygote)
        self.core = Supervisor([manifest.spec() for manifest in manifests], config.policy, config.tiers)
        self.of = Equipment(
            root=root,
            config=config,
            catalog=catalog,
            facts=HostFacts(os.getpid(), str(root.run), "boot 1", 1.0),
            core=self.core,
            sockets=cast("Sockets", None),
            door=cast("Door", self.door),
            poller=cast("Poller", self.poller),
            processes=self.processes,
            publisher=Publisher(cast("Loudspeaker", self.loudspeaker)),
            beats=Beats(root.beats),
            lives=Lives(root.lives),
            boot=BootRecord(root.run / "boot", "boot 1"),
            journal=Journal(root.journal),
            readiness=Readiness(ServiceManager(""), None),
            slots={name: slot for slot, name in enumerate(catalog.drivers)},
            common_spec={},
        )
        self.orders = Orders(self.of)
        self.control = Control(self.of, self.orders)
        self.switchboard = Switchboard(self.of, self.orders, self.control)
        self.nursery = Nursery(self.of)
        self._pids = iter(range(PID_FIRST, PID_FIRST + 10_000))

    def close(self) -> None:
        """Give back what is real."""
        self.of.beats.close()
        self.of.journal.close()

    # What a loop does.

    def tell(self, *facts: Fact) -> None:
        """Tell the core, and carry out what it orders, until nothing follows."""
        queue = deque(facts)
        while queue:
            for command in self.core.handle(queue.popleft(), time.monotonic()):
                queue.extend(self.orders.perform(command))
        self.orders.follow_up()

    def born(self, body: Body) -> None:
        """The zygote says that it has forked this one."""
        pid = next(self._pids)
        self.zygote.words.append(({"born": body.identity, "pid": pid}, pid))
        self.tell(*self.orders.born())

    def hear(self, body: Body, message: Message, pid: int = 0) -> list[Fact]:
        """Let a worker say something; return the facts for the core. `pid`: somebody else says it under its name."""
        self.arrive(body.identity.encode(), encode(message), pid or body.pid)
        return list(self.switchboard.read())

    def arrive(self, routing_id: bytes, data: bytes, pid: int, uid: int | None = None) -> None:
        """Bytes of some process come in."""
        self.door.arrived.append((routing_id, PeerCredentials(os.geteuid() if uid is None else uid, 0, pid), data))

    def ask(self, method: str, *args: Any, uid: int | None = None, **kwargs: Any) -> list[Fact]:
        """A client asks the host; return what that asks of the core. The answer is at the door."""
        request = Request(b"id", 0, method, list(args), kwargs, 1.0, "", 0, 1)
        self.arrive(b"client", encode(request), PID_FIRST - 1, uid)
        assert list(self.switchboard.read()) == []
        return list(self.control.asked())

    # What tests need.

    def spare(self, warm: str = "") -> Body:
        """One that was ordered, born and parked."""
        body = self.processes.order(self.of.catalog.drivers.get(warm))
        assert body is not None
        self.born(body)
        self.tell(*self.hear(body, Parked(1, warm)))
        return body

    def body(self, driver: str) -> Body:
        """The one who lives the driver's life."""
        return self.processes.bodies.by_driver[driver]

    def said(self, kind: str) -> list[Event]:
        """What the public heard of this kind."""
        self.of.publisher.flush()
        return [event for _, event in self.loudspeaker.said if event.kind == kind]
