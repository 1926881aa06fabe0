"""One shell of fakes for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.host.shell.fakes import NODEDEV, QEMU, STORAGE, FakeShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[FakeShell]:
    """A host of storage (warm), nodedev (optional) and qemu (needs storage); nothing has started."""
    made = FakeShell(tmp_path, STORAGE, NODEDEV, QEMU, broken={"/d/tape": "driver.toml: tier: missing"})
    yield made
    made.close()
