"""What the host reads of a process, whatever that process calls itself."""

from __future__ import annotations

import os
import signal

import pytest

from tests.unit.host.shell.processes import sleeping, wait_until_dead, wait_until_stopped
from tierhost.host.shell import procfs

NAMES = [rb"plain", rb"a) S 1 1", rb"\377\376"]
"""Ordinary, one that looks like the fields after it, and one that is no text; as printf spells them."""


@pytest.mark.parametrize("name", NAMES)
def test_a_process_is_read_whatever_it_calls_itself(name: bytes) -> None:
    script = f"printf '{name.decode()}' > /proc/self/comm; printf '{name.decode()}' > /proc/$$/comm; echo ready; read end"
    with sleeping(script) as process:
        started = procfs.start_time(process.pid)
        assert started is not None
        assert started >= (procfs.start_time(os.getpid()) or 0)
        assert not procfs.is_stopped(process.pid)
        assert not procfs.is_dead(process.pid)
        assert procfs.is_alive_in(process.pid, process.pid)


def test_a_process_that_was_stopped_is_stopped_and_not_dead() -> None:
    with sleeping() as process:
        process.send_signal(signal.SIGSTOP)
        wait_until_stopped(process)
        assert procfs.is_stopped(process.pid)
        assert not procfs.is_dead(process.pid)


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("exit 0", 0)])
def test_a_zombie_is_dead_keeps_its_start_time_and_says_how_it_ended(script: str, status: int) -> None:
    with sleeping(f"echo ready; {script}") as process:
        wait_until_dead(process)
        assert procfs.is_dead(process.pid)
        assert procfs.start_time(process.pid) is not None
        assert procfs.exit_status(process.pid) == status
        assert not procfs.is_alive_in(process.pid, process.pid)


def test_of_a_process_that_is_no_more_only_its_death_is_known() -> None:
    with sleeping() as process:
        process.communicate(b"\n")
        pid = process.pid
        assert procfs.start_time(pid) is None
        assert procfs.is_dead(pid)
        assert not procfs.is_stopped(pid)
        assert procfs.exit_status(pid) is None


def test_the_living_have_no_exit_status() -> None:
    assert procfs.exit_status(os.getpid()) is None


def test_the_boot_has_one_name() -> None:
    assert procfs.boot_id() == procfs.boot_id()
    assert len(procfs.boot_id()) == 36
