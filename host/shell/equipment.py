"""Everything the shell holds open, in one value: made by the composition root, handed to the parts that use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierhost.host.catalog import Catalog
    from tierhost.host.config import Config
    from tierhost.host.core.supervisor import Supervisor
    from tierhost.host.shell.beats import Beats
    from tierhost.host.shell.journal import Journal
    from tierhost.host.shell.lives import BootRecord, Lives
    from tierhost.host.shell.notify import Readiness
    from tierhost.host.shell.processes import Processes
    from tierhost.host.shell.publisher import Publisher
    from tierhost.host.shell.status import HostFacts, Reported
    from tierhost.ipc.paths import Root
    from tierhost.ipc.sockets import Door, Poller, Sockets


@dataclass(slots=True)
class Equipment:
    """The shell's open files, sockets and records, and the core they serve."""

    root: Root
    config: Config
    catalog: Catalog
    facts: HostFacts
    core: Supervisor
    sockets: Sockets
    door: Door
    poller: Poller
    processes: Processes
    publisher: Publisher
    beats: Beats
    lives: Lives
    boot: BootRecord
    journal: Journal
    readiness: Readiness
    slots: dict[str, int]
    common_spec: dict[str, Any]
    reported: dict[str, Reported] = field(default_factory=dict)
    inhibitors: dict[str, str] = field(default_factory=dict)
