"""What the journal keeps, when it begins a new file, and what a full disk costs."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host.core import commands, events
from tierhost.host.shell import journal as journals
from tierhost.host.shell.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FakeDisk:
    """Stands in for os.write: takes `room` bytes, and refuses what comes then."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def write(self, fd: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = Journal(path)
    yield made
    made.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FakeDisk:
    """A disk with no end of room, for now."""
    fake = FakeDisk(1 << 30)
    monkeypatch.setattr("os.write", fake.write)
    return fake


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def seen(number: int) -> events.IncarnationSeen:
    return events.IncarnationSeen("storage", number)


def test_events_and_commands_are_kept_in_order_one_object_a_line(journal: Journal, path: Path) -> None:
    journal.note(1.23456789, events.WorkerExited("storage", 3, "killed by SIGKILL"))
    journal.note(2.0, commands.RefuseShutdown(("2 guests run",)))
    journal.flush()
    assert lines(path) == [
        {"at_s": 1.234568, "is": "WorkerExited", "driver": "storage", "incarnation": 3, "how": "killed by SIGKILL"},
        {"at_s": 2.0, "is": "RefuseShutdown", "reasons": ["2 guests run"]},
    ]


def test_nothing_is_written_before_there_is_time(journal: Journal, path: Path) -> None:
    journal.note(1.0, events.TimePassed())
    assert path.read_bytes() == b""
    journal.flush()
    journal.flush()
    assert len(lines(path)) == 1


def test_a_reason_with_line_ends_and_bytes_that_are_no_text_stays_one_line(journal: Journal, path: Path) -> None:
    journal.note(1.0, events.ProtocolBroken("storage", 1, "a\nb\udcff"))
    journal.flush()
    assert [line["reason"] for line in lines(path)] == ["a\nb\udcff"]


def test_the_next_host_goes_on_where_the_last_one_stopped(path: Path) -> None:
    for number in (1, 2):
        journal = Journal(path)
        journal.note(1.0, seen(number))
        journal.close()
    assert [line["incarnation"] for line in lines(path)] == [1, 2]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_journal_becomes_the_old_one_and_only_one_old_one_is_kept(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "JOURNAL_BYTES_MAX", 100)
    for number in range(1, 6):
        journal.note(1.0, seen(number))
        journal.flush()
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal.jsonl", "journal.jsonl.1"]
    old = [line["incarnation"] for line in lines(path.with_name("journal.jsonl.1"))]
    assert old + [line["incarnation"] for line in lines(path)] == [3, 4, 5]


def test_a_full_disk_costs_lines_and_says_how_many_once_there_is_room(journal: Journal, path: Path, disk: FakeDisk) -> None:
    disk.room = 0
    for number in (1, 2, 3):
        journal.note(1.0, seen(number))
        journal.flush()
    disk.room = 1 << 30
    journal.note(1.0, seen(4))
    journal.flush()
    journal.note(1.0, seen(5))
    journal.flush()
    assert lines(path)[0] == {"is": "JournalLost", "lines": 3}
    assert [line["incarnation"] for line in lines(path)[1:]] == [4, 5]


def test_a_disk_that_fills_up_within_a_line_does_not_spoil_the_next_one(journal: Journal, path: Path, disk: FakeDisk) -> None:
    disk.room = 10
    journal.note(1.0, seen(1))
    journal.flush()
    disk.room = 1 << 30
    journal.note(1.0, seen(2))
    journal.flush()
    torn, *rest = path.read_text().splitlines()
    assert len(torn) == 10
    assert [json.loads(line).get("incarnation", "lost") for line in rest] == ["lost", 2]


def test_when_no_new_file_can_be_had_the_old_one_goes_on_until_there_is_one(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "JOURNAL_BYTES_MAX", 10)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.open", full)
        for number in (1, 2):
            journal.note(1.0, seen(number))
            journal.flush()
    journal.note(1.0, seen(3))
    journal.flush()
    journal.note(1.0, seen(4))
    journal.flush()
    assert [line["incarnation"] for line in lines(path.with_name("journal.jsonl.1"))] == [4]
    assert lines(path) == []
