"""Small files that must be there whole or not at all, on disk before anybody relies on them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

PRIVATE_MODE: Final = 0o600
PRIVATE_FOLDER_MODE: Final = 0o700
PARENT_MODE: Final = 0o777
"""Of folders that are only on the way, less the umask, as mkdir -p has it."""

EVIDENCE_MAX: Final = 3
"""Damaged versions of one file that are kept beside it; the oldest makes room."""


def write_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, readable by its owner alone and on disk on return. Raises OSError.

    A kill at any line leaves the old file or the new one; a `.new` beside it is a leftover that the next write removes.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_MODE)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = PRIVATE_FOLDER_MODE) -> None:
    """Make a folder, and what is missing above it, with their names on disk on return. One that is there is left alone.

    What is in a folder is synced in vain as long as the folder's own name is not. Raises OSError.
    """
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    except FileNotFoundError:
        make_folder(folder.parent, PARENT_MODE)
        folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were just made, changed or removed in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def evidence_path(path: Path) -> Path:
    """Return the name under which a damaged file is kept. Raises OSError when there is no room."""
    choices = [Path(f"{path}.damaged-{number}") for number in range(1, EVIDENCE_MAX + 1)]
    free = next((choice for choice in choices if not os.path.lexists(choice)), None)
    oldest = free or min(choices, key=lambda choice: choice.lstat().st_ctime_ns)
    if oldest.is_dir():
        raise OSError(errno.EEXIST, "too many damaged versions beside it, remove some", str(oldest))
    return oldest
