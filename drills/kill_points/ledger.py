"""What a sweep has found and judged so far, on disk: whoever starts again goes on where it was; shards share the file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.launcher.points import Point
from tierhost.drills.launcher.tracing import PRODUCT
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.kill_points.judging import Trial
    from tierhost.drills.verdicts import Finding

SOURCES: Final = ("host", "ipc", "workers", "drills/kill_points", "drills/launcher")
DIGEST_CHARS: Final = 12
TEXT_CHARS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """One point that was tried, and what became of it."""

    operation: str
    driver: str
    point: str
    fired: bool
    verdict: str
    text: str = ""
    outcome: str = ""
    proof: str = ""
    took_ms: int = 0
    evidence: tuple[str, ...] = ()

    @classmethod
    def of(cls, trial: Trial, driver: str, findings: list[Finding], took_s: float) -> Judged:
        """Put a trial and its findings on record."""
        verdict = worst(findings)
        bad = [finding for finding in findings if finding.verdict is not Verdict.HELD]
        text = "; ".join(f"{finding.checker}: {finding.text}" for finding in bad)
        evidence = tuple(line[:TEXT_CHARS_MAX] for finding in bad for line in finding.evidence)
        ended = trial.kind or trial.outcome
        took_ms = round(took_s * 1000)
        return cls(trial.operation, driver, trial.point, trial.fired, verdict.name, text, ended, trial.proof, took_ms, evidence)


@dataclass(slots=True)
class Ledger:
    """Lines of JSON, appended one at a time. Without a path it is in memory only."""

    path: Path | None
    digest: str
    found: dict[str, list[Point]] = field(default_factory=dict)
    judged: dict[tuple[str, str], Judged] = field(default_factory=dict)
    _read_to: int = 0

    def refresh(self) -> None:
        """Take in what others have appended. Lines of other code, and half a line at the end, are passed over."""
        if self.path is None or not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                row = json.loads(line)
                if row["digest"] == self.digest:
                    self._take(row)

    def _take(self, row: Mapping[str, Any]) -> None:
        if row["what"] == "found":
            # The first to count is right: then all shards go by the same list.
            self.found.setdefault(row["operation"], [Point(*point) for point in row["points"]])
        else:
            one = Judged(**{**row["judged"], "evidence": tuple(row["judged"]["evidence"])})
            self.judged[one.operation, one.point] = one

    def has_found(self, operation: str, points: Iterable[Point]) -> None:
        """Put an operation's points on record."""
        self._append({"what": "found", "operation": operation, "points": [list(point) for point in points]})

    def has_judged(self, one: Judged) -> None:
        """Put a judgement on record."""
        self._append({"what": "judged", "judged": asdict(one)})

    def _append(self, row: dict[str, Any]) -> None:
        row["digest"] = self.digest
        if self.path is None:
            self._take(row)
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(row).encode() + b"\n")
        finally:
            os.close(descriptor)
        self.refresh()


def code_digest() -> str:
    """Name the code that is drilled: a result of other code is no result."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted(Path(PRODUCT, folder).rglob("*.py")):
            digest.update(str(path.relative_to(PRODUCT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:DIGEST_CHARS]
