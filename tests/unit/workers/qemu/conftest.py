"""A qemu driver over real stores, where no guest is ever started: no QEMU is needed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import Life, Site
from tierhost.workers.qemu import driver

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give folders that no other test has."""
    monkeypatch.setattr(driver, "is_installed", lambda: True)
    made = Site(Path(tempfile.mkdtemp(prefix="thq", dir="/tmp")))
    try:
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def life(site: Site) -> Life:
    """The first life of a driver."""
    return site.live()
