"""A storage driver's folders for one test, and every mount below them undone whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.lives import Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[Site]:
    """Give a test its own folder; umount also gives back the loop device of a mount."""
    folder = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    try:
        yield Site(folder)
    finally:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(f"{folder}/"):
                subprocess.run(["umount", target], check=True, timeout=10)
        shutil.rmtree(folder)
