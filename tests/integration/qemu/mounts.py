"""Small file systems for tests that fill them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOUNT_LIMIT_S = 10.0


@contextlib.contextmanager
def small_file_system(folder: Path, size: str = "1m") -> Iterator[Path]:
    """A file system in memory that is soon full; unmounted whatever happens. Skips without root."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True, timeout=MOUNT_LIMIT_S)
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True, timeout=MOUNT_LIMIT_S)
