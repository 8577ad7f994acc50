from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import ConfigError, SourceError
from sakimori.takedown.effect.series import Series, Unit, cut_at, inside, on_grid

START = datetime(2026, 1, 31)  # noqa: DTZ001 - series have no zone: UTC


def every(gap: timedelta, count: int = 6) -> dict[datetime, float]:
    return {START + n * gap: float(n) for n in range(count)}


@pytest.mark.parametrize(
    ("gap", "unit"),
    [
        (timedelta(hours=1), Unit.hour),
        (timedelta(hours=3), Unit.hour),
        (timedelta(days=1), Unit.day),
        (timedelta(days=2), Unit.day),
        (timedelta(days=7), Unit.week),
    ],
)
def test_the_distance_is_found(gap: timedelta, unit: Unit) -> None:
    [one] = on_grid({"a": every(gap)})
    assert one.unit is unit


def test_first_days_of_months_are_months() -> None:
    days = {datetime(2026, month, 1): 1.0 for month in (1, 2, 3, 5)}  # noqa: DTZ001
    [one] = on_grid({"a": days})
    assert one.unit is Unit.month
    assert np.isnan(one.values).tolist() == [False, False, False, True, False]


def test_a_missing_day_is_missing_and_a_zero_is_zero() -> None:
    days = every(timedelta(days=1))
    del days[START + timedelta(days=3)]
    [one, other] = on_grid({"a": days, "b": every(timedelta(days=1))})
    assert one.values[0] == 0.0
    assert np.isnan(one.values[3])
    assert other.values[3] == 3.0


@pytest.mark.parametrize("gap", [timedelta(minutes=7), timedelta(seconds=1)])
def test_odd_times_are_refused_with_a_hint(gap: timedelta) -> None:
    with pytest.raises(SourceError) as refused:
        on_grid({"a": every(gap)})
    assert "sum the counts" in refused.value.hint


def test_a_grid_without_end_is_refused() -> None:
    far = {START: 1.0, START + timedelta(days=1): 1.0, START + timedelta(days=200_000): 1.0}
    with pytest.raises(SourceError, match="more than 6,000"):
        on_grid({"a": far})


@given(st.integers(0, 400), st.sampled_from([Unit.hour, Unit.day, Unit.week]))
def test_steps_and_after_agree(steps: int, unit: Unit) -> None:
    assert unit.steps(START, unit.after(START, steps)) == steps


@given(st.integers(0, 400), st.integers(0, 27))
def test_months_agree_too(steps: int, days: int) -> None:
    start = datetime(2026, 1, 1)  # noqa: DTZ001
    assert Unit.month.steps(start, Unit.month.after(start, steps) + timedelta(days=days)) == steps


def test_the_step_that_the_action_falls_into_is_neither_before_nor_after() -> None:
    one = Series("a", START, Unit.day, np.ones(10))
    assert cut_at(one, START + timedelta(days=4)).mixed is None
    cut = cut_at(one, START + timedelta(days=4, hours=14))
    assert (cut.first, cut.mixed) == (5, 4)


@pytest.mark.parametrize("days", [-3, 0, 10, 400])
def test_a_date_outside_is_refused_and_the_range_is_named(days: int) -> None:
    with pytest.raises(ConfigError, match="2026-01-31 to 2026-02-09"):
        cut_at(Series("a", START, Unit.day, np.ones(10)), START + timedelta(days=days))


def test_periods_outside_the_series_mark_nothing() -> None:
    one = Series("a", START, Unit.day, np.ones(5))
    long_ago = (START - timedelta(days=9), START - timedelta(days=5))
    later = (START + timedelta(days=3), START + timedelta(days=90))
    assert inside(one, [long_ago, later]).tolist() == [0, 0, 0, 1, 1]
