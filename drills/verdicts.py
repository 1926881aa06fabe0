"""What a judge may say: HELD, UNKNOWN or BROKEN, in that order; no evidence is not success."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(IntEnum):
    """The larger one wins when several are taken together."""

    HELD = 0
    UNKNOWN = 1
    BROKEN = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One judge's word on one run: which promise, the verdict, a sentence, and what it rests on (a line each)."""

    checker: str
    verdict: Verdict
    text: str
    evidence: tuple[str, ...] = ()


def worst(findings: Iterable[Finding]) -> Verdict:
    """Take several words together. Where nobody judged, nobody knows."""
    return max((finding.verdict for finding in findings), default=Verdict.UNKNOWN)
