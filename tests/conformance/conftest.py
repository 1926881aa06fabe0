"""The drivers that are found, and one host with all of them."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ending import end_host
from tierhost.host import catalog, config, launch
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root
from tierhost.workers.runtime.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.host.catalog import Manifest
    from tierhost.workers.runtime.contract import StateDriver

OURS = Path(__file__).parent / "drivers"
FOUND = catalog.read(config.Config(), [OURS])
NAMES = sorted(FOUND.drivers)
PR_SET_DUMPABLE = 4
UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"


def names_in(folder: Path) -> dict[str, str]:
    """What the names in a driver's exercises stand for here."""
    return {"tag": "conformity", "uuid": UUID, "folder": str(folder)}


@pytest.fixture(params=NAMES)
def found(request: pytest.FixtureRequest) -> Manifest:
    """Each driver in turn."""
    return FOUND.drivers[request.param]


@pytest.fixture
def driver(found: Manifest) -> Iterator[type[StateDriver]]:
    """Its class. A driver may have made this process keep to itself; the tests after it want it as it was."""
    yield load(found.wire())
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of one host that runs every driver."""
    folder = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    root = Root.under(folder)
    running = launch.start(root, folder, options=("--drivers", str(OURS)))
    try:
        with Client(root, deadline_s=20.0) as made:
            yield made
    finally:
        end_host(root)
        running.process.wait(20.0)
        shutil.rmtree(folder)
