"""The columns of the regression, and the answer that it explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.takedown.effect.series import Unit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import date

    from sakimori.takedown.effect.noise import Array
    from sakimori.takedown.effect.series import Series

SMALL = 5.0  # whole numbers below this: logs would bend them
_FLOOR = np.exp(-7.0)  # fitted counts never fall below this share of the mean


def base(
    series: Series, cut: int, holidays: Collection[date] = (), steps: Collection[int] = ()
) -> Array:
    """Return level, trend (0 at the cut, per 100 steps), season, holidays and known steps.

    The season is the weekday for days, and the hour besides for hours, where the series is long
    enough: three weeks, three days. Columns that never vary over the observed steps are left out.
    """
    length = len(series.values)
    at = np.arange(length, dtype=float)
    columns = [np.ones(length), (at - cut) / 100.0, *_season(series)]
    if holidays:
        columns.append(np.array([float(t.date() in holidays) for t in series.times]))
    columns += [(at >= step).astype(float) for step in steps]
    seen = ~np.isnan(series.values)
    varying = [c for c in columns[1:] if np.ptp(c[seen]) > 0] if seen.any() else columns[1:]
    return np.column_stack([columns[0], *varying])


def _season(series: Series) -> list[Array]:
    length, times = len(series.values), series.times
    columns: list[Array] = []
    if series.unit in (Unit.hour, Unit.day) and length * series.unit.days >= 21:
        weekday = np.array([t.weekday() for t in times])
        columns += [(weekday == day).astype(float) for day in range(1, 7)]
    if series.unit is Unit.hour and length >= 72:
        hour = np.array([t.hour for t in times])
        columns += [(hour == h).astype(float) for h in range(1, 24)]
    return columns


def after(length: int, cut: int, *, slope: bool) -> Array:
    """Return what the action may change: the level, and with `slope` the trend (per 100 steps)."""
    at = np.arange(length, dtype=float)
    level = (at >= cut).astype(float)
    return np.column_stack([level, level * (at - cut) / 100.0]) if slope else level[:, None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is regressed: log counts or their linear stand-in, NaN where missing.

    `weight` is the relative variance of counting noise; `kind` says how zeros were dealt with:
    "log", "count" (quasi-Poisson) or "half" (log of the count plus a half).
    """

    values: Array
    weight: Array
    kind: str


def answer(values: Array, columns: Array) -> Answer:
    """Choose the scale for counts with these columns.

    Log counts, where none is small. Else one step of quasi-Poisson regression from its fit without
    memory: eta + (y - mu) / mu, whose counting noise has a variance in proportion to 1 / mu. Where
    that has no finite answer (nothing at all on one side), log(count + 1/2).
    """
    there = values[~np.isnan(values)]
    whole = not (there % 1).any()
    if there.size and there.min() > 0 and (not whole or there.min() >= SMALL):
        return Answer(np.log(values), np.ones(len(values)), "log")
    fitted = _poisson(values, columns)
    if fitted is None:
        return halved(values)
    mean = np.exp(fitted)
    seen = ~np.isnan(values)
    weight = 1.0 / mean
    return Answer(fitted + (values - mean) / mean, weight / weight[seen].mean(), "count")


def halved(values: Array) -> Answer:
    """Return log(count + 1/2); for numbers that are no counts, plus half of the least above zero."""
    there = values[values > 0]
    half = 0.5 * float(there.min()) if there.size and (there % 1).any() else 0.5
    kind = "log" if there.size == (~np.isnan(values)).sum() else "half"
    return Answer(np.log(values + (half if kind == "half" else 0.0)), np.ones(len(values)), kind)


def _parts(counts: Array, design: Array) -> Iterator[Array]:
    """Yield the counts on each side of every yes-or-no column."""
    for column in design.T:
        if np.isin(column, (0.0, 1.0)).all():
            yield counts[column == 1.0]
            if not column.all():
                yield counts[column == 0.0]


def _poisson(values: Array, columns: Array) -> Array | None:
    """Return the linear predictor (times,) of a Poisson regression, or None where it has no end."""
    seen = ~np.isnan(values)
    counts, design = values[seen], columns[seen]
    if any(not part.any() for part in _parts(counts, design)):
        return None
    eta = np.log(counts + 0.1 * counts.mean())
    floor = np.log(counts.mean() * _FLOOR)
    beta = np.zeros(columns.shape[1])
    for _ in range(60):
        mean = np.exp(eta)
        root = np.sqrt(mean)
        working = eta + (counts - mean) / mean
        new = np.linalg.lstsq(design * root[:, None], working * root, rcond=None)[0]
        change = np.abs(new - beta).max()
        beta, eta = new, np.clip(design @ new, floor, 60.0)
        if change < 1e-8:
            break
    else:
        return None
    return np.asarray(np.clip(columns @ beta, floor, 60.0))
