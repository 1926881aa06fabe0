"""The program that starts a subject on one disk after the other, and says what it found on each."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.judging import FAILED
from tierhost.drills.power_cut.subjects import subject
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tierhost.drills.power_cut.subjects import Rows, Subject

AGAIN: Final = "what the start after the next one found"
"""The row that is there if a second start did not find what the first one did."""


def restart(started: Subject, folder: Path, boot: str) -> Rows:
    """Start twice, as a machine does that is switched off again in good order: what was mended must stay mended."""
    try:
        with started.live(folder, boot) as life:
            first = life.rows()
        with started.live(folder, boot) as life:
            second = life.rows()
    except TierhostError as error:
        return {FAILED: str(error)}
    return first if first == second else {**first, AGAIN: second}


def main(started: Subject) -> None:
    """Answer each line, how many cuts there were and the path of a folder, with a line of JSON."""
    for line in sys.stdin:
        cuts, _, folder = line.rstrip("\n").partition(" ")
        rows = restart(started, Path(folder), started.boot_after(int(cuts)))
        os.write(1, json.dumps(rows, sort_keys=True).encode() + b"\n")


if __name__ == "__main__":
    main(subject(sys.argv[1]))
