"""How the shell fences workers in, and ends all that is left of one: by its cgroup, or by its session."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.host.shell.processes import sleeping, wait_until_dead
from tierhost.host.shell import cgroups
from tierhost.host.shell.cgroups import Fence


class FakeCgroups:
    """Makes folders behave as the kernel's cgroups do: they come with files, and go with them unless somebody is inside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._mkdir, self._rmtree = Path.mkdir, shutil.rmtree
        monkeypatch.setattr(Path, "mkdir", lambda path, **_: self._make(path))
        monkeypatch.setattr(Path, "rmdir", lambda path, **_: self._remove(path))

    def _make(self, path: Path) -> None:
        self._mkdir(path, exist_ok=True)
        for name in ("cgroup.procs", "cgroup.kill"):
            (path / name).touch()

    def _remove(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if (path / "cgroup.procs").read_text() or any(child.is_dir() for child in path.iterdir()):
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._rmtree(path)


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: bytes) -> None:
    """Let the mount table have these lines."""
    table = tmp_path / "mountinfo"
    table.write_bytes(b"\n".join(lines))
    monkeypatch.setattr(cgroups, "MOUNTS", table)


def line(mount: Path, kind: str = "cgroup2") -> bytes:
    path = os.fsencode(mount).replace(b"\\", rb"\134").replace(b" ", rb"\040")
    return b"30 25 0:26 / " + path + b" rw,relatime shared:9 - " + kind.encode() + b" cgroup2 rw"


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A place for a cgroup tree, with a name that the kernel has to escape, and that is no text either."""
    place = tmp_path / os.fsdecode(b"c g\\roup\xff")
    place.mkdir()
    return place


@pytest.fixture
def fence(mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fence:
    """A fence in a cgroup tree that works."""
    mounted(tmp_path, monkeypatch, line(Path("/proc"), "proc"), line(tmp_path / "nowhere"), line(mount))
    FakeCgroups(monkeypatch)
    return Fence.build(Path("/run/t"))


def test_the_fence_is_made_in_the_first_tree_that_works_and_the_next_host_finds_it_again(fence: Fence, mount: Path) -> None:
    assert fence.folder is not None
    assert fence.folder.parent == mount
    assert list(mount.iterdir()) == [fence.folder]
    assert Fence.build(Path("/run/t")) == fence
    assert Fence.build(Path("/run/other")) != fence


def test_a_tree_in_which_nothing_can_be_killed_is_no_fence(mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(tmp_path, monkeypatch, line(mount))
    assert Fence.build(Path("/run/t")).folder is None


def test_without_a_fence_workers_have_no_cgroup_and_nothing_is_there_to_remove() -> None:
    nowhere = Fence(None)
    assert (nowhere.place("w.1"), nowhere.folders()) == ("", [])
    nowhere.remove()


def test_folders_of_workers_are_found_and_those_of_guests_are_left_alone(fence: Fence) -> None:
    assert fence.folder is not None
    for name in ("w.1", "guest-web"):
        (fence.folder / name).mkdir()
    assert fence.folders() == [fence.place("w.1")]


def test_the_fence_goes_only_when_nobody_is_in_it(fence: Fence) -> None:
    assert fence.folder is not None
    Path(fence.place("w.1")).mkdir()
    fence.remove()
    assert fence.folder.exists()
    assert cgroups.remove(fence.place("w.1"))
    fence.remove()
    assert not fence.folder.exists()


def test_a_cgroup_with_somebody_in_it_is_not_removed_and_one_that_is_gone_is(fence: Fence) -> None:
    place = Path(fence.place("w.1"))
    place.mkdir()
    (place / "cgroup.procs").write_text("12\n13\n")
    assert cgroups.members(str(place), 1) == [12, 13]
    assert not cgroups.remove(str(place))
    (place / "cgroup.procs").write_text("")
    assert cgroups.remove(str(place))
    assert cgroups.remove(str(place))
    assert cgroups.remove("")
    assert cgroups.members(str(place), 1) == []


def test_a_cgroup_is_killed_by_one_word_to_the_kernel(fence: Fence) -> None:
    place = Path(fence.place("w.1"))
    place.mkdir()
    with sleeping() as process:
        cgroups.kill_all(str(place), process.pid)
        assert (place / "cgroup.kill").read_text() == "1"
        assert process.poll() is None


def test_without_a_cgroup_the_whole_session_is_found_and_killed_and_nobody_else() -> None:
    with sleeping("sleep 60 & sleep 60 & echo ready; read end") as family, sleeping() as stranger:
        assert len(cgroups.members("", family.pid)) == 3
        cgroups.kill_all("", family.pid)
        cgroups.kill_all("", family.pid)
        wait_until_dead(family)
        assert family.pid not in cgroups.members("", family.pid)
        assert cgroups.members("", stranger.pid) == [stranger.pid]


def test_when_the_cgroup_is_gone_the_session_is_killed_instead(tmp_path: Path) -> None:
    with sleeping() as process:
        cgroups.kill_all(str(tmp_path / "gone"), process.pid)
        wait_until_dead(process)


def test_a_process_whose_name_is_no_text_does_not_hinder_a_burial() -> None:
    with sleeping(r"printf '\377' > /proc/$$/comm; echo ready; read end"), sleeping() as other:
        assert cgroups.members("", other.pid) == [other.pid]


def test_one_that_was_never_born_has_no_session() -> None:
    assert cgroups.members("", 0) == []
