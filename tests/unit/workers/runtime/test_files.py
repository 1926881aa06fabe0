"""Folders that must still be there after a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose names were made durable, in order; each is synced all the same."""
    found: list[Path] = []
    really = files.sync_folder

    def sync(folder: Path) -> None:
        found.append(folder)
        really(folder)

    monkeypatch.setattr(files, "sync_folder", sync)
    return found


def test_every_folder_that_is_made_has_a_durable_name(tmp_path: Path, synced: list[Path]) -> None:
    files.make_folder(tmp_path / "a/b/c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a/b"]
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_costs_no_sync_and_keeps_its_mode(tmp_path: Path, synced: list[Path]) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    files.make_folder(tmp_path / "a")
    assert synced == []
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "a")
