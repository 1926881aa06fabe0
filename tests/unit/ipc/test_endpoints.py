"""Paths of sockets: nobody's place is taken, nothing but a dead socket is removed."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tierhost.ipc.endpoints import AddressInUse, inode_of, make_way, private_files, somebody_listens

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_listens_where_nothing_is(folder: Path) -> None:
    assert not somebody_listens(folder / "none")
    make_way(str(folder / "none"))


def test_a_stale_socket_is_removed(folder: Path) -> None:
    path = folder / "stale"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert not somebody_listens(path)
    make_way(str(path))
    assert not path.exists()


def test_a_listener_keeps_its_place(folder: Path) -> None:
    path = folder / "live"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        assert somebody_listens(path)
        with pytest.raises(AddressInUse, match="live"):
            make_way(str(path))
    assert path.exists()


def test_a_listener_that_hangs_with_a_full_backlog_keeps_its_place_and_blocks_nobody(folder: Path) -> None:
    path = folder / "hung"
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen(0)
        try:
            while True:
                one = socket.socket(socket.AF_UNIX)
                waiting.append(one)
                one.setblocking(False)
                try:
                    one.connect(str(path))
                except BlockingIOError:
                    break
            with pytest.raises(AddressInUse):
                make_way(str(path))
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone_and_named(folder: Path, what: str) -> None:
    path = folder / "precious"
    if what == "file":
        path.touch()
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("gone")
    with pytest.raises(FileExistsError, match="precious"):
        make_way(str(path))
    assert os.path.lexists(path)


def test_files_are_private_and_the_umask_comes_back(folder: Path) -> None:
    before = os.umask(0o022)
    try:
        with private_files(), (folder / "file").open("w"):
            pass
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert (folder / "file").stat().st_mode & 0o077 == 0


def test_a_file_that_took_a_path_over_has_another_inode(folder: Path) -> None:
    path = folder / "path"
    assert inode_of(str(path)) is None
    path.write_text("one")
    before = inode_of(str(path))
    (folder / "other").write_text("two")
    (folder / "other").replace(path)
    assert inode_of(str(path)) != before
