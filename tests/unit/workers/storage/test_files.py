"""Files of a pool: shown when they are whole, never over another, wiped without a trace."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage import files
from tierhost.workers.storage.xml_values import Permissions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1 << 20


def later() -> float:
    return time.monotonic() + 60.0


def test_a_hidden_name_is_hidden_and_nobody_elses() -> None:
    names = {files.half_made_name() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".") and name.endswith(".part") for name in names)


def test_a_whole_file_gets_its_name_and_loses_the_hidden_one(tmp_path: Path) -> None:
    (tmp_path / ".part").write_text("whole")
    files.publish(f"{tmp_path}/.part", f"{tmp_path}/disk", Permissions())
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    assert (tmp_path / "disk").stat().st_mode & 0o777 == 0o600


def test_a_mode_that_was_asked_for_is_there_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / ".part").touch()
    files.publish(f"{tmp_path}/.part", f"{tmp_path}/disk", Permissions(0o640))
    assert (tmp_path / "disk").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_never_published_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    (tmp_path / ".part").write_text("new")
    (tmp_path / "disk").write_text("precious")
    with pytest.raises(FileExistsError):
        files.publish(f"{tmp_path}/.part", f"{tmp_path}/disk", Permissions())
    assert (tmp_path / "disk").read_text() == "precious"


def no_links(*_: object) -> None:
    """As a file system without hard links says it."""
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / ".part").write_text("whole")
    files.publish(f"{tmp_path}/.part", f"{tmp_path}/disk", Permissions())
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_removing_what_is_gone_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    files.remove(f"{tmp_path}/disk")
    files.remove(f"{tmp_path}/disk")
    assert list(tmp_path.iterdir()) == []


def test_a_size_is_set_and_room_is_set_aside_only_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.touch()
    files.set_size(str(path), MIB, allocate=False)
    assert (path.stat().st_size, path.stat().st_blocks) == (MIB, 0)
    files.set_size(str(path), 2 * MIB, allocate=True)
    assert path.stat().st_blocks * 512 >= 2 * MIB
    files.set_size(str(path), 512, allocate=False)
    assert path.stat().st_size == 512


def test_a_wipe_overwrites_what_was_written_and_fills_no_holes(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
        for offset in (0, 32 * MIB, 64 * MIB - 7):
            file.seek(offset)
            file.write(b"secrets")
    files.wipe(str(path), later())
    assert path.read_bytes().count(0) == 64 * MIB
    assert path.stat().st_blocks * 512 < 8 * MIB


def test_a_wipe_of_nothing_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    files.wipe(f"{tmp_path}/disk", later())


def test_a_wipe_ends_with_the_callers_time(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"x")
    with pytest.raises(DriverError, match="wiped 0 of 1 bytes") as refused:
        files.wipe(f"{tmp_path}/disk", time.monotonic() - 1.0)
    assert (refused.value.code, refused.value.hint) == (Code.OPERATION_TIMEOUT, "wipe it again with a longer deadline")


@pytest.mark.parametrize("act", ["wipe", "set_size", "read_piece", "write_piece"])
def test_a_link_in_a_files_place_is_never_followed(tmp_path: Path, act: str) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "disk").symlink_to("precious")
    path = f"{tmp_path}/disk"
    acts: dict[str, Callable[[], object]] = {
        "wipe": lambda: files.wipe(path, later()),
        "set_size": lambda: files.set_size(path, 0, allocate=False),
        "read_piece": lambda: files.read_piece(path, 0, 8),
        "write_piece": lambda: files.write_piece(path, 0, b"x"),
    }
    with pytest.raises(OSError, match="symbolic links"):
        acts[act]()
    assert (tmp_path / "precious").read_text() == "precious"


def test_pieces_are_written_and_read(tmp_path: Path) -> None:
    path = f"{tmp_path}/disk"
    (tmp_path / "disk").write_bytes(bytes(10))
    files.write_piece(path, 8, b"abcd")
    assert files.read_piece(path, 7, 100) == b"\0abcd"
    assert files.read_piece(path, 100, 10) == b""
