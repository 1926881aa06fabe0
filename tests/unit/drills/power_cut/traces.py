"""Traces as strace writes them, and what they did."""

from __future__ import annotations

from tierhost.drills.power_cut.calls import parse
from tierhost.drills.power_cut.disk import Disk
from tierhost.drills.power_cut.following import follow
from tierhost.drills.power_cut.operations import Made, Operation, Said, Synced


def hexed(text: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


def path(name: str) -> str:
    return hexed(f"/d/{name}")


def followed(*lines: str, begin: Disk | None = None) -> list[Operation]:
    """What these lines did to the folder /d. A line without a pid is of process 7."""
    numbered = (line if line[0].isdigit() else f"7 {line}" for line in lines)
    return follow(parse(numbered), "/d", begin or Disk())


def disk_of(operations: list[Operation], begin: Disk | None = None) -> dict[str, bytes | None]:
    """What can be found once everything is on the disk: contents by path, None for a folder."""
    disk = (begin or Disk()).copy()
    for one in operations:
        if isinstance(one, Made):
            disk.make(one)
        elif not isinstance(one, Said | Synced):
            disk.apply(one)
    return {entry.path: None if entry.folder else entry.content for entry in disk.walk()}
