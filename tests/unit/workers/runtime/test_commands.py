"""Outside programs: bounded in time and words, with nothing secret in sight, and dead with whoever ran them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.commands import CommandFailed, CommandMissing, CommandOverdue, is_stuck, key_file, run
from tierhost.workers.runtime.contract import Code, DriverError

LIMIT_S = 10.0


def test_what_a_program_says_is_returned() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2"], limit_s=LIMIT_S)
    assert (done.status, done.out, done.err) == (0, "out\n", "err\n")


def test_what_it_is_told_comes_over_its_standard_input() -> None:
    assert run(["cat"], limit_s=LIMIT_S, stdin=b"words").out == "words"
    assert run(["cat"], limit_s=LIMIT_S).out == ""


def test_a_key_is_read_from_a_file_that_no_path_leads_to() -> None:
    fd = key_file(b"secret")
    try:
        assert run(["cat", f"/dev/fd/{fd}"], limit_s=LIMIT_S, keep_fds=(fd,)).out == "secret"
        assert os.fstat(fd).st_nlink == 0
    finally:
        os.close(fd)


def test_it_has_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    names = {line.partition("=")[0] for line in run(["env"], limit_s=LIMIT_S).out.splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_"}


def test_it_has_no_descriptors_of_ours_but_those_it_is_given() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        names = run(["sh", "-c", "ls /proc/$$/fd"], limit_s=LIMIT_S).out.split()
        assert str(fd) not in names
    finally:
        os.close(fd)


def test_a_status_that_is_no_error_is_told() -> None:
    assert run(["sh", "-c", "exit 2"], limit_s=LIMIT_S, statuses=(0, 2)).status == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 3", "status 3: it said nothing"), ("echo a; exit 1", "status 1: a"), ("echo a; echo b >&2; exit 1", "status 1: b")],
)
def test_a_program_that_fails_is_quoted(script: str, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        run(["sh", "-c", script], limit_s=LIMIT_S)


def test_a_program_that_a_signal_ended_has_failed() -> None:
    with pytest.raises(CommandFailed) as failed:
        run(["sh", "-c", "kill -9 $$"], limit_s=LIMIT_S)
    assert failed.value.status == -9


def test_words_without_end_are_cut() -> None:
    assert len(run(["head", "-c", "1000000", "/dev/zero"], limit_s=LIMIT_S).out) == commands.OUTPUT_BYTES_MAX


def test_words_that_are_no_text_are_no_error() -> None:
    assert run(["printf", r"\377\376"], limit_s=LIMIT_S).out == "\ufffd\ufffd"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandMissing) as missing:
        run(["no-such-program"], limit_s=LIMIT_S)
    assert (missing.value.code, missing.value.hint) == (Code.OPERATION_UNSUPPORTED, "install no-such-program")


def test_a_program_that_is_no_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(program: str, path: str) -> str:
        return f"{tmp_path}/{program}" if program == "broken" else ""

    monkeypatch.setattr(commands, "_which", find)
    (tmp_path / "broken").write_text("neither a script nor a program")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(DriverError, match="cannot run broken: Exec format error"):
        run(["broken"], limit_s=LIMIT_S)


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CommandOverdue, match=r"did not finish within 0\.2 s; it was killed") as overdue:
        run(["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 600"], limit_s=0.2)
    assert (overdue.value.code, overdue.value.stuck, is_stuck(overdue.value)) == (Code.OPERATION_TIMEOUT, False, False)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_without_any_time_left_nothing_is_waited_for() -> None:
    with pytest.raises(CommandOverdue):
        run(["sleep", "600"], limit_s=0.0)


def test_no_descriptor_is_left_open_whatever_happens() -> None:
    before = len(os.listdir("/proc/self/fd"))
    run(["true"], limit_s=LIMIT_S)
    for argv, limit_s in ((["false"], LIMIT_S), (["no-such-program"], LIMIT_S), (["sleep", "600"], 0.05)):
        with pytest.raises(DriverError):
            run(argv, limit_s=limit_s)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_program_ends_with_the_worker_that_ran_it(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 600"
    worker = f"from tierhost.workers.runtime.commands import run; run(['sh', '-c', {script!r}], limit_s=600.0)"
    with subprocess.Popen([sys.executable, "-c", worker]) as running:
        pid = until(lambda: written(tmp_path / "pid"), "it runs")
        running.kill()
    until(lambda: is_over(pid), "it ends, too")


def written(path: Path) -> str:
    """What is in a file that is there at last."""
    return path.read_text().strip() if path.exists() else ""


def is_over(pid: str) -> bool:
    """Whether a process is gone, or dead and waiting to be buried by whoever inherited it."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True
