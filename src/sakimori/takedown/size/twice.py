"""Two sinkholes: how many bots neither of them met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size import words
from sakimori.takedown.size.cells import unique
from sakimori.takedown.size.recapture import chao_two, chapman

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.model import Hits, Note

    Numbers = NDArray[Any]

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Twice:
    """All bots over those that were counted, as (low, middle, high): for the footprint and for a day.

    With identifiers, those on either list were counted; without, those of the first. `second` holds the
    same for the second list.
    """

    footprint: tuple[float, float, float]
    daily: tuple[float, float, float]
    notes: tuple[Note, ...]
    second: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None

    def factor(self, count: int) -> Numbers:
        """Return draws of the factors for footprint, a day and an hour."""
        rng = np.random.default_rng(5)
        return np.stack(
            [_drawn(rng, part, count) for part in (self.footprint, self.daily, self.daily)]
        )

    def other(self) -> Twice:
        """Return the factors of the second list."""
        return Twice(*(self.second or (self.footprint, self.daily)), self.notes)


def _drawn(rng: np.random.Generator, part: tuple[float, float, float], count: int) -> Numbers:
    """Return draws whose central 95 % reach from low to high, none below 1."""
    low, middle, high = part
    side = rng.standard_normal(count)
    below, above = (middle - low) / 1.96, (high - middle) / 1.96
    return np.maximum(middle + side * np.where(side < 0, below, above), 1.0)


def twice(one: Hits, two: Hits, *, by_name: bool) -> Twice:
    """Compare the lists of two sinkholes, by identifier or else by address and day."""
    first, second = (h.bot if by_name else h.ip for h in (one, two))
    days = _met(*(_per_day(h, who) for h, who in ((one, first), (two, second))))
    if days[2] < 7:
        return Twice((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (words.apart(),))
    if by_name:
        window = _met(first, second)
        return Twice(_of_all(window), _of_all(days), (words.twice(window[2]),))
    met = words.twice_addresses(days[2])
    parts = [_of_one(days[1], days[2]), _of_one(days[0], days[2])]
    # Over a window more were met than on one day; how many more is not known.
    wide = [(1.0, (1.0 + middle) / 2, high) for _, middle, high in parts]
    return Twice(wide[0], parts[0], (met,), (wide[1], parts[1]))


def _per_day(hits: Hits, who: Numbers) -> Numbers:
    day = (hits.time // _DAY).astype(np.int64)
    return np.where(who >= 0, day * (1 << 32) + who, -1)


def _met(first: Numbers, second: Numbers) -> tuple[int, int, int]:
    """Return how many distinct ones the first, the second, and both have; negative ones are none."""
    a, b = unique(first[first >= 0]), unique(second[second >= 0])
    return len(a), len(b), len(np.intersect1d(a, b, assume_unique=True))


def _of_all(met: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return all bots over those on either list."""
    seen = met[0] + met[1] - met[2]
    chap, chao = chapman(*met), chao_two(*met)
    return (
        min(chap.low, chao.low) / seen * 0.97,
        chap.estimate / seen,
        max(chap.high, chao.high) / seen * 1.03,
    )


def _of_one(other: int, both: int) -> tuple[float, float, float]:
    """Return all bots over those on one list, from the share of the other list that it has too."""
    missed = max(other / both, 1.0)
    error = 1.96 * (max(missed - 1.0, 0.0) / both) ** 0.5 + 0.05
    return max(1.0, missed * (1.0 - error)), missed, missed * (1.0 + error)
