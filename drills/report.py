"""What a drill has to say: line by line while it goes on, and in a table at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COLUMNS: Final = (
    "killed",
    "calls meanwhile",
    "failed in other drivers",
    "serving again",
    "guests lost",
    "pools lost",
    "networks lost",
)


@dataclass(slots=True)
class Row:
    """One crash, and what it did."""

    killed: str
    calls: int | None
    failed: list[str]
    again_s: float
    guests_lost: int
    pools_lost: int
    networks_lost: int

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        told = ("-", "-") if self.calls is None else (str(self.calls), str(len(self.failed)))
        again = f"{self.again_s * 1000:.0f} ms"
        return (self.killed, *told, again, str(self.guests_lost), str(self.pools_lost), str(self.networks_lost))


def say(*lines: str) -> None:
    """Tell what happens."""
    for line in lines:
        print(line, flush=True)


def print_table(rows: list[Row], leaked: list[str]) -> None:
    """What it comes to."""
    table = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    say("")
    for number, line in enumerate(table):
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            say("  ".join("-" * width for width in widths))
    for row in rows:
        say(*(f"  {row.killed}: {failure}" for failure in row.failed[:5]))
    say("", f"left behind (processes, mounts, loop devices, sockets): {len(leaked)}", *(f"  {thing}" for thing in leaked))
