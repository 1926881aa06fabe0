"""A campaign of small programs, run as its command, and what those programs left to tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 60.0

TRIAL = """
import os, subprocess, sys, time
place, name, sleep_s = sys.argv[1:4]
# one that leaves the session, as hosts do, and would outlive everybody
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(os.path.join(place, "begun"), "a") as begun:
    begun.write(f"{name} {os.getpid()} {child.pid}\\n")
import select
select.select([], [], [], float(sleep_s))
print('{"verdict": "HELD"}')
"""


@dataclass
class CampaignOfSleeps:
    """`folder` gets the plan, the results, and a line for each trial that really began."""

    folder: Path
    trials: int
    sleep_s: float

    def __post_init__(self) -> None:
        command = [sys.executable, "-c", TRIAL, str(self.folder), "{drill}-{seed}", str(self.sleep_s)]
        seeds = f"seeds = {{ first = 0, count = {self.trials} }}"
        text = f'drills = ["nap"]\n{seeds}\nlimit_s = 20\ncommand = {json.dumps(command)}\n'
        (self.folder / "plan.toml").write_text(text)

    def argv(self, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "tierhost.drills", "campaign", str(self.folder / "plan.toml"), "--format", "json"),
            *more,
        ]

    def run(self, *more: str) -> dict[str, Any]:
        """Run it to its end, and return its report."""
        done = subprocess.run(self.argv(*more), capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.argv(*more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def begun(self) -> list[tuple[str, int, int]]:
        """Each real beginning: name of the trial, its process, and the process it left behind."""
        path = self.folder / "begun"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1]), int(line.split()[2])) for line in lines]

    def alive(self) -> list[int]:
        """The processes of trials that still run."""
        return [pid for _, *pids in self.begun() for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}
