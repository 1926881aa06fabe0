"""What a benchmark hands back: samples with their spread, a bar, and whether it was met."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

MS = 1e3
US = 1e6
MB = 1e-6


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank: always one that was measured)."""
    ranked = sorted(values)
    rank = max(1, -(-len(ranked) * percent // 100))
    return ranked[int(rank) - 1]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Summarize a distribution: one number alone hides the bad days."""
    return {
        "n": len(values),
        "min": min(values),
        "p50": percentile(values, 50),
        "p95": percentile(values, 95),
        "p99": percentile(values, 99),
        "max": max(values),
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """What must hold: of the ratio ours / peer, of our figure itself, or of both."""

    ratio_max: float | None = None
    ours_max: float | None = None

    def is_met(self, ours: float, ratio: float) -> bool:
        """Whether a figure meets it."""
        return (self.ratio_max is None or ratio <= self.ratio_max) and (self.ours_max is None or ours <= self.ours_max)

    def text(self, unit: str) -> str:
        """Say it in the table's words."""
        parts = [] if self.ratio_max is None else [f"ratio <= {self.ratio_max:g}"]
        parts += [] if self.ours_max is None else [f"<= {self.ours_max:g} {unit}"]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the result. `detail` holds spreads (in `unit`) and whatever else a reader may want to know."""

    name: str
    ours: float
    peer: float
    unit: str
    n: int
    peer_name: str
    bar: Bar
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Ours in units of the peer's; smaller is better everywhere."""
        return self.ours / self.peer if self.peer else float(self.ours > 0)

    @property
    def is_met(self) -> bool:
        """Whether the bar holds."""
        return self.bar.is_met(self.ours, self.ratio)

    def record(self) -> dict[str, Any]:
        """The entry as it stands in build/bench.json."""
        plain = {key: getattr(self, key) for key in ("name", "ours", "peer", "ratio", "unit", "n", "peer_name")}
        return plain | {"bar": self.bar.text(self.unit), "met": self.is_met, "detail": dict(self.detail)}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A benchmark that cannot run here, and why."""

    name: str
    reason: str

    def record(self) -> dict[str, Any]:
        """The entry as it stands in build/bench.json: no figures, but the reason."""
        nothing = dict.fromkeys(("ours", "peer", "ratio", "unit", "peer_name"))
        return {"name": self.name, **nothing, "n": 0, "bar": "", "met": None, "detail": {"skipped": self.reason}}


def compare(
    name: str,
    samples: Mapping[str, Sequence[float]],
    peer: str,
    bar: Bar,
    *,
    unit: str,
    scale: float,
    percent: float = 50,
    **detail: Any,
) -> Entry:
    """Make the entry of two distributions: `samples["ours"]` against `samples[peer]`, at one percentile of both."""
    scaled = {who: [value * scale for value in values] for who, values in samples.items()}
    shown = {"percentile": percent} | {who: spread(values) for who, values in scaled.items() if values} | detail
    ours, theirs = (percentile(scaled[who], percent) for who in ("ours", peer))
    return Entry(name, ours, theirs, unit, len(scaled["ours"]), peer, bar, shown)


def interleave(measured: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take turns, beginning with another one each round: whatever the machine is busy with hits everybody alike."""
    samples: dict[str, list[float]] = {name: [] for name in measured}
    names = list(measured)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(measured[name]())
    return samples


def table(results: Iterable[Entry | Skipped]) -> str:
    """Lay the results out for people."""
    rows = [("benchmark", "ours", "peer", "unit", "ratio", "bar", "", "n", "peer is")]
    for result in results:
        if isinstance(result, Skipped):
            rows.append((result.name, "-", "-", "", "-", "", "skipped", "0", result.reason))
            continue
        figures = (f"{result.ours:.4g}", f"{result.peer:.4g}", result.unit, f"{result.ratio:.3g}")
        rows.append(
            (
                result.name,
                *figures,
                result.bar.text(result.unit),
                "met" if result.is_met else "MISSED",
                str(result.n),
                result.peer_name,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows)


def write(results: Iterable[Entry | Skipped], path: Path) -> None:
    """Keep the results for machines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([result.record() for result in results], indent=1) + "\n", encoding="utf-8")
