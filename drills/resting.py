"""A driver at rest for a while: stopped by the host as a person would do it, and released again whatever happens meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.host.cli.settling import DOWN, SERVES, settle
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REST_LIMIT_S: Final = 30.0


@contextmanager
def resting(folder: Path, driver: str) -> Iterator[None]:
    """Keep a driver of the host of this folder down. Raises what the host says: PeerAbsent if there is none."""
    with Client(Root.under(folder), deadline_s=REST_LIMIT_S) as client:
        client.host("worker_stop", driver)
        try:
            settle(client, driver, DOWN, REST_LIMIT_S)
            yield
        finally:
            client.host("worker_release", driver)
            settle(client, driver, SERVES, REST_LIMIT_S)
