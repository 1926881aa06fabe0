"""The part of the composition root that opens sockets: kept apart so that its imports run beside the zygote's."""

from __future__ import annotations

import os
import select
import shutil
import time
from typing import TYPE_CHECKING, Final

from tierhost.host.core.supervisor import Supervisor
from tierhost.host.shell.beats import Beats
from tierhost.host.shell.control import Control
from tierhost.host.shell.equipment import Equipment
from tierhost.host.shell.journal import Journal
from tierhost.host.shell.loop import Loop
from tierhost.host.shell.notify import Readiness, ServiceManager
from tierhost.host.shell.nursery import Nursery
from tierhost.host.shell.orders import Orders
from tierhost.host.shell.publisher import Publisher
from tierhost.host.shell.status import HostFacts
from tierhost.host.shell.switchboard import Switchboard
from tierhost.ipc.sockets import Poller, Sockets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.host.catalog import Catalog
    from tierhost.host.config import Config, Settings
    from tierhost.host.shell.lives import BootRecord, Life, Lives
    from tierhost.host.shell.processes import Processes


SPARES_GONE_S: Final = 1.0
"""So long a host that ends waits for the spares that it killed."""


def assemble(
    settings: Settings, config: Config, catalog: Catalog, processes: Processes, lives: Lives, boot: BootRecord, boot_id: str
) -> tuple[Equipment, Loop]:
    """Open sockets, beats and journal, make the core, and put the loop together."""
    root = settings.root
    sockets = Sockets()
    core = Supervisor(
        [manifest.spec() for manifest in catalog.drivers.values()],
        config.policy,
        config.tiers,
        flat=settings.flat,
        already_started=boot.started,
    )
    equipment = Equipment(
        root=root,
        config=config,
        catalog=catalog,
        facts=HostFacts(os.getpid(), str(root.run), boot_id, time.monotonic()),
        core=core,
        sockets=sockets,
        door=sockets.door(root.host_socket),
        poller=Poller(),
        processes=processes,
        publisher=Publisher(sockets.loudspeaker(root.events_socket)),
        beats=Beats(root.beats),
        lives=lives,
        boot=boot,
        journal=Journal(root.journal),
        readiness=Readiness(ServiceManager(), settings.ready_fd, progress=settings.progress),
        slots=_slots(catalog, lives.read()[0]),
        common_spec={
            "boot_id": boot_id,
            "owner_uid": os.geteuid(),
            "privileged": os.geteuid() == 0,
            "orphan_grace_s": config.orphan_grace_s,
            "patience_s": config.policy.patience_s,
        },
    )
    orders = Orders(equipment)
    control = Control(equipment, orders)
    return equipment, Loop(equipment, orders, control, Switchboard(equipment, orders, control), Nursery(equipment))


def _slots(catalog: Catalog, found: Iterable[Life]) -> dict[str, int]:
    """Give every driver its slot in the beat table; a driver whose life may be adopted keeps the one it writes into."""
    slots = {life.driver: life.slot for life in found if life.driver in catalog.drivers}
    free = (number for number in range(len(catalog.drivers) + len(slots)) if number not in set(slots.values()))
    for name in catalog.drivers:
        if name not in slots:
            slots[name] = next(free)
    return slots


def dismantle(equipment: Equipment) -> None:
    """Close everything, and take the names that only a living host has out of the runtime directory."""
    equipment.readiness.stopping()
    _end_spares(equipment)
    equipment.publisher.flush()
    equipment.journal.close()
    equipment.beats.close()
    equipment.poller.close()
    equipment.sockets.close()
    for path in (equipment.root.host_socket, equipment.root.events_socket):
        path.unlink(missing_ok=True)


def _end_spares(equipment: Equipment) -> None:
    """End who waits for a role, and take away what it was rehearsing in: a spare that is killed cannot do so itself."""
    spares = [body for body in equipment.processes.bodies.by_identity.values() if not body.driver]
    for body in spares:
        equipment.processes.kill(body)
    deadline_s = time.monotonic() + SPARES_GONE_S
    for body in spares:
        if body.pidfd >= 0:
            poller = select.poll()
            poller.register(body.pidfd, select.POLLIN)
            poller.poll(1000 * max(0.0, deadline_s - time.monotonic()))
        equipment.processes.forget(body)
    shutil.rmtree(equipment.root.rehearsals, ignore_errors=True)
