"""A pool's directory: is it there, make it, remove it. In-process calls, so a hung file system hangs the calling thread."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.files import make_folder, sync_folder

if TYPE_CHECKING:
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.xml_values import Permissions

POOL_MODE_DEFAULT: Final = 0o711
"""libvirt's: guests may pass through to the files they were given, and not look around."""


def subject(definition: PoolDefinition) -> str:
    """Name a pool in an error."""
    return f"pool {definition.name}"


def directory_trouble(path: str) -> str:
    """Say why a directory can not be used; nothing when it can."""
    try:
        found = os.stat(path)
    except OSError as error:
        return f"its directory {path}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is not a directory"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"its directory {path} is not readable"
    return ""


def need_directory(definition: PoolDefinition) -> None:
    """Raise if the directory can not be used."""
    trouble = directory_trouble(definition.target)
    if trouble:
        raise DriverError(
            trouble,
            code=Code.OPERATION_FAILED,
            subject=subject(definition),
            hint=f"make it, or: tierhost call storage.storage_pool_build {definition.name}",
        )


def make_directory(definition: PoolDefinition) -> None:
    """Make the directory with its parents; one that is there already gets owner and mode if they are given."""
    path = definition.target
    try:
        make_folder(Path(path), POOL_MODE_DEFAULT)
        apply_permissions(path, definition.permissions)
    except OSError as error:
        raise DriverError(f"cannot make {path}: {error.strerror}", code=Code.SYSTEM_ERROR, subject=subject(definition)) from None


def apply_permissions(path: str, permissions: Permissions) -> None:
    """Give a file or directory the mode and owner its XML names. Raises OSError."""
    if permissions.owner is not None or permissions.group is not None:
        keep = -1
        owner = keep if permissions.owner is None else permissions.owner
        group = keep if permissions.group is None else permissions.group
        os.chown(path, owner, group, follow_symlinks=False)
    if permissions.mode is not None:
        os.chmod(path, permissions.mode)


def remove_directory(definition: PoolDefinition) -> None:
    """Remove the directory if it is empty; one that is gone already is fine."""
    try:
        os.rmdir(definition.target)
        sync_folder(Path(definition.target).parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DriverError(
            f"cannot remove {definition.target}: {error.strerror}",
            code=Code.OPERATION_FAILED,
            subject=subject(definition),
            hint="delete its volumes first",
        ) from None
