"""The program that is recorded while it starts on a disk that a power cut has left, for a second cut in the middle of that."""

from __future__ import annotations

import sys
from pathlib import Path

from tierhost.drills.power_cut.subjects import subject
from tierhost.drills.power_cut.work import say


def main(name: str, folder: Path) -> None:
    """Start once, and say what is there: from then on that is acknowledged, too."""
    recovered = subject(name)
    with recovered.live(folder, recovered.boot_after(1)) as life:
        say("done", 0, title="recovered", rows=life.rows())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
