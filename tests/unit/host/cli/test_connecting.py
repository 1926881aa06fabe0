"""A dead host is told from a living one without waiting."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.host.cli.connecting import look_for_listener
from tierhost.ipc.errors import PeerAbsent
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root() -> Iterator[Root]:
    """A root with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="th", dir="/tmp") as folder:
        made = Root.under(Path(folder))
        made.run.mkdir()
        yield made


def test_without_a_socket_no_host_runs(root: Root) -> None:
    with pytest.raises(PeerAbsent, match="no host runs"):
        look_for_listener(root)


def test_a_socket_that_nobody_listens_on_belongs_to_a_dead_host(root: Root) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(root.host_socket))
    with pytest.raises(PeerAbsent, match="is dead") as caught:
        look_for_listener(root)
    assert "adopts" in caught.value.hint


def test_a_listener_is_taken_for_a_host(root: Root) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(root.host_socket))
        alive.listen()
        look_for_listener(root)
