"""From system calls to what happened to the files of one folder."""

from __future__ import annotations

import pytest

from tests.unit.drills.power_cut.traces import disk_of, followed, hexed, path
from tierhost.drills.power_cut.calls import Unmodelled
from tierhost.drills.power_cut.operations import ROOT, Made, Named, Renamed, Said, Synced, Written

CREATE = "openat(AT_FDCWD, {}, O_RDWR|O_CREAT|O_CLOEXEC, 0600) = {}"


def create(name: str, fd: int) -> str:
    return CREATE.format(path(name), fd)


def write(fd: int, text: str) -> str:
    return f"write({fd}, {hexed(text)}, {len(text)}) = {len(text)}"


def test_a_file_written_aside_and_renamed() -> None:
    done = followed(
        create("x.new", 3),
        write(3, "ab"),
        "fsync(3) = 0",
        f"rename({path('x.new')}, {path('x')}) = 0",
        f"openat(AT_FDCWD, {hexed('/d')}, O_RDONLY|O_DIRECTORY) = 4",
        "fsync(4) = 0",
    )
    assert done == [
        Made(1, folder=False, mode=0o600),
        Named(ROOT, "x.new", 1),
        Written(1, 0, b"ab"),
        Synced(1),
        Renamed(ROOT, "x.new", "x", 1),
        Synced(ROOT),
    ]


def test_files_elsewhere_are_not_recorded() -> None:
    elsewhere = f"openat(AT_FDCWD, {hexed('/dd/x')}, O_RDWR|O_CREAT, 0600) = 3"
    assert followed(elsewhere, write(3, "a"), "fsync(3) = 0", f"unlink({hexed('/e')}) = 0") == []


def test_a_closed_descriptor_may_stand_for_another_file() -> None:
    done = followed(create("x", 3), "close(3) = 0", "openat(AT_FDCWD, " + hexed("/e") + ", O_RDWR) = 3", write(3, "a"))
    assert disk_of(done) == {"x": b""}


def test_each_way_to_write_ends_where_it_should() -> None:
    done = followed(
        create("x", 3),
        write(3, "abcd"),
        f"pwrite64(3, {hexed('Z')}, 1, 1) = 1",
        write(3, "e"),
        "lseek(3, 0, SEEK_SET) = 0",
        write(3, "A"),
        f"openat(AT_FDCWD, {path('x')}, O_WRONLY|O_APPEND) = 4",
        write(4, "!"),
        "ftruncate(3, 7) = 0",
    )
    assert disk_of(done) == {"x": b"AZcde!\0"}


def test_opening_may_empty_a_file() -> None:
    done = followed(create("x", 3), write(3, "ab"), f"openat(AT_FDCWD, {path('x')}, O_WRONLY|O_CREAT|O_TRUNC, 0600) = 4")
    assert disk_of(done) == {"x": b""}


def test_a_duplicate_shares_the_place_where_it_writes() -> None:
    assert disk_of(followed(create("x", 3), "dup2(3, 9) = 9", write(3, "a"), write(9, "b"))) == {"x": b"ab"}


def test_a_thread_has_the_descriptors_of_its_process_and_a_child_a_copy() -> None:
    done = followed(
        "1 clone3({flags=CLONE_VM|CLONE_FILES, stack=0x7f}, 88) = 2",
        f"2 {create('x', 3)}",
        f"1 {write(3, 'a')}",
        "1 vfork() = 5",
        "1 close(3) = 0",
        f"5 {write(3, 'b')}",
    )
    assert disk_of(done) == {"x": b"ab"}


def test_a_child_that_speaks_before_its_birth_was_written_down_is_known() -> None:
    done = followed(f"1 {create('x', 3)}", "1 vfork( <unfinished ...>", f"5 {write(3, 'b')}", "1 <... vfork resumed>) = 5")
    assert disk_of(done) == {"x": b"b"}


def test_a_program_that_is_executed_loses_what_is_marked() -> None:
    execve = f"execve({hexed('/bin/x')}, [], 0x7f) = 0"
    assert disk_of(followed(create("x", 3), execve, write(3, "a"))) == {"x": b""}


def test_links_removals_and_folders() -> None:
    done = followed(
        f"mkdir({path('in')}, 0700) = 0",
        create("in/x", 3),
        write(3, "a"),
        f"link({path('in/x')}, {path('in/y')}) = 0",
        f"unlink({path('in/x')}) = 0",
        "openat(AT_FDCWD, " + path("in") + ", O_RDONLY|O_DIRECTORY) = 5",
        f"mkdirat(5, {hexed('deep')}, 0755) = 0",
        f"unlinkat(5, {hexed('deep')}, AT_REMOVEDIR) = 0",
    )
    assert disk_of(done) == {"in": None, "in/y": b"a"}


def test_what_the_program_said_stands_among_what_it_did() -> None:
    said = '{"said": "done"}'
    assert followed(create("x", 3), write(1, said), write(1, "hello"))[-1] == Said(said)


def test_a_sync_that_was_prevented_did_not_happen() -> None:
    assert Synced(1) not in followed(create("x", 3), "fsync(3) = 0 (INJECTED)")


def test_a_descriptor_that_writes_through_is_synced_by_each_write() -> None:
    done = followed(f"openat(AT_FDCWD, {path('x')}, O_RDWR|O_CREAT|O_DSYNC, 0600) = 3", write(3, "a"))
    assert done[-2:] == [Written(1, 0, b"a"), Synced(1)]


@pytest.mark.parametrize(
    "line",
    [
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f0000000000",
        "fallocate(3, 0, 0, 4096) = 0",
        "copy_file_range(3, NULL, 4, NULL, 10, 0) = 10",
        f"writev(3, [{{iov_base={hexed('a')}, iov_len=1}}], 1) = 1",
        f"rename({path('x')}, {hexed('/elsewhere')}) = 0",
        f"renameat2(AT_FDCWD, {path('x')}, AT_FDCWD, {path('y')}, RENAME_EXCHANGE) = 0",
        f"symlink({hexed('to')}, {path('s')}) = 0",
        f"chdir({hexed('/d')}) = 0",
    ],
)
def test_what_is_not_modelled_is_refused_and_not_guessed(line: str) -> None:
    with pytest.raises(Unmodelled):
        followed(create("x", 3), line)


def test_the_same_acts_elsewhere_are_nobodys_business() -> None:
    assert followed("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f", "fallocate(3, 0, 0, 4096) = 0") == []
