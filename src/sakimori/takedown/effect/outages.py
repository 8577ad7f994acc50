"""Sensors that failed: zeros that no botnet made.

A stopped sensor writes zeros or nothing. Such steps say nothing of the botnet, so they are set aside,
never counted as an effect. Two signs are used. One series falls to exact zeros between days on which
it had 20 and more each, and comes back. Or all series of the file fall below 2 % of their level at
once, and come back. What never comes back may be the action itself and is kept, with a warning; so
are more than 14 steps of zeros that begin with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.takedown.effect.noise import Array
    from sakimori.takedown.effect.series import Series

AROUND = 7  # steps on each side that tell the level
LEAST = 20.0  # a Poisson count of this mean is zero once in 500 million
NEARLY = 0.02
LONG = 14  # steps of zeros from the action on that are taken for its work, though they end


@dataclass(frozen=True, slots=True)
class Suspected:
    """Steps of one series to set aside (1.0 where so), and runs of zeros that were kept."""

    aside: Array
    kept: tuple[int, ...]


def suspected(every: Sequence[Series], cut: int) -> list[Suspected]:
    """Look for outages in the series of one file; one answer a series, in order."""
    shared = _shared(every)
    return [_alone(one, shared, cut) for one in every]


def _alone(one: Series, shared: Array, cut: int) -> Suspected:
    values = one.values
    aside = np.where(np.isnan(values), 0.0, shared)
    kept = []
    for begin, end in _runs(np.nan_to_num(values, nan=0.0) == 0.0):
        zeros = values[begin:end] == 0.0
        if not zeros.any() or shared[begin:end].all():
            continue
        back = _level(values, begin, end) is not None
        the_action = abs(begin - cut) <= 1 and end - begin > LONG
        if back and not the_action:
            aside[begin:end][zeros] = 1.0
        elif the_action or (end == len(values) and _busy(values[max(0, begin - AROUND) : begin])):
            kept.append(begin)
    return Suspected(aside, tuple(kept))


def _shared(every: Sequence[Series]) -> Array:
    """Mark the steps at which all of two or more series were down, and came back."""
    length = len(every[0].values)
    if len(every) < 2:
        return np.zeros(length)
    down = np.ones(length, dtype=bool)
    for one in every:
        down &= ~(np.nan_to_num(one.values, nan=0.0) > NEARLY * _typical(one.values))
    marks = np.zeros(length)
    for begin, end in _runs(down):
        if all(_level(one.values, begin, end) is not None for one in every):
            marks[begin:end] = 1.0
    return marks


def _typical(values: Array) -> Array:
    """Return the median of the steps around each one, itself left out."""
    wide = 3 * AROUND
    padded = np.concatenate([np.full(wide, np.nan), values, np.full(wide, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * wide + 1).copy()
    windows[:, wide] = np.nan
    empty = np.isnan(windows).all(axis=1)
    windows[empty] = 0.0
    return np.asarray(np.nanmedian(windows, axis=1))


def _level(values: Array, begin: int, end: int) -> float | None:
    """Return the level before a run when the series was busy before and is again after; or None."""
    before = values[max(0, begin - AROUND) : begin]
    after = values[end : end + AROUND]
    if not (_busy(before) and _busy(after)):
        return None
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    return float(np.median(before)) if np.median(after) > 0.1 * np.median(before) else None


def _busy(values: Array) -> bool:
    """Whether no step was quiet: for counts 20 and more, for shares and billions above zero."""
    there = values[~np.isnan(values)]
    if len(there) < 2 or there.min() <= 0:
        return False
    return bool((there % 1).any() or np.median(there) >= LEAST)


def _runs(marks: Array | np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield begin and end (exclusive) of each run of marked steps."""
    at = 0
    for marked, run in groupby(marks.tolist()):
        length = len(list(run))
        if marked:
            yield at, at + length
        at += length
