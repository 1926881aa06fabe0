"""The program that is recorded: it lives as one subject, changes it step by step, and says what was acknowledged."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierhost.drills.power_cut import subjects
from tierhost.drills.power_cut.following import STANDARD_OUTPUT

if TYPE_CHECKING:
    from tierhost.drills.power_cut.subjects import Life, Subject


def say(word: str, number: int, **more: Any) -> None:
    """Tell the world, in one write, so that the recording has it in order among what was written to files."""
    os.write(STANDARD_OUTPUT, json.dumps({"said": word, "number": number, **more}).encode() + b"\n")


def work(subject: Subject, folder: Path, steps: int | None = None) -> None:
    """Do everything a subject is made to do, or its first steps.

    "begun" is said before a change, "done" with all that must survive after it.
    """
    with ExitStack() as lives:
        life: Life = lives.enter_context(subject.live(folder, subjects.FIRST_BOOT))
        say("done", 0, title="started on an empty folder", rows=subject.survives(life.rows()))
        for number, step in enumerate(subject.steps()[:steps], 1):
            say("begun", number, title=step.title)
            if step.act is None:
                lives.close()
                life = lives.enter_context(subject.live(folder, subjects.FIRST_BOOT))
            else:
                step.act(life)
            say("done", number, title=step.title, rows=subject.survives(life.rows()))
        if subject.finish is not None:
            subject.finish(life)


if __name__ == "__main__":
    work(subjects.subject(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
