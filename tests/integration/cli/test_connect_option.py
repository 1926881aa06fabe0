"""`-c`: the same commands for a host without its hypervisors, for another root, for another machine."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.waiting import until
from tierhost.host.config_client import ConfigClient
from tierhost.host.launch import hand_over
from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Shell

CONFIG = ("-c", "config:///")


def test_config_shows_the_first_tier_and_calls_its_drivers(up: Shell) -> None:
    rows = up.run(*CONFIG, "status").rows()
    assert {row[0] for row in rows} == {"libvirt"}
    assert "qemu" not in {row[1] for row in rows}
    assert up.run(*CONFIG, "call", "secret.secret_list").code == 0
    assert up.run(*CONFIG, "story", "secret").code == 0
    assert "qemu" not in up.run(*CONFIG, "events").out


def test_config_refuses_hypervisors_and_orders(up: Shell) -> None:
    ran = up.run(*CONFIG, "call", "qemu.domain_list")
    assert ran.code == 1
    assert ran.err == (
        "error: driver qemu: config:/// has no drivers of tier 'hypervisor'\nhint: leave out `-c config:///` to ask it\n"
    )
    assert up.run(*CONFIG, "story", "qemu").code == 1
    assert up.run(*CONFIG, "down").code == 2
    with ConfigClient(up.root) as client:
        for order in ("shutdown", "worker_restart"):
            with pytest.raises(DriverError, match="gives no orders") as caught:
                client.host(order)
            assert caught.value.code is Code.OPERATION_DENIED


class Stuck(StateDriver):
    """A hypervisor that never gets anywhere."""

    name = "stuck"
    tier = "hypervisor"
    required = True
    gate: ClassVar[str] = ""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        with open(self.gate, "rb") as pipe:  # noqa: PTH123  # this class travels, and takes no imports along
            pipe.read()
        return InitResult.FAILED


def test_config_needs_no_hypervisor_to_be_up_and_no_host_either(shell: Shell, tmp_path: Path) -> None:
    Stuck.gate = str(tmp_path / "gate")
    os.mkfifo(Stuck.gate)
    shell.root.run.mkdir(mode=0o700, parents=True)
    hand_over(shell.root, [Stuck])
    with shell.start("up"):
        until(lambda: "stuck" in shell.run("status").out, "the host is there")
        until(lambda: shell.row("stuck")[2] == "INITIALIZING", "the hypervisor is starting")
        asked = shell.run(*CONFIG, "call", "secret.secret_list", "--deadline", "5")
        assert (asked.code, asked.err) == (0, "")
        shown = json.loads(shell.run(*CONFIG, "status", "--format", "json").out)
        assert shown["host"]["state"] == "ready"
        assert json.loads(shell.run("status", "--format", "json").out)["host"]["state"] == "starting"
    orphans = shell.run(*CONFIG, "call", "secret.secret_list", "--deadline", "5")
    assert orphans.code == 0
    assert "its workers answer without it" in orphans.err
    refused = shell.run(*CONFIG, "call", "qemu.domain_list", "--deadline", "5")
    assert "has no drivers of tier" in refused.err


def test_another_root_is_named_by_a_uri(up: Shell) -> None:
    other = type(up)(up.folder / "nothing")
    uri = f"tierhost+unix://{up.folder}"
    argv = [*other.argv()[:3], "-c", uri, "call", "secret.secret_list"]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    both = up.run("-c", uri, "status")
    assert (both.code, both.err.splitlines()[0]) == (2, "error: --root and -c name two different hosts")


def test_a_machine_without_an_open_connection_is_said_to_be_none(up: Shell) -> None:
    ran = up.run("-c", "tierhost+tcp://127.0.0.1:9", "call", "secret.secret_list")
    assert ran.code == 1
    assert ran.err.startswith("error: remote: no open connection goes to tierhost+tcp://127.0.0.1:9\nhint: ")
    assert up.run("-c", "qemu:///system", "call", "secret.secret_list").code == 1
    assert up.run("-c", "tierhost+tcp://127.0.0.1:9", "status").code == 2


def test_keys_are_made_changed_and_let_in_from_the_command_line(up: Shell) -> None:
    made = json.loads(up.run("remote-key", "generate", "desk", "--format", "json").out)
    successor = json.loads(up.run("remote-key", "rotate", "desk", "--format", "json").out)["next"]
    assert json.loads(up.run("remote-key", "commit", "desk", "--format", "json").out)["public"] == successor
    assert up.run("remote-key", "allow", "friend", made["public"], "secret.*", "storage.storage_pool_list").code == 0
    assert "friend" in up.run("remote-key", "allowed").out
    assert up.run("remote-key", "revoke", "friend").code == 0
    assert up.run("remote-key", "allow", "friend").code == 2
    assert successor in up.run("remote-key", "list").out
    assert up.run("remote-key", "delete", "desk").code == 0
