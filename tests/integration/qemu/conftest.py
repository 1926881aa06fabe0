"""A site of its own for every test; its guests are ended whatever happens."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import Life, Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[Site]:
    """Give folders that no other test has."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU is installed (Debian: qemu-system-x86)")
    made = Site(Path(tempfile.mkdtemp(prefix="thq", dir="/tmp")))
    try:
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def life(site: Site) -> Life:
    """The first life of a driver."""
    return site.live()
