"""How many were missed, from how often the same ones were met.

Two lists: Chapman 1951, the small-sample form of Lincoln and Petersen, right when being on one list says
nothing about being on the other and all bots are alike. Chao 1987 for bots that differ: what he gives is a
lower bound, and for two lists equals Lincoln and Petersen where both lists are as long. One list: Chao 1984,
from those met once and twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

_Z = 1.96


@dataclass(frozen=True, slots=True)
class Captured:
    """An estimate with its 95 % interval; never below the number met."""

    estimate: float
    low: float
    high: float


def chapman(first: int, second: int, both: int) -> Captured:
    """Return the size of the population behind two independent lists.

    The interval is that of the logarithm of the number never met (Chao 1989), so it cannot fall below
    what was seen. Raises ValueError when the counts contradict each other.
    """
    if not 0 <= both <= min(first, second):
        raise ValueError(f"{both} on both lists of {first} and {second}")
    met = first + second - both
    estimate = (first + 1) * (second + 1) / (both + 1) - 1
    variance = (
        (first + 1) * (second + 1) * (first - both) * (second - both)
        / ((both + 1) ** 2 * (both + 2))
    )  # fmt: skip
    return _above(met, estimate, variance)


def chao_two(first: int, second: int, both: int) -> Captured:
    """Return Chao's lower bound for two lists of bots that differ in how easily they are met."""
    met, once = first + second - both, first + second - 2 * both
    missed = 0.5 * once * max(once - 1, 0) / (2 * (both + 1))
    ratio = once / max(both, 1)
    variance = both * (0.25 * ratio**2 + 0.25 * ratio**3 + 0.0625 * ratio**4)
    return _above(met, met + missed, variance)


def chao_one(met: int, once: int, twice: int) -> Captured:
    """Return Chao's estimate from one list: `once` of the `met` were heard once, `twice` twice."""
    missed = once * max(once - 1, 0) / (2 * (twice + 1))
    ratio = once / max(twice, 1)
    variance = twice * (0.5 * ratio**2 + ratio**3 + 0.25 * ratio**4)
    return _above(met, met + missed, variance)


def _above(met: int, estimate: float, variance: float) -> Captured:
    missed = max(estimate - met, 0.0)
    if missed < 1e-9 or variance <= 0:
        return Captured(max(estimate, met), met, max(estimate, met))
    factor = exp(_Z * sqrt(log(1 + variance / missed**2)))
    return Captured(met + missed, met + missed / factor, met + missed * factor)
