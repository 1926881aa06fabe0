"""Figures of many runs, with what they are worth: quantiles and shares with 95 % intervals, and two sets held against each other.

Nothing here asks a clock or chance: where numbers are drawn, they are drawn from a seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, groupby, islice
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000
BISECTIONS: Final = 60


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and between what it lies with 95 % confidence. An infinite end: so few values say nothing about that side."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """Many values of one kind. `never`: how many never came, and are no value (they count as infinite)."""

    n: int
    p50: Estimate
    p95: Estimate
    p99: Estimate
    smallest: float
    largest: float
    never: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """`k` of `n`, and between what the true share lies (Clopper and Pearson's exact interval; with k = 0 a bound)."""

    k: int
    n: int
    low: float
    high: float

    def __str__(self) -> str:
        if self.n == 0:
            return "0 of 0"
        if self.k == 0:
            return f"0 of {self.n}: below {self.high:.2%} with 95 % confidence"
        return f"{self.k} of {self.n} ({self.k / self.n:.1%}; 95 % interval {self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Set A against set B: by how much the middle differs (B minus A), and how likely that is by chance alone."""

    difference: Estimate
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether chance alone would hardly show this."""
        return self.p_value < 1 - CONFIDENCE


# Distributions.


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share lies: the smallest one that has at least so many at or below it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def estimate(ordered: Sequence[float], share: float) -> Estimate:
    """A quantile with its interval from order statistics: exact for any distribution, and infinite where n is too small."""
    n, tail = len(ordered), (1 - CONFIDENCE) / 2
    # The quantile lies between the j-th and the k-th smallest value with the chance that j to k - 1 values are below it.
    chances = list(accumulate(_binomial(n, share)))
    below = next(k for k, chance in enumerate(chances) if chance > tail)
    above = next((k + 1 for k, chance in enumerate(chances) if chance >= 1 - tail), n + 1)
    low = ordered[below - 1] if below >= 1 else -math.inf
    high = ordered[above - 1] if above <= n else math.inf
    return Estimate(quantile(ordered, share), low, high)


def describe(values: Sequence[float], never: int = 0) -> Distribution | None:
    """Describe a set of values; None if there is none. Those that never came count as the largest."""
    if not values and not never:
        return None
    ordered = sorted(values) + [math.inf] * never
    parts = [estimate(ordered, share) for share in (0.5, 0.95, 0.99)]
    return Distribution(len(ordered), parts[0], parts[1], parts[2], ordered[0], ordered[-1], never)


def bootstrap(values: Sequence[float], of: Callable[[Sequence[float]], float], seed: int) -> Estimate:
    """Any figure of a set, with the interval in which it falls when the set is drawn anew from itself."""
    random = Random(seed)  # noqa: S311  # it must repeat; nothing here is a secret
    drawn = sorted(of(random.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    return Estimate(of(values), quantile(drawn, tail), quantile(drawn, 1 - tail))


# Shares.


def share(k: int, n: int) -> Share:
    """`k` of `n` with Clopper and Pearson's interval; 0 of n gives the bound known as the rule of three (nearly 3/n)."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    if n == 0:
        return Share(0, 0, 0.0, 1.0)
    # One-sided where only one side can be asked for: then all of the doubt is on that side.
    tail = (1 - CONFIDENCE) / 2 if 0 < k < n else 1 - CONFIDENCE
    low = 0.0 if k == 0 else _bisect(lambda p: 1 - _binomial_cdf(k - 1, n, p) < tail)
    high = 1.0 if k == n else _bisect(lambda p: _binomial_cdf(k, n, p) > tail)
    return Share(k, n, low, high)


def _bisect(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _binomial_cdf(k: int, n: int, p: float) -> float:
    """The chance of at most `k` of `n`, each with chance `p`."""
    return 0.0 if k < 0 else min(1.0, math.fsum(islice(_binomial(n, p), k + 1)))


def _binomial(n: int, p: float) -> Iterator[float]:
    """The chances of 0, 1, ... n of `n`."""
    if not 0 < p < 1:
        yield from (float(k == (n if p else 0)) for k in range(n + 1))
        return
    for k in range(n + 1):
        ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        yield math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


# Two sets.


def compare(a: Sequence[float], b: Sequence[float], seed: int) -> Comparison:
    """How much later the middle of B is than that of A, by bootstrap; and Mann and Whitney's test of whether either is later."""
    random = Random(seed)  # noqa: S311  # it must repeat; nothing here is a secret
    first, second = sorted(a), sorted(b)
    drawn = sorted(_median_drawn(second, random) - _median_drawn(first, random) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    seen = quantile(second, 0.5) - quantile(first, 0.5)
    return Comparison(Estimate(seen, quantile(drawn, tail), quantile(drawn, 1 - tail)), _rank_sum(a, b))


def _median_drawn(ordered: Sequence[float], random: Random) -> float:
    """The middle of a set drawn anew from itself, without drawing it: the m-th smallest of n even chances is a beta variate."""
    n = len(ordered)
    m = math.ceil(n / 2)
    return ordered[min(n - 1, int(random.betavariate(m, n - m + 1) * n))]


def _rank_sum(a: Sequence[float], b: Sequence[float]) -> float:
    """Mann and Whitney's test, by its normal approximation with ties and continuity taken into account."""
    ranked = sorted([(value, 0) for value in a] + [(value, 1) for value in b])
    n, m = len(a), len(b)
    sum_b, ties = 0.0, 0.0
    for _, group in groupby(enumerate(ranked, 1), key=lambda each: each[1][0]):
        same = [(rank, which) for rank, (_, which) in group]
        middle = (same[0][0] + same[-1][0]) / 2
        sum_b += middle * sum(which for _, which in same)
        ties += len(same) ** 3 - len(same)
    u = sum_b - m * (m + 1) / 2
    spread = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    if spread <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2))


def compare_shares(a: Share, b: Share) -> Comparison:
    """How much larger the share of B is, and Fisher's exact test; the interval is Newcombe's (from the two single ones)."""
    pa, pb = (each.k / each.n if each.n else 0.0 for each in (a, b))
    low = pb - pa - math.hypot(pb - b.low, a.high - pa)
    high = pb - pa + math.hypot(b.high - pb, pa - a.low)
    return Comparison(Estimate(pb - pa, max(-1.0, low), min(1.0, high)), _fisher(a, b))


def _fisher(a: Share, b: Share) -> float:
    total, successes = a.n + b.n, a.k + b.k
    ways = [
        math.comb(successes, i) * math.comb(total - successes, a.n - i)
        for i in range(max(0, a.n - (total - successes)), min(a.n, successes) + 1)
    ]
    seen = math.comb(successes, a.k) * math.comb(total - successes, a.n - a.k)
    return sum(way for way in ways if way <= seen) / sum(ways)
