"""Trying every date: placebo dates before the action, and changes found without being told it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.takedown.effect.noise import Whitener, fit, one_more

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.effect.noise import Array, Grid

PLACEBO_LEVEL = 0.01
PLACEBO_MOST = 0.10
JUMP = 0.01  # chance that a series without jumps shows one
JUMPS = 5
_CELLS = 20_000_000  # numbers of all whitened steps at once
_DATES = 240  # dates tried at most; more are thinned


@dataclass(frozen=True, slots=True)
class Placebo:
    """How the model fares at dates on which nothing was done.

    `rate` is the share of `dates` at which it finds an effect, `jumps` the dates (steps) of changes
    that chance does not explain.

    Neighbouring dates share their data, so one chance bump rejects at many of them. Tested at 5 %,
    a sound series of 8 weeks is above 10 % in 20 of 100 cases; tested at 1 %, in 1 of 100 (measured
    with bench/effect.py). Around a jump, the noise is that between the jumps: noise that had to
    explain the jump as well would find every date in order.
    """

    rate: float
    dates: int
    jumps: tuple[int, ...]

    @property
    def refuses(self) -> bool:
        """Whether the model rejects too often for its p value to mean anything."""
        return self.rate > PLACEBO_MOST


def placebo(values: Array, columns: Array, weight: Array, pairs: Grid) -> Placebo | None:
    """Run the model at each admissible date of a series without action; None when there are few.

    Admissible are dates with a sixth of the steps, and at least 6, on either side.
    """
    seen = ~np.isnan(values)
    places = np.flatnonzero(seen)
    side = max(6, len(places) // 6)
    dates = places[side : len(places) - side + 1]
    if len(dates) < 8:
        return None
    whiten = Whitener.build(pairs, seen, weight)
    steps = Steps.build(whiten, dates)
    fitted = fit(whiten, pairs, columns, values)
    if fitted is None:
        return None
    jumps = jumps_in(whiten, pairs, (columns, values), steps)
    clean = fit(whiten, pairs, with_steps(columns, jumps), values) if jumps else None
    if clean is not None:
        fitted = fitted.weighed_as(clean)
    p_values = one_more(fitted, steps.white, fixed=clean is not None)
    return Placebo(float((p_values < PLACEBO_LEVEL).mean()), len(steps.dates), jumps)


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps at many dates, (D,), and their whitened columns, (pairs, n, D)."""

    dates: np.ndarray
    white: Array

    @classmethod
    def build(cls, whiten: Whitener, dates: np.ndarray) -> Steps:
        """Whiten a step at each date; of too many dates, evenly chosen ones."""
        most = max(20, min(_DATES, _CELLS // (len(whiten.rho) * len(whiten.seen))))
        kept = dates[:: max(1, -(-len(dates) // most))]
        at = np.arange(len(whiten.seen))[:, None]
        return cls(kept, whiten((at >= kept).astype(float)))


def jumps_in(
    whiten: Whitener,
    pairs: Grid,
    data: tuple[Array, Array],
    steps: Steps,
    chance: float = JUMP,
) -> tuple[int, ...]:
    """Find the dates at which the level changes: the strongest first, until chance explains the rest.

    Each round adds the date of the least p value to the model while that value, times the number
    of dates tried, is below `chance`. At most five, three steps apart. `data` is columns and values.
    """
    columns, values = data
    found: list[int] = []
    while len(found) < JUMPS:
        fitted = fit(whiten, pairs, with_steps(columns, found), values)
        if fitted is None or fitted.freedom < 4:
            break
        p_values = one_more(fitted, steps.white)
        near = np.abs(steps.dates[:, None] - np.array([*found, -99])).min(axis=1) <= 2
        p_values[near] = 1.0
        if p_values.min() * len(p_values) >= chance:
            break
        found.append(int(steps.dates[p_values.argmin()]))
    return tuple(sorted(found))


def with_steps(columns: Array, steps: Sequence[int]) -> Array:
    """Return the columns and a step at each of these."""
    at = np.arange(len(columns))
    return np.column_stack([columns, *[(at >= step).astype(float) for step in steps]])
