"""`tierhost drill`, as a person runs it: a verdict, an exit code, a run to replay, and nothing left, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import until
from tierhost.drills import leaks
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

DRILL = (sys.executable, "-m", "tierhost.host", "drill")
LIMIT_S = 90.0

LOST = """
title = "the secret worker is killed, and a secret that never was is expected after it"
proves = "nothing: it is there to be BROKEN, because of the second fault alone"
site = "secrets"
[[steady]]
title = "nobody has restarted"
method = "secret.secret_list"
tolerance = { at_least = 3 }
[load]
per_second = 100
asks = [{ method = "secret.secret_list", deadline_s = 2 }, { method = "storage.storage_pool_list", deadline_s = 2 }]
[[faults]]
kind = "kill"
target = "spares"
at = "t+0.05s"
[[faults]]
kind = "damage"
target = "secret"
at = "t+0.1s"
options = { files = ["persistent.*"], how = "delete" }
[options]
settle_s = 1
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where private folders go; pytest's own paths are too long for sockets."""
    made = Path(tempfile.mkdtemp(prefix="thd", dir="/tmp"))
    try:
        yield made
    finally:
        sweep(made)
        shutil.rmtree(made, ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(folder)}


def drill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DRILL, *words], capture_output=True, text=True, timeout=LIMIT_S, env=environment(folder), check=False)


def nothing_is_left(folder: Path) -> bool:
    return (leaks.processes(folder), leaks.mounts(folder), leaks.loops(folder)) == ([], [], []) and not any(
        folder.glob("tierhost-drill-*")
    )


@pytest.mark.slow
def test_each_worker_is_killed_and_the_drill_holds(folder: Path) -> None:
    done = drill(folder, "run", "kill-each-worker", "--seed", "7", "--format", "json")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    told = json.loads(done.stdout)
    assert (told["verdict"], told["seed"]) == ("HELD", 7)
    history = told["history"]
    assert [strike["target"] for strike in history["strikes"]] == ["secret", "storage", "qemu"]
    assert all("ended" in strike["proof"] for strike in history["strikes"])
    before, after = history["looks"]
    assert guests(before) == guests(after)
    assert set(before["objects"]) == {"secrets", "pools", "volumes", "guests"}
    roles = {process["role"] for process in after["world"]["processes"]}
    assert {"host", "zygote", "secret", "storage", "qemu", "guest web", "guest frozen"} <= roles
    assert nothing_is_left(folder)


def guests(look: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {name: (row["state"], row["pid"]) for name, row in look["objects"]["guests"].items()}


@pytest.mark.slow
def test_what_is_lost_is_broken_and_shrinks_to_its_one_cause(folder: Path) -> None:
    plan = folder / "lost.toml"
    plan.write_text(LOST, encoding="utf-8")
    out = folder / "out"
    done = drill(folder, "run", str(plan), "--seed", "1", "--report", str(out))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "\nBROKEN  lost:" in done.stdout
    shrunk = drill(folder, "shrink", str(out / "lost-1.json"), "--limit", "60")
    assert shrunk.returncode == 0, shrunk.stdout + shrunk.stderr
    small = json.loads((out / "lost-1-small.json").read_text())
    assert [fault["kind"] for fault in small["plan"]["faults"]] == ["damage"]
    again = drill(folder, "replay", str(out / "lost-1-small.json"))
    assert again.returncode == 1
    assert "fails 1 of 1 (it was BROKEN)" in again.stdout
    assert nothing_is_left(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_cut_short_it_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    """Even a tool that is killed: somebody else holds the leash."""
    with subprocess.Popen([*DRILL, "run", "stop-everything"], stdout=subprocess.PIPE, text=True, env=environment(folder)) as tool:
        assert tool.stdout is not None
        try:
            assert any("armed" in line for line in tool.stdout), "the site is up"
            tool.send_signal(number)
            tool.communicate(timeout=LIMIT_S)
            assert tool.returncode == (-number if number == signal.SIGKILL else 128 + number)
        finally:
            tool.kill()
    until(lambda: nothing_is_left(folder), "everything is gone")


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_a_reboot_has_another_boot_id_and_starts_what_starts_at_boot(folder: Path) -> None:
    done = drill(folder, "run", "reboot", "--format", "json")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    before, after = json.loads(done.stdout)["history"]["looks"]
    assert before["status"]["host"]["boot_id"] != after["status"]["host"]["boot_id"]
    pools = {name: row["state"] for name, row in after["objects"]["pools"].items()}
    assert pools == {"images": "active", "idle": "active", "scratch": "inactive"}
    assert {name: state for name, (state, _) in guests(after).items()} == {
        "web": "running",
        "frozen": "shutoff",
        "off": "shutoff",
    }
    assert nothing_is_left(folder)


def test_a_drill_that_cannot_be_is_refused_at_once(folder: Path) -> None:
    plan = folder / "wrong.toml"
    plan.write_text("title = 3\n", encoding="utf-8")
    done = drill(folder, "run", str(plan))
    assert done.returncode == 2
    assert f"error: {plan}:1: title: expected text, got 3" in done.stderr
    done = drill(folder, "run", "kill-hots")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "hint: did you mean 'kill-host'?")


def test_help_lists_every_subcommand_and_exit_code(folder: Path) -> None:
    done = drill(folder, "--help")
    assert done.returncode == 0
    for word in ("list", "run", "replay", "shrink", "schema", "0 HELD, 1 BROKEN, 3 UNKNOWN"):
        assert word in done.stdout
    listed = drill(folder, "list").stdout.splitlines()
    assert len(listed) >= 25
    assert all("  " in line for line in listed)
    assert "kill " in drill(folder, "list", "--faults").stdout
    assert json.loads(drill(folder, "schema").stdout)["additionalProperties"] is False
