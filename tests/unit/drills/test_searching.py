"""The search finds a value however it is written, and wherever; and says what it did not look at."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from tierhost.drills import searching
from tierhost.drills.searching import search

VALUE = b"corr\xffect horse/battery"
VALUES = {"vault": VALUE}


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_value_is_found_in_clear_in_hex_and_inside_longer_base64(tmp_path: Path, before: str) -> None:
    head = before.encode()
    for form, text in {
        "clear": head + VALUE + b" more",
        "hex": head + VALUE.hex().encode(),
        "HEX": head + VALUE.hex().upper().encode(),
        "base64": base64.b64encode(head + VALUE + b"more"),
    }.items():
        file = tmp_path / "log"
        file.write_bytes(b"some text " + text)
        (found,) = search(tmp_path, (), VALUES).found
        assert (found["secret"], found["place"]) == ("vault", "log")
        assert found["form"].startswith(form)


def test_a_value_across_two_pieces_of_a_large_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CHUNK_BYTES", 64)
    (tmp_path / "core").write_bytes(b"\0" * 57 + VALUE + b"\0" * 200)
    assert [row["place"] for row in search(tmp_path, (), VALUES).found] == ["core"]


def test_a_clean_site_is_clean_and_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(VALUE[:-1])
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    done = search(tmp_path, (os.getpid(),), VALUES)
    assert (done.found, done.left_out) == ([], [])
    assert (done.secrets, done.files, done.processes) == (1, 3, 1)


def test_a_command_line_and_an_environment_show_a_value() -> None:
    program = "import sys; sys.stdin.read()"
    clear = "correct horse"
    with subprocess.Popen(
        [sys.executable, "-c", program, clear], env={"KEY": clear.encode().hex()}, stdin=subprocess.PIPE
    ) as process:
        try:
            found = until(lambda: _seen(process.pid, clear.encode()), "the program shows what it was given")
        finally:
            process.kill()
    assert found == {(f"cmdline of process {process.pid}", "clear"), (f"environ of process {process.pid}", "hex")}


def _seen(pid: int, value: bytes) -> set[tuple[str, str]]:
    # The fork shows our own environment until it has become the program.
    found = search(Path("/proc/nowhere"), (pid,), {"key": value}).found
    return {(row["place"], row["form"]) for row in found} if len(found) > 1 else set()


def test_the_value_itself_is_never_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(VALUE)
    told = repr(search(tmp_path, (), VALUES).as_world())
    assert "horse" not in told


def test_what_was_not_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert search(tmp_path, (), {"pin": b"1234"}).left_out == ["secret pin: it is shorter than 6 bytes"]
    assert "were over" in search(tmp_path, (), VALUES, limit_s=-1).left_out[0]
    monkeypatch.setattr(searching, "FILE_BYTES_MAX", 10)
    assert search(tmp_path, (), VALUES).left_out == ["a: what is behind byte 100"]
    monkeypatch.setattr(searching, "FILES_MAX", 0)
    assert search(tmp_path, (), VALUES).left_out == ["more than 0 files"]
