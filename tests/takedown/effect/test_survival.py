from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times

from sakimori.errors import ConfigError
from sakimori.takedown.effect.survival import Curve, Infection, gone, survival

START = date(2026, 1, 1)


def infections(
    hazard: float, providers: int = 30, each: int = 20, seed: int = 1
) -> list[Infection]:
    """Providers are told in random order; told infections end `hazard` times as fast."""
    dice = np.random.default_rng(seed)
    made = []
    for provider in range(providers):
        told = int(dice.integers(10, 60))
        for number in range(each):
            first = int(dice.integers(0, 20))
            day = first
            while day < 100 and dice.random() > 0.02 * (hazard if day >= told else 1.0):
                day += 1
            made.append(one(f"{number}", f"net {provider}", first, day, told))
    return made


def one(
    name: str, provider: str, first: int, last: int, told: int | None, end: int = 100
) -> Infection:
    days = [START + timedelta(days=d) for d in (first, last, end)]
    when = None if told is None else START + timedelta(days=told)
    return Infection(name, provider, days[0], days[1], when, days[2])


def test_telling_that_helps_is_seen_and_telling_that_does_not_is_not() -> None:
    helped, idle = (survival(infections(hazard, 12, 40, seed=2)).telling for hazard in (2.0, 1.0))
    assert helped is not None
    assert idle is not None
    assert helped.low < 2.0 < helped.high
    assert helped.p_value < 0.001
    assert idle.low < 1.0 < idle.high


def test_the_curve_is_that_of_lifelines() -> None:
    dice = np.random.default_rng(4)
    days, ended = dice.integers(1, 40, 60) + 0.5, dice.random(60) < 0.7
    ours = Curve.of(days, ended)
    theirs = KaplanMeierFitter().fit(days, ended)
    assert ours.alive == pytest.approx(theirs.survival_function_at_times(ours.times).to_numpy())
    assert ours.first_at_half(ours.alive) == theirs.median_survival_time_
    low, high = ours.bounds()
    bounds = median_survival_times(theirs.confidence_interval_).to_numpy().ravel()
    assert [ours.first_at_half(low), ours.first_at_half(high)] == sorted(bounds.tolist())


def test_the_mean_within_a_horizon_is_the_area_under_the_curve() -> None:
    curve = Curve.of(np.array([2.0, 4.0, 6.0, 8.0]), np.ones(4, dtype=bool))
    assert curve.mean(100)[0] == pytest.approx(5.0)
    assert curve.mean(4)[0] == pytest.approx(2 + 2 * 0.75)
    assert curve.mean(1)[0] == pytest.approx(1.0)


def test_silence_must_last_before_one_counts_as_gone() -> None:
    assert gone(one("a", "n", 0, 80, None), gap=14)
    assert not gone(one("a", "n", 0, 90, None), gap=14)


def test_both_ends_of_the_silent_days_are_told() -> None:
    every = [one(str(n), "n", 0, 10 + n, None) for n in range(9)]
    [found] = survival(every, gap=14).providers
    assert found.median_days == 14.5
    assert found.median_late == 28.5
    assert found.gone == 9


def test_where_most_are_still_there_no_median_is_told() -> None:
    every = [one(str(n), "n", 0, 100 if n else 3, None) for n in range(9)]
    found = survival(every)
    assert found.providers[0].median_days is None
    assert found.telling is None
    assert found.log_rank_p is None
    assert "no-contrast" in found.notes


def test_it_is_always_said_that_silence_is_no_proof() -> None:
    assert "not-cleaned" in survival(infections(1.0, 3, 5)).notes
    assert "few-providers" in survival(infections(1.0, 3, 30)).notes


def test_nothing_to_follow_is_refused() -> None:
    with pytest.raises(ConfigError):
        survival([])
