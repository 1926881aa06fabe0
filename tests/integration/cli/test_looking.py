"""What a running host shows: to a person a table, to a pipe columns, to a program JSON."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests.integration.cli.conftest import PATIENCE_S, interrupt
from tierhost.host import catalog, config

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Shell


def test_a_pipe_gets_one_line_per_driver_in_columns(up: Shell) -> None:
    rows = up.run("status").rows()
    assert sorted(row[1] for row in rows) == sorted(catalog.read(config.Config(), []).drivers)
    assert {len(row) for row in rows} == {8}
    assert all(row[3].isdigit() for row in rows if row[2] == "READY")


def test_a_terminal_gets_a_table(up: Shell) -> None:
    shown = up.terminal("status").read_all()
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].startswith("host ")
    assert any(line.split()[:4] == ["tier", "name", "phase", "pid"] for line in lines)


def test_a_terminal_can_ask_for_columns_and_a_pipe_for_the_table(up: Shell) -> None:
    assert "\t" in up.terminal("status", "--format", "plain").read_all().out
    assert up.run("status", "--format", "table").out.startswith("host ")


def test_a_program_gets_everything(up: Shell) -> None:
    whole = json.loads(up.run("status", "--format", "json").out)
    assert whole["host"]["state"] == "ready"
    assert [tier["name"] for tier in whole["tiers"]] == ["libvirt", "hypervisor"]
    wanted = "name tier phase reason pid incarnation restarts since_s last_error objects degraded required"
    assert all(set(driver) == set(wanted.split()) for driver in whole["drivers"])


def test_a_life_is_told_in_order(up: Shell) -> None:
    lines = up.run("story", "storage").out.splitlines()
    assert "INITIALIZING" in lines[0]
    assert any(line.endswith("READY") for line in lines)


def test_events_are_numbered_and_can_be_continued(up: Shell) -> None:
    numbers = [int(row[0]) for row in up.run("events").rows()]
    assert numbers == sorted(numbers)
    later = [int(row[0]) for row in up.run("events", "--since", str(numbers[2])).rows()]
    assert later[: len(numbers) - 3] == numbers[3:]
    assert json.loads(up.run("events", "--format", "json").out.splitlines()[0])["number"] == numbers[0]


def test_events_are_followed_until_ctrl_c(up: Shell) -> None:
    latest = up.run("events").rows()[-1][0]
    with up.start("events", "--follow", "--since", latest) as follower:
        assert up.run("worker-restart", "storage").code == 0
        assert follower.stdout is not None
        seen = iter(follower.stdout.readline, b"")
        assert any(line.split(b"\t")[2:] == [b"storage", b"phase", b"storage", b"phase=READY\n"] for line in seen)
        ended = interrupt(follower)
    assert (ended.code, ended.err) == (130, "")


def test_status_is_watched_until_ctrl_c(up: Shell) -> None:
    watching = up.terminal("status", "--watch")
    watching.read_until("last error")
    assert up.run("worker-restart", "storage").code == 0
    watching.read_until("\x1b[H\x1b[2J")
    watching.process.send_signal(2)
    ended = watching.read_all()
    assert ended.code == 130
    assert "Traceback" not in ended.out


def test_a_reader_who_has_seen_enough_gets_no_complaint(up: Shell) -> None:
    with up.start("events") as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.close()
        assert reader.stderr.read() == b""
        assert reader.wait(PATIENCE_S) in {0, 1}


def test_completion_offers_what_there_is(up: Shell) -> None:
    def complete(*words: str) -> set[str]:
        script = (
            'source docs/completion.bash; tierhost() { "${ARGV[@]}" "$@"; }; '
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tierhost; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        argv = ["bash", "-c", f"ARGV=({' '.join(up.argv()[:3])}); {script}", "-", "tierhost", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        return set(done.stdout.split())

    assert complete("wor") == {"worker-restart", "worker-stop", "worker-release"}
    assert complete("--root", str(up.folder), "story", "s") == {"secret", "storage"}
    assert complete("status", "--") == {"--watch", "--format", "--help"}
    assert complete("status", "--format", "") == {"table", "plain", "json"}
    assert complete("down", "--s") == {"--save"}
