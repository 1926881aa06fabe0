"""A private folder for one run, with a leash on it: whatever happens, nothing of it is left."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.drills.leash import Leash
from tierhost.drills.reboots import unmount_itself
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder whose path is short enough for sockets; sweep and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tierhost-drill-"))
    leash = Leash.on(folder)
    try:
        yield folder
    finally:
        sweep(folder)
        unmount_itself(folder)
        shutil.rmtree(folder)
        leash.release()
