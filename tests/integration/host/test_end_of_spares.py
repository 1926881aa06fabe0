"""A host that ends takes away what its spares were rehearsing in, whenever that is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.ending import end_host
from tierhost.host import launch
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root

ENDS: Final = 4


@pytest.mark.slow
def test_a_host_that_ends_while_spares_rehearse_leaves_nothing_of_it() -> None:
    with tempfile.TemporaryDirectory(prefix="th-spares-", dir="/tmp") as folder:
        _start_and_end(Path(folder))


def _start_and_end(folder: Path) -> None:
    root = Root.under(folder)
    try:
        for _ in range(ENDS):
            run = launch.start(root, folder)
            with Client(root) as client:
                client.host("shutdown")
            run.process.wait(20)
            assert not root.rehearsals.exists()
    finally:
        end_host(root)
