"""Starting and ending a host by hand."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Shell


@pytest.mark.slow
def test_a_person_sees_the_tiers_come_up_in_order_and_ends_them_with_ctrl_c(shell: Shell) -> None:
    terminal = shell.terminal("up")
    seen = terminal.read_until("tier hypervisor ready")
    assert seen.index("tier libvirt ready") < seen.index("tier hypervisor starting")
    terminal.process.send_signal(signal.SIGINT)
    ended = terminal.read_all()
    assert ended.code == 0
    assert "Traceback" not in ended.out
    assert ended.out.endswith("ended\n")
    assert ended.out.rindex("tier hypervisor ending") < ended.out.rindex("tier libvirt ending")
    assert not shell.root.host_socket.exists()


def test_quiet_means_no_progress(shell: Shell) -> None:
    ran = shell.run("--quiet", "up", "--detach")
    assert ran.out.strip().isdigit()
    assert ran.err == ""
    assert shell.run("down").code == 0


def test_a_second_host_is_refused_with_the_first_one_s_pid(shell: Shell) -> None:
    pid = shell.run("up", "--detach").out.strip()
    refused = shell.run("up")
    assert refused.code == 1
    assert refused.err.startswith(f"error: another host runs on {shell.folder}/run: pid {pid}\nhint: ")
    assert shell.run("up", "--detach").code == 1
    assert shell.run("down").code == 0


def test_down_returns_when_nothing_is_left_and_a_second_one_says_that_none_runs(shell: Shell) -> None:
    shell.run("up", "--detach")
    pids = [int(row[3]) for row in shell.run("status").rows() if row[3].isdigit()]
    done = shell.run("down")
    assert done == type(done)(0, "", "")
    assert all(procfs.is_dead(pid) for pid in pids)
    again = shell.run("down")
    assert again == type(again)(1, "", f"error: no host runs on {shell.folder}/run\nhint: `tierhost up` starts one\n")


def test_a_killed_host_is_told_from_none_and_the_next_adopts_its_workers(shell: Shell) -> None:
    pid = int(shell.run("up", "--detach").out)
    before = shell.row("secret")
    os.kill(pid, signal.SIGKILL)
    until(lambda: procfs.is_dead(pid), "the host is dead")
    assert "is dead" in shell.run("status").err
    asked = shell.run("call", "secret.secret_list")
    assert asked.code == 0
    assert "its workers answer without it" in asked.err
    assert shell.run("up", "--detach").code == 0
    assert shell.row("secret")[2:5] == before[2:5]
    assert shell.run("down").code == 0


def test_flat_is_one_tier(shell: Shell) -> None:
    assert shell.run("up", "--detach", "--flat").code == 0
    assert shell.run("status", "--format", "table").out.splitlines()[1] == "tier flat: ready"
    assert shell.run("down").code == 0


def test_every_mistake_of_a_configuration_is_named_with_its_line_before_anything_starts(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "tierhost.toml"
    path.write_text('tiers = ["libvirt", "hypervisor"]\nspare = 3\n[restart]\nintensity_max = "many"\n')
    ran = shell.run("up", "--config", str(path))
    assert ran.code == 1
    assert ran.err.splitlines()[0].startswith(f"error: {path}:2: spare: ")
    assert ran.err.splitlines()[1].startswith(f"error: {path}:4: restart.intensity_max: ")
    assert not shell.root.host_socket.exists()


def test_a_folder_without_drivers_is_shown_as_broken(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("up", "--detach", "--drivers", str(tmp_path)).code == 0
    assert f"broken: {tmp_path}: " in shell.run("status", "--format", "table").out
    assert shell.run("down").code == 0


def test_check_needs_no_host_and_names_what_is_wrong(shell: Shell, tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    tape.mkdir()
    (tape / "driver.toml").write_text('name = "tape"\ntier = "libvirt"\nentry = "driver:Tape"\nsummary = "tapes"\n')
    (tape / "driver.py").write_text("import no_such_module\n")
    ran = shell.run("check", str(tmp_path))
    assert ran.code == 1
    assert ["secret", "libvirt", "ok"] in ran.rows()
    assert any(row[0] == "tape" and "no_such_module" in row[2] for row in ran.rows())
