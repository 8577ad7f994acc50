"""A series of counts on an even grid of hours, days, weeks or months; gaps are NaN, zeros are zeros."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sakimori.takedown.effect.noise import Array

LONGEST = 6000  # steps of a grid; hours of 250 days


class Unit(StrEnum):
    """The distance between two points."""

    hour = "hour"
    day = "day"
    week = "week"
    month = "month"

    def after(self, start: datetime, steps: int) -> datetime:
        """Return the time so many steps after `start`."""
        if self is Unit.month:
            months = start.year * 12 + start.month - 1 + steps
            return start.replace(year=months // 12, month=months % 12 + 1)
        return start + steps * _LENGTH[self]

    def steps(self, start: datetime, end: datetime) -> int:
        """Return the whole steps from `start` to `end`, rounded down."""
        if self is Unit.month:
            months = (end.year - start.year) * 12 + end.month - start.month
            return months - (self.after(start, months) > end)
        return (end - start) // _LENGTH[self]

    @property
    def days(self) -> float:
        """Return its length in days."""
        return 30.44 if self is Unit.month else _LENGTH[self] / timedelta(days=1)


_LENGTH = {
    Unit.hour: timedelta(hours=1),
    Unit.day: timedelta(days=1),
    Unit.week: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Series:
    """Counts of one kind of event; `values[i]` belongs to the step that begins at `time(i)`."""

    name: str
    start: datetime
    unit: Unit
    values: Array

    def time(self, at: int) -> datetime:
        """Return when a step begins."""
        return self.unit.after(self.start, at)

    @property
    def times(self) -> list[datetime]:
        """Return when each step begins."""
        return [self.time(at) for at in range(len(self.values))]

    def without(self, gone: Array | NDArray[np.bool_]) -> Series:
        """Return a copy with the marked steps missing."""
        return replace(self, values=np.where(gone.astype(bool), np.nan, self.values))

    def until(self, last: datetime) -> Series:
        """Return the steps that begin no later than `last`."""
        return replace(self, values=self.values[: self.unit.steps(self.start, last) + 1])


def on_grid(points: Mapping[str, Mapping[datetime, float]]) -> list[Series]:
    """Return each series on the one grid of all of them, NaN where a step has no value.

    The distance is the longest of month, week, day and hour that every time falls on. Raises
    SourceError where times fit no such grid, or when the grid would be longer than 6,000 steps.
    """
    every = sorted({time for times in points.values() for time in times})
    if not every:
        raise SourceError("no series has a value")
    unit = _unit(every)
    start = every[0]
    length = unit.steps(start, every[-1]) + 1
    if length > LONGEST:
        raise SourceError(
            f"{length:,} steps of one {unit} are more than {LONGEST:,}",
            hint="sum hours to days, or cut the series around the date",
        )
    made = []
    for name, values in points.items():
        row = np.full(length, np.nan)
        for time, value in values.items():
            row[unit.steps(start, time)] = value
        made.append(Series(name, start, unit, row))
    return made


def _unit(times: Sequence[datetime]) -> Unit:
    if _monthly(times):
        return Unit.month
    gaps = {later - sooner for sooner, later in pairwise(times)}
    for unit in (Unit.week, Unit.day, Unit.hour):
        if unit is Unit.week and len(times) < 3:
            continue
        if all(not gap % _LENGTH[unit] for gap in gaps):
            return unit
    raise SourceError(
        "the times are not whole hours, days, weeks or months apart",
        hint="sum the counts to hours or days first",
    )


def _monthly(times: Sequence[datetime]) -> bool:
    gaps = [later - sooner for sooner, later in pairwise(times)]
    same = {(t.day, t.time()) for t in times}
    return len(times) >= 3 and len(same) == 1 and times[0].day <= 28 and min(gaps).days >= 28


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the action falls on a grid: steps from `first` on come after it.

    `mixed` is the step it falls into, when that is not its beginning: such a step is neither.
    """

    first: int
    mixed: int | None


def cut_at(series: Series, when: datetime) -> Cut:
    """Find a time on the grid. Raises ConfigError when it leaves nothing before or after it."""
    last = series.time(len(series.values) - 1)
    if not series.start < when <= last:
        raise ConfigError(
            f"{when:%Y-%m-%d} is not inside the series, which goes from {series.start:%Y-%m-%d}"
            f" to {last:%Y-%m-%d}",
            hint="--date takes the day of the action; values are needed before and after it",
        )
    at = series.unit.steps(series.start, when)
    return Cut(at, None) if series.time(at) == when else Cut(at + 1, at)


def inside(series: Series, periods: Sequence[tuple[datetime, datetime]]) -> Array:
    """Mark (1.0) the steps that touch one of the periods; both ends belong to a period."""
    marks = np.zeros(len(series.values))
    for first, last in periods:
        begin = max(series.unit.steps(series.start, first), 0)
        end = series.unit.steps(series.start, last)
        marks[begin : max(end + 1, 0)] = 1.0
    return marks
