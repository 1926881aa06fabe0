"""Memory, descriptors and processor time, taken from a real worker: it suffers, others do not, and it is healed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.drills.faults import NotFired
from tierhost.drills.faults.memory import Memory
from tierhost.drills.faults.resources import Descriptors, Processor, bearers
from tierhost.ipc.errors import Busy, TierhostError

if TYPE_CHECKING:
    from tests.integration.drills.faults.conftest import Site
    from tierhost.drills.faults.bodies import Leashed

HEAL = """\
import importlib, json, sys
leash = json.load(sys.stdin)
importlib.import_module(leash["module"]).KINDS[leash["kind"]].undo(**leash["arguments"])
"""


def heal_elsewhere(fault: Leashed) -> None:
    """Heal in another process, from what the leash says."""
    subprocess.run([sys.executable, "-c", HEAL], input=json.dumps(fault.leash()), text=True, check=True, timeout=20)


def test_the_kernel_kills_who_is_given_no_more_memory_and_only_that(shared: Site) -> None:
    before, other = shared.row("echo"), shared.row("secret")
    fault = Memory(shared, "echo", {"how": "cgroup", "extra_bytes": 4 << 20})
    try:
        assert "for want of memory: oom_kill 1" in fault.strike()
        after = shared.wait_next_life("echo", before["incarnation"])
        assert "SIGKILL" in after["last_error"]
        assert shared.call("echo.echo", "hello") == "hello"
        assert shared.row("secret")["incarnation"] == other["incarnation"]
    finally:
        fault.heal()
    assert not Path(fault.leash()["arguments"]["folder"]).exists()


def test_a_worker_that_is_refused_memory_is_given_it_again_by_another_process(shared: Site) -> None:
    fault = Memory(shared, "echo", {"how": "rlimit", "extra_bytes": 16 << 20})
    life = shared.row("echo")
    try:
        proof = fault.strike()
        assert "address space left" in proof or "died of it" in proof
        with suppress(TierhostError):
            assert shared.call("echo.echo", "x" * (7 << 20), deadline_s=1.0) == "x" * (7 << 20), "no wrong answer"
    finally:
        heal_elsewhere(fault)
    now = shared.wait_next_life("echo", life["incarnation"] - 1)
    assert resource.prlimit(now["pid"], resource.RLIMIT_AS) == resource.prlimit(os.getpid(), resource.RLIMIT_AS)
    assert shared.call("echo.echo", "hello") == "hello"


def test_who_lives_on_what_it_is_given_was_not_struck(shared: Site) -> None:
    fault = Memory(shared, "echo", {"how": "cgroup", "extra_bytes": 1 << 30, "press": False, "patience_s": 0.2})
    try:
        with pytest.raises(NotFired, match="it lives on 1073741824 more bytes"):
            fault.strike()
    finally:
        fault.heal()
    assert shared.call("echo.echo", "hello") == "hello"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_may_open_nothing_more_turns_new_callers_away_until_it_may_again(shared: Site, *, elsewhere: bool) -> None:
    life = shared.row("echo")["incarnation"]
    with shared.client() as known:
        assert known.call("echo.echo", "hello", changes=False) == "hello"
        fault = Descriptors(shared, "echo", {})
        try:
            assert "may use descriptors below" in fault.strike()
            assert known.call("echo.echo", "I was here before", changes=False) == "I was here before"
            with pytest.raises(Busy, match="it lives, and has ended our connection"):
                shared.call("echo.echo", "hello")
            with pytest.raises(Busy):
                shared.call("echo.echo", "hello", deadline_s=0.1)
            assert shared.call("secret.secret_list") == []
        finally:
            if elsewhere:
                heal_elsewhere(fault)
            else:
                fault.heal()
    assert shared.call("echo.echo", "hello") == "hello"
    assert shared.row("echo")["incarnation"] == life


@pytest.mark.parametrize("elsewhere", [False, True])
def test_greedy_neighbours_slow_a_worker_and_cost_it_no_life(shared: Site, *, elsewhere: bool) -> None:
    row = shared.row("echo")
    cores = os.sched_getaffinity(row["pid"])
    fault = Processor(shared, "echo", {"hogs": 4})
    try:
        assert "4 hogs share core" in fault.strike()
        assert len(os.sched_getaffinity(row["pid"])) == 1
        assert shared.call("echo.echo", "hello") == "hello"
    finally:
        if elsewhere:
            heal_elsewhere(fault)
            assert os.sched_getaffinity(row["pid"]) == cores
        fault.heal()
    assert bearers(fault.leash()["arguments"]["token"]) == []
    assert os.sched_getaffinity(row["pid"]) == cores
    assert shared.row("echo")["incarnation"] == row["incarnation"]


def test_hogs_end_with_the_drill_that_started_them(shared: Site) -> None:
    script = (
        "import sys; from tierhost.drills.faults.resources import Processor\n"
        "class Me:\n    def pids(self, role): return [int(role)]\n"
        "fault = Processor(Me(), sys.argv[1], {'hogs': 2}); fault.strike()\n"
        "print(fault.leash()['arguments']['token'], flush=True); sys.stdin.read()"
    )
    pid = shared.row("echo")["pid"]
    argv = [sys.executable, "-c", script, str(pid)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as drill:
        assert drill.stdout is not None
        token = drill.stdout.readline().strip()
        assert len(bearers(token)) == 2
        drill.kill()
    until(lambda: not bearers(token), "they are gone")
    os.sched_setaffinity(pid, os.sched_getaffinity(0))
