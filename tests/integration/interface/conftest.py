"""A network of the test's own, with a pair of cards in it, and lives of the driver there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.namespaces import ip, need_namespaces, private_network
from tierhost.workers.interface.backend import Links
from tierhost.workers.interface.driver import InterfaceDriver
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tierhost.workers.interface.state import Link
    from tierhost.workers.runtime.testing import LifeInTest


class Net:
    """One driver's folder, in a network of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def live(self, **surroundings: Any) -> AbstractContextManager[LifeInTest]:
        """Live once; the next one finds what this one left when it was killed."""
        return live(InterfaceDriver, self._folder, **surroundings)

    @staticmethod
    def links() -> dict[str, Link]:
        """What the kernel has."""
        return dict(Links().world().links)

    @staticmethod
    def link(name: str) -> Link:
        """One device of it."""
        return Links().world().links[name]


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """A network with the cards p0 and p1, which are wired to each other."""
    need_namespaces()
    with private_network():
        ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
        yield Net(tmp_path)


def bridge(name: str, *ports: str, inside: str = "", start: str = "none", delay: str = "0") -> str:
    """Write the XML of a bridge."""
    written = "".join(f"<interface type='ethernet' name='{port}'/>" for port in ports)
    body = f"<start mode='{start}'/>{inside}<bridge stp='off' delay='{delay}'>{written}</bridge>"
    return f"<interface type='bridge' name='{name}'>{body}</interface>"


def card(name: str, address: str = "10.9.0.1", inside: str = "") -> str:
    """Write the XML of a network card with an address."""
    return f"<interface type='ethernet' name='{name}'>{inside}{static(address)}</interface>"


def static(address: str, gateway: str = "") -> str:
    """Write a protocol with one address."""
    route = f"<route gateway='{gateway}'/>" if gateway else ""
    return f"<protocol family='ipv4'><ip address='{address}' prefix='24'/>{route}</protocol>"
