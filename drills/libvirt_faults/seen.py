"""What one drill has seen on one side: of so many objects, how many were wronged; and the verdict that follows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierhost.drills.verdicts import Finding, Verdict

EVIDENCE_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Seen:
    """`wronged` of `count` objects (`what`: "guests ran twice"). `count` 0: the fault did not fire, or nobody could look."""

    fault: str
    side: str
    wronged: int
    count: int
    what: str
    evidence: tuple[str, ...] = ()
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """No object looked at is no evidence."""
        if self.wronged:
            return Verdict.BROKEN
        return Verdict.HELD if self.count else Verdict.UNKNOWN

    @property
    def cell(self) -> str:
        """As a table shows it."""
        counted = f"{self.wronged} of {self.count} {self.what}" if self.count else "nothing was seen"
        return f"{counted} {self.note}".strip()

    def finding(self) -> Finding:
        """Say it as every judge does."""
        return Finding(self.fault, self.verdict, f"{self.side}: {self.cell}", self.evidence[:EVIDENCE_MAX])


def together(seen: list[Seen]) -> Seen:
    """Add up what was seen of one fault on one side."""
    first = seen[0]
    evidence = tuple(line for each in seen for line in each.evidence)
    wronged, count = sum(each.wronged for each in seen), sum(each.count for each in seen)
    return Seen(first.fault, first.side, wronged, count, first.what, evidence, first.note)
