"""Two-by-two tables: risk ratio with interval, exact tests, pooling over strata.

Sources: Katz et al. 1978 (log interval); Haldane 1956 and Anscombe 1956 (a half in every cell); Mantel and
Haenszel 1959; Greenland and Robins 1985, Biometrics 41:55 (variance of the pooled ratio); Mehta, Patel and
Gray 1985 (exact test over strata); Holm 1979.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

_Z = 1.959963984540054  # 97.5 % of the normal distribution
_TIES = 1 + 1e-7  # probabilities this near count as equal, as in R's fisher.test
_WIDEST = 200_000  # support of the exact distribution beyond which the normal one is used


@dataclass(frozen=True, slots=True)
class Table:
    """Machines by exposure and symptom: a exposed with, b exposed without, c and d the same unexposed."""

    a: int
    b: int
    c: int
    d: int

    @property
    def exposed(self) -> int:
        """Machines with the exposure."""
        return self.a + self.b

    @property
    def unexposed(self) -> int:
        """Machines without it."""
        return self.c + self.d

    @property
    def n(self) -> int:
        """All machines."""
        return self.exposed + self.unexposed

    @property
    def informs(self) -> bool:
        """Whether it says anything about a tie: both exposures and both outcomes are there."""
        return min(self.exposed, self.unexposed, self.a + self.c, self.b + self.d) > 0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A risk ratio with its 95 % interval. `corrected`: a half was added to every cell."""

    value: float
    low: float
    high: float
    corrected: bool = False


def risk_ratio(table: Table) -> Ratio | None:
    """Return the risk in exposed machines over that in others; None without machines on both sides.

    Interval by the log method. Where a cell of the symptom is empty, a half is added to every cell, for
    the ratio and the interval.
    """
    if not table.exposed or not table.unexposed:
        return None
    half = 0.5 if 0 in (table.a, table.c) else 0.0
    a, c = table.a + half, table.c + half
    n1, n0 = table.exposed + 2 * half, table.unexposed + 2 * half
    value = (a / n1) / (c / n0)
    spread = math.sqrt(max(1 / a - 1 / n1 + 1 / c - 1 / n0, 0.0))
    return _around(value, spread, corrected=half > 0)


def pooled_ratio(tables: Sequence[Table]) -> Ratio | None:
    """Return the Mantel-Haenszel risk ratio over strata with Greenland and Robins' interval.

    One table gives its own risk ratio. Strata without machines on both sides carry no weight. Where no
    exposed or no unexposed machine has the symptom, a half is added to every cell of those that count.
    """
    used = [t for t in tables if t.exposed and t.unexposed]
    if len(used) <= 1:
        return risk_ratio(used[0]) if used else None
    half = 0.5 if 0 in (sum(t.a for t in used), sum(t.c for t in used)) else 0.0
    above = below = variance = 0.0
    for t in used:
        a, c = t.a + half, t.c + half
        n1, n0 = t.exposed + 2 * half, t.unexposed + 2 * half
        n = n1 + n0
        above += a * n0 / n
        below += c * n1 / n
        variance += ((a + c) * n1 * n0 - a * c * n) / n**2
    return _around(
        above / below, math.sqrt(max(variance, 0.0) / (above * below)), corrected=half > 0
    )


def _around(value: float, spread: float, *, corrected: bool) -> Ratio:
    return Ratio(value, value * math.exp(-_Z * spread), value * math.exp(_Z * spread), corrected)


def fisher(table: Table) -> float:
    """Return Fisher's exact two-sided p value: 1 where a margin is empty."""
    return exact([table])


def exact(tables: Sequence[Table]) -> float:
    """Return the exact two-sided p value over strata; with one stratum it is Fisher's.

    Given all margins, the number of exposed machines with the symptom is a sum of hypergeometric numbers
    when exposure and symptom have nothing to do with each other. Sums less likely than what was seen, or as
    likely, make the p value. Beyond 200,000 possible sums the normal approximation is used.
    """
    used = [t for t in tables if t.informs]
    if not used:
        return 1.0
    if sum(min(t.exposed, t.a + t.c) for t in used) > _WIDEST:
        return _normal(used)
    return _summed(used)


def _summed(tables: Sequence[Table]) -> float:
    import numpy as np  # noqa: PLC0415 - slow to import

    whole = np.ones(1)
    seen = 0
    for t in tables:
        part = _hypergeometric(t)
        whole = _convolved(whole, part)
        seen += t.a - max(0, t.exposed + t.a + t.c - t.n)
    return float(min(1.0, whole[whole <= whole[seen] * _TIES].sum()))


def _convolved(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The distribution of a sum of two; by Fourier transform where both are long."""
    import numpy as np  # noqa: PLC0415 - slow to import

    if min(len(one), len(other)) < 500:
        return np.convolve(one, other)
    size = len(one) + len(other) - 1
    product = np.fft.irfft(np.fft.rfft(one, size) * np.fft.rfft(other, size), size)
    result: np.ndarray = np.maximum(product, 0)
    return result


def _hypergeometric(t: Table) -> np.ndarray:
    """The chances of every possible number of exposed machines with the symptom, from the least on."""
    import numpy as np  # noqa: PLC0415 - slow to import
    from scipy.special import gammaln  # noqa: PLC0415 - slow to import

    with_symptom = t.a + t.c
    k = np.arange(max(0, t.exposed + with_symptom - t.n), min(t.exposed, with_symptom) + 1)

    def log_choose(n: float | np.ndarray, m: np.ndarray) -> np.ndarray:
        result: np.ndarray = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
        return result

    logs = log_choose(t.exposed, k) + log_choose(t.unexposed, with_symptom - k)
    chances = np.exp(logs - logs.max())
    result: np.ndarray = chances / chances.sum()
    return result


def _normal(tables: Sequence[Table]) -> float:
    """Mantel and Haenszel's test with continuity correction."""
    excess = variance = 0.0
    for t in tables:
        with_symptom = t.a + t.c
        excess += t.a - t.exposed * with_symptom / t.n
        variance += t.exposed * t.unexposed * with_symptom * (t.b + t.d) / (t.n**2 * (t.n - 1))
    z = max(abs(excess) - 0.5, 0.0) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def homogeneity(tables: Sequence[Table]) -> float | None:
    """Return the p value that the ratio is the same in all strata (Cochran's Q of log ratios).

    None with fewer than two strata that have both exposures and both outcomes.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - slow to import

    used = [t for t in tables if t.informs]
    if len(used) < 2:
        return None
    logs, weights = [], []
    for t in used:
        half = 0.5 if 0 in (t.a, t.c) else 0.0
        a, c, n1, n0 = t.a + half, t.c + half, t.exposed + 2 * half, t.unexposed + 2 * half
        variance = 1 / a - 1 / n1 + 1 / c - 1 / n0
        logs.append(math.log((a / n1) / (c / n0)))
        weights.append(1 / max(variance, 1e-12))
    middle = sum(w * x for w, x in zip(weights, logs, strict=True)) / sum(weights)
    q = sum(w * (x - middle) ** 2 for w, x in zip(weights, logs, strict=True))
    return float(chdtrc(len(used) - 1, q))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number by Holm's method, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [1.0] * len(p_values)
    so_far = 0.0
    for rank, at in enumerate(order):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = so_far
    return adjusted
