"""The directories of a host, before anything runs in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.host import run

if TYPE_CHECKING:
    import pytest


def test_every_directory_that_is_made_has_a_durable_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    run._make(tmp_path / "a/state")
    assert sorted(synced) == [tmp_path, tmp_path / "a"], "what drivers sync below would be lost with the name above it"
    synced.clear()
    run._make(tmp_path / "a/state")
    assert synced == [], "the next start costs nothing"
