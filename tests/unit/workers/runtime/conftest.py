"""An empty store in a folder of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as opened:
        yield opened
