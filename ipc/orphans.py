"""Who serves while there is no host to ask: the lives that still listen in a runtime directory, by the kernel's word."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tierhost.ipc.directory import Entry
from tierhost.ipc.wires import peer_of

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.ipc.paths import Root


def listening_lives(root: Root) -> list[Entry]:
    """Return the latest listening life of each driver, for a client. Who needs what is not known here: a host's word only."""
    latest: dict[str, Entry] = {}
    for path in root.worker_sockets():
        driver, _, number = path.name.rpartition(".")
        if not driver or not number.isdecimal():
            continue
        pid = _listener(path)
        known = latest.get(driver)
        if pid and (known is None or known.incarnation < int(number)):
            latest[driver] = Entry(driver, int(number), str(path), pid)
    return list(latest.values())


def _listener(path: Path) -> int:
    """The process that listens here; 0 if there is none, or none that we may ask, or its backlog is full."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except OSError:
            return 0
        return peer_of(probe).pid
