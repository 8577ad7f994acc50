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


_NEXT_TO_NOTHING = 0.01  # of a day's calls


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

    A day counts as whole when 23 of its 24 hours lie within the window, or when next to nothing calls, on
    days that do, in the hours that it lacks: bots that sleep do not cut the window short.
    """
    start = np.arange(cells.days) * 24 - cells.first_hour % 24
    covered = np.minimum(start + 24, cells.hours) - np.maximum(start, 0)
    whole = covered >= 23
    if not whole.any():
        return np.ones(cells.days, bool)
    if whole.all():
        return whole
    clock = (cells.hour + cells.first_hour) % 24
    calls = np.bincount(clock[whole[cells.day]], weights=cells.hits[whole[cells.day]], minlength=24)
    hour = np.arange(cells.days)[:, None] * 24 - cells.first_hour % 24 + np.arange(24)[None, :]
    lacks = ((hour < 0) | (hour >= cells.hours)) @ calls
    return np.asarray(whole | (lacks <= _NEXT_TO_NOTHING * calls.sum()))


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
