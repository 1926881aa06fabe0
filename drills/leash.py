"""A small process that heals and sweeps a drill's folder when the drill tool ends without having done so itself.

It is told its folder and what to undo over its standard input, one JSON object a line, and acts when that closes: whoever
held the other end is dead. `{"done": true}` before the end means that nothing is left to do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tierhost.drills import leaks
from tierhost.drills.faults import undoing
from tierhost.drills.reboots import unmount_itself
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

UNDO_LIMIT_S: Final = 10.0
END_LIMIT_S: Final = 30.0


@dataclass(slots=True)
class Leash:
    """The drill's end of it. `undo` may be called while a fault is in effect; `release` says that all was healed."""

    _process: subprocess.Popen[bytes]

    @classmethod
    def on(cls, folder: Path) -> Self:
        """Start the process for a folder. It is in a session of its own: a terminal's Ctrl-C does not reach it."""
        argv = [sys.executable, "-m", "tierhost.drills.leash"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, cwd="/")
        leash = cls(process)
        leash._say({"folder": str(folder)})
        return leash

    def undo(self, argv: Sequence[str]) -> None:
        """Let this command be run should the drill tool die; the latest first. It must be harmless when nothing is to undo."""
        self._say({"undo": list(argv)})

    def release(self) -> None:
        """Let the process end without doing anything."""
        self._say({"done": True})
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(END_LIMIT_S)

    def _say(self, words: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(words) + "\n").encode())
        self._process.stdin.flush()


def main() -> int:
    """Listen until the other end is closed, and then clear up unless told that it was done."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, undo, done = "", [], False
    for line in sys.stdin:
        words = json.loads(line)
        folder = words.get("folder", folder)
        undo += [words["undo"]] if "undo" in words else []
        done = done or words.get("done", False)
    if folder and not done:
        clear(Path(folder), undo)
    return 0


def clear(folder: Path, undo: list[list[str]]) -> None:
    """Undo, end what runs on the folder, unmount what is in it, and remove it."""
    for argv in reversed([*undo, *undoing.commands(folder)]):
        subprocess.run(argv, check=False, timeout=UNDO_LIMIT_S, capture_output=True)
    for pid in leaks.processes(folder):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue
    sweep(folder)
    unmount_itself(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
