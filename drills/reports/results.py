"""What a report is about: one drill, the runs it was tried in, the control beside it, and how to see it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill
    from tierhost.drills.verdicts import Finding


@dataclass(frozen=True, slots=True)
class Trial:
    """One run, and what the judges said of it."""

    history: History
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The judges' words taken together."""
        return worst(self.findings)


@dataclass(frozen=True, slots=True)
class Run:
    """One drill, run once or many times. `command` replays it, exactly as one would type it.

    `control` are runs without the faults. `other` are runs of another build or target, called `other_name`, that these
    are to be compared with. `notes` are sentences for the reader.
    """

    drill: Drill
    trials: tuple[Trial, ...]
    command: str
    control: tuple[Trial, ...] = ()
    other: tuple[Trial, ...] = ()
    other_name: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The worst of all trials; without one nobody knows."""
        return max((trial.verdict for trial in self.trials), default=Verdict.UNKNOWN)

    def by_verdict(self) -> list[Trial]:
        """The trials, the worst first."""
        return sorted(self.trials, key=lambda trial: -trial.verdict)
