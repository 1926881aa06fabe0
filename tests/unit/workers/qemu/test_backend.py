"""Alive or not is the kernel's word: locks and processes, found again whatever became of the files."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.workers.qemu.samples import UUID, domain, read
from tests.waiting import until
from tierhost.workers.qemu.backend import LOG_BYTES_MAX, AlreadyAlive, Backend, Supplies, emulator
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GUEST = read(domain())


@contextmanager
def fake_guest(run_dir: Path, *, uuid: str = UUID, name: str = "web") -> Iterator[int]:
    """A process that has a guest's arguments and is no QEMU; it does nothing."""
    code = "import signal; signal.pause()"
    named = ["-name", f"guest={name},debug-threads=on", "-uuid", uuid, "-pidfile", f"{run_dir}/{uuid}.pid"]
    process = subprocess.Popen([sys.executable, "-c", code, *named])
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


def test_a_process_of_a_guest_is_found_without_any_file(tmp_path: Path, backend: Backend) -> None:
    with fake_guest(tmp_path, name="a,,b") as pid:
        found = until(lambda: backend.survey().get(UUID), "it is found")
        assert (found.process.pid, found.name) == (pid, "a,b")
        assert not found.process.is_gone()
    assert found.process.is_gone(5.0)
    assert backend.survey() == {}


def test_guests_of_other_directories_are_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    with fake_guest(tmp_path / "theirs"):
        until(lambda: Backend(tmp_path / "theirs").survey(), "it is there")
        assert Backend(tmp_path / "ours").survey() == {}


def test_a_directory_has_one_identity_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with fake_guest(tmp_path / "real"):
        until(lambda: Backend(tmp_path / "link").survey(), "it is found through the link")


def test_a_guest_is_claimed_exactly_as_long_as_somebody_holds_its_lock(backend: Backend) -> None:
    assert not backend.is_claimed(UUID)
    lock = backend.claim(GUEST)
    assert backend.is_claimed(UUID)
    assert backend.locks() == {UUID}
    with pytest.raises(AlreadyAlive, match="a process of this guest lives") as refused:
        backend.claim(GUEST)
    assert (refused.value.subject, refused.value.code) == ("guest web", Code.OPERATION_INVALID)
    os.close(lock)
    assert not backend.is_claimed(UUID)
    os.close(backend.claim(GUEST))


def test_a_lock_that_a_program_inherited_is_held_until_that_ends(backend: Backend) -> None:
    lock = backend.claim(GUEST)
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], pass_fds=[lock])
    os.close(lock)
    assert backend.is_claimed(UUID)
    process.kill()
    process.wait(10)
    assert not backend.is_claimed(UUID)


def test_a_guest_whose_lock_file_was_removed_is_not_doubled(tmp_path: Path, backend: Backend) -> None:
    with fake_guest(tmp_path):
        until(backend.survey, "it is there")
        with pytest.raises(AlreadyAlive):
            backend.claim(GUEST)
    assert not backend.is_claimed(UUID)


def test_a_refused_claim_keeps_nothing_open(tmp_path: Path, backend: Backend) -> None:
    with fake_guest(tmp_path):
        until(backend.survey, "it is there")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(AlreadyAlive):
                backend.claim(GUEST)
        assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_dead_guest_leaves_behind_is_swept(tmp_path: Path, backend: Backend) -> None:
    names = ["qmp", "vnc", "pid", "lock", "log"]
    for name in names:
        (tmp_path / f"{UUID}.{name}").touch()
    (tmp_path / "other.log").touch()
    backend.sweep(UUID, entirely=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{UUID}.lock", f"{UUID}.log", "other.log"]
    backend.sweep(UUID, entirely=True)
    backend.sweep(UUID, entirely=True)
    assert [path.name for path in tmp_path.iterdir()] == ["other.log"]


def test_the_last_words_are_the_end_of_the_log(tmp_path: Path, backend: Backend) -> None:
    assert backend.last_words(UUID) == ""
    (tmp_path / f"{UUID}.log").write_bytes(b"\xff" + b"x" * 5000 + b" could not open disk\n")
    assert backend.last_words(UUID).endswith("could not open disk")
    assert len(backend.last_words(UUID)) <= 400


def test_a_log_does_not_grow_for_ever(tmp_path: Path, backend: Backend) -> None:
    backend.trim_log(UUID)
    log = tmp_path / f"{UUID}.log"
    log.write_text("short")
    backend.trim_log(UUID)
    assert log.read_text() == "short"
    os.truncate(log, LOG_BYTES_MAX + 1)
    backend.trim_log(UUID)
    assert log.stat().st_size == 0


def test_an_emulator_that_is_not_there_is_named_with_the_next_step() -> None:
    missing = read(domain("<emulator>/nowhere/qemu-system-x86_64</emulator>"))
    with pytest.raises(DriverError, match="/nowhere/qemu-system-x86_64 cannot be run") as refused:
        emulator(missing)
    assert (refused.value.code, refused.value.hint) == (Code.CONFIG_UNSUPPORTED, "install the package qemu-system-x86")


def test_a_socket_path_that_the_kernel_would_not_take_is_refused_before_anything_runs(tmp_path: Path, backend: Backend) -> None:
    program = tmp_path / "qemu-system-x86_64"
    program.write_text("#!/bin/false\n")
    program.chmod(0o755)
    long = f"/{'x' * 120}"
    guest = read(domain(f"<emulator>{program}</emulator><graphics type='vnc' socket='{long}'/>"))
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(DriverError, match="is too long") as refused:
        backend.launch(guest, Supplies(), lock)
    assert refused.value.hint == "name a shorter one in <listen type='socket' socket='...'/>"
    os.close(lock)
