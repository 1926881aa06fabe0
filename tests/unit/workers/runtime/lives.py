"""What the store's tests share: the next life of a store, and a call in progress."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def reopened(folder: Path, name: str = "persistent", boot_id: str | None = None) -> Iterator[Store]:
    """The store as the next life finds it when this one is killed right now."""
    copy = folder.parent / "next-life" / folder.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with contextlib.closing(Store.open(copy, name, boot_id=boot_id)) as opened:
        yield opened


@contextlib.contextmanager
def during(call_id: bytes) -> Iterator[None]:
    token = calling.CALL_ID.set(call_id)
    try:
        yield
    finally:
        calling.CALL_ID.reset(token)
