from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from sakimori.takedown.effect.outages import suspected
from sakimori.takedown.effect.series import Series, Unit

CUT = 30


def series(name: str = "a", level: float = 500.0, **zeros: tuple[int, int]) -> Series:
    values = level + 10.0 * (np.arange(60) % 7)
    for begin, end in zeros.values():
        values[begin:end] = 0.0
    return Series(name, datetime(2026, 1, 1), Unit.day, values)  # noqa: DTZ001


@pytest.mark.parametrize("run", [(40, 41), (40, 52), (10, 13), (30, 31), (30, 37)])
def test_zeros_between_busy_days_are_an_outage(run: tuple[int, int]) -> None:
    [found] = suspected([series(run=run)], CUT)
    assert np.flatnonzero(found.aside).tolist() == list(range(*run))
    assert found.kept == ()


@pytest.mark.parametrize(
    ("why", "one"),
    [
        ("it never comes back", series(run=(45, 60))),
        ("it begins with the action and lasts", series(run=(30, 45))),
        ("it is the end that the action wanted", series(run=(30, 60))),
    ],
)
def test_what_may_be_the_action_is_kept_and_told(why: str, one: Series) -> None:
    [found] = suspected([one], CUT)
    assert not found.aside.any()
    assert len(found.kept) == 1


def test_zeros_among_small_counts_are_counts() -> None:
    values = np.array([0.0, 2, 1, 0, 3, 1] * 10)
    [found] = suspected([Series("a", datetime(2026, 1, 1), Unit.day, values)], CUT)  # noqa: DTZ001
    assert not found.aside.any()
    assert found.kept == ()


def test_all_series_down_at_once_are_an_outage_even_at_the_date() -> None:
    both = suspected([series("a", run=(30, 35)), series("b", 90.0, run=(30, 35))], CUT)
    assert [np.flatnonzero(f.aside).tolist() for f in both] == [[30, 31, 32, 33, 34]] * 2


def test_nearly_nothing_in_all_series_is_an_outage() -> None:
    one, other = series("a"), series("b")
    one.values[40:43], other.values[40:43] = 3.0, 1.0
    both = suspected([one, other], CUT)
    assert [np.flatnonzero(f.aside).tolist() for f in both] == [[40, 41, 42]] * 2


def test_one_series_down_while_another_lives_is_kept_at_the_date() -> None:
    found = suspected([series("a", run=(30, 50)), series("b")], CUT)
    assert not found[0].aside.any()
    assert found[0].kept == (30,)
    assert not found[1].aside.any()


def test_missing_steps_are_not_zeros() -> None:
    one = series()
    one.values[20:25] = np.nan
    [found] = suspected([one], CUT)
    assert not found.aside.any()
