"""Hits as cells: how often each address called in each clock hour.

Everything without identifiers is estimated from these, so memory follows addresses times hours and not
hits. Cells are sorted by address, then hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Cells:
    """Arrays of one length, sorted by `ip`, then `hour`.

    `ip` and `asn` are codes from 0, `hour` counts clock hours from `first_hour` (hours since 1970), `hits`
    is how many calls. `hours` is the window's length.
    """

    ip: Numbers
    hour: Numbers
    asn: Numbers
    hits: Numbers
    first_hour: int
    hours: int

    def of(self, keep: Numbers) -> Cells:
        """Return the cells where `keep` holds; the window stays."""
        return Cells(
            self.ip[keep], self.hour[keep], self.asn[keep], self.hits[keep],
            self.first_hour, self.hours,
        )  # fmt: skip

    @property
    def day(self) -> Numbers:
        """UTC day of each cell, from the window's first day."""
        return (self.hour + self.first_hour % 24) // 24

    @property
    def days(self) -> int:
        """UTC days that the window touches."""
        return int((self.first_hour % 24 + self.hours + 23) // 24)


def whole_days(cells: Cells) -> Numbers:
    """Return which UTC days the window covers whole; all of them when it covers none whole.

    A day counts as whole when 23 of its 24 hours lie within the window.
    """
    start = np.arange(cells.days) * 24 - cells.first_hour % 24
    covered = np.minimum(start + 24, cells.hours) - np.maximum(start, 0)
    whole = covered >= 23
    return whole if whole.any() else np.ones(cells.days, bool)


def unique(values: Numbers) -> Numbers:
    """Return the distinct values in order, by sorting: numpy's own hashes, many times slower here."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def runs(sorted_values: Numbers) -> tuple[Numbers, Numbers]:
    """Return where each run of equal values starts, and how long it is."""
    if not len(sorted_values):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, sorted_values[1:] != sorted_values[:-1]])
    return starts, np.diff(np.r_[starts, len(sorted_values)])


def distinct(cells: Cells, by: Numbers, size: int) -> Numbers:
    """Return how many distinct addresses there are in each of `size` periods `by` (sorted per address)."""
    key = cells.ip.astype(np.int64) * size + by
    first = np.r_[True, key[1:] != key[:-1]] if len(key) else np.zeros(0, bool)
    return np.bincount(by[first], minlength=size)
