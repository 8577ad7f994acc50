from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import stdtr

from sakimori.errors import ConfigError
from sakimori.takedown.effect import Options, Series, Unit, effects
from sakimori.takedown.effect.design import answer, base
from sakimori.takedown.effect.model import WIDER
from sakimori.takedown.effect.noise import Whitener, fit, grid
from sakimori.takedown.effect.notes import NOTES

if TYPE_CHECKING:
    from tests.takedown.effect.conftest import World

    from sakimori.takedown.effect import Effect
    from sakimori.takedown.effect.noise import Array


def codes(one: Effect) -> set[str]:
    return {note.code for note in one.notes}


def only(series: Series, world: World, **options: object) -> Effect:
    [one] = effects([series], world.day, Options(**options))  # type: ignore[arg-type]
    return one


def test_a_drop_is_found_and_its_size_told(world: World) -> None:
    one = only(world(ratio=0.6), world)
    assert one.ratio == pytest.approx(0.6, abs=0.12)
    assert one.low is not None
    assert one.high is not None
    assert one.low < 0.6 < one.high < 1
    assert one.p_value is not None
    assert one.p_value < 0.001
    assert one.change_at_date
    assert one.avoided is not None
    assert one.avoided_low is not None
    assert one.avoided_high is not None
    assert 0 < one.avoided_low < one.avoided < one.avoided_high
    assert (one.before, one.after) == (56, 56)


def test_nothing_is_found_where_nothing_happened(world: World) -> None:
    one = only(world(), world)
    assert one.low is not None
    assert one.high is not None
    assert one.low < 1 < one.high
    assert one.half_time_days is None
    assert one.recovery_days is None
    assert not one.change_at_date
    assert one.minimum_detectable_ratio == pytest.approx(0.77, abs=0.12)


def test_the_same_input_gives_the_same_numbers(world: World) -> None:
    assert only(world(ratio=0.6), world) == only(world(ratio=0.6), world)


def many(answers: Array, columns: Array) -> tuple[Array, Array]:
    """What `fit` gives for the last column, for many answers (times, N): p values and estimates.

    They share their columns, so whitening and decomposition are done once: 100 times as fast.
    """
    pairs, seen = grid(), np.ones(len(columns), dtype=bool)
    whiten = Whitener.build(pairs, seen, np.ones(len(columns)))
    shared = fit(whiten, pairs, columns, answers[:, 0])
    assert shared is not None
    white = whiten(answers)
    onto = shared.basis.transpose(0, 2, 1) @ white
    squares = (white**2).sum(axis=1) - (onto**2).sum(axis=1)
    log = shared.fixed[:, None] - 0.5 * shared.freedom * np.log(squares)
    weight = np.exp(log - log.max(axis=0))
    weight /= weight.sum(axis=0)
    last = np.linalg.qr(whiten(columns))[1][:, -1, -1][:, None]
    beta = onto[:, -1] / last
    error = WIDER * np.sqrt(squares / shared.freedom) / np.abs(last)
    sides = [(weight * stdtr(shared.freedom, side * beta / error)).sum(axis=0) for side in (1, -1)]
    return 2 * np.minimum(*sides), (weight * beta).sum(axis=0)


def noise(rho: float, count: int, seed: int) -> Array:
    """AR(1) noise of sd 0.15, 112 steps, `count` times."""
    shocks = np.random.default_rng(seed).normal(size=(212, count)) * 0.15 * np.sqrt(1 - rho**2)
    for i in range(1, len(shocks)):
        shocks[i] += rho * shocks[i - 1]
    return shocks[100:]


def with_step(world: World) -> Array:
    return np.column_stack([base(world(), 56), (np.arange(112) >= 56).astype(float)])


def test_the_quick_way_gives_what_the_tool_gives(world: World) -> None:
    series = world(ratio=0.8)
    p_values, logs = many(np.log(series.values)[:, None], with_step(world))
    one = only(series, world)
    assert one.p_value == pytest.approx(p_values[0], rel=1e-4)
    assert one.ratio == pytest.approx(np.exp(logs[0]), rel=1e-6)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7, 0.9])
def test_false_alarms_are_rare_on_series_that_remember(world: World, rho: float) -> None:
    """The full table is bench/effect.py; a t test of before and after calls 97 % of these."""
    p_values, _ = many(noise(rho, 600, seed=12), with_step(world))
    assert (p_values < 0.05).mean() <= 0.07


def test_a_drop_of_forty_per_cent_is_found_nearly_always(world: World) -> None:
    columns = with_step(world)
    p_values, logs = many(noise(0.7, 300, seed=12) + np.log(0.6) * columns[:, -1:], columns)
    assert (p_values < 0.05).mean() >= 0.95
    assert np.exp(np.median(logs)) == pytest.approx(0.6, abs=0.02)


def test_a_weak_drop_is_not_found_and_that_is_foretold(world: World) -> None:
    one = only(world(ratio=0.9), world)
    assert one.minimum_detectable_ratio is not None
    assert one.minimum_detectable_ratio < 0.9
    assert one.high is not None
    assert one.high > 1


def test_an_outage_is_not_an_effect(world: World) -> None:
    series = world()
    series.values[70:80] = 0.0
    one = only(series, world)
    assert "outage" in codes(one)
    assert one.after == 46
    assert one.high is not None
    assert one.high > 1
    assert only(series, world, find_outages=False).after == 56


def test_a_named_outage_is_left_out(world: World) -> None:
    series = world()
    series.values[60:75] *= 0.1
    period = (world.day + timedelta(days=4), world.day + timedelta(days=18))
    one = only(series, world, outages=(period,))
    assert codes(one) == {"given"}
    assert one.high is not None
    assert one.high > 1
    assert one.after == 41


def test_missing_days_are_told_and_not_counted_as_zero(world: World) -> None:
    series = world()
    series.values[58:66] = np.nan
    one = only(series, world)
    assert "missing" in codes(one)
    assert one.high is not None
    assert one.high > 1


def test_counts_with_many_zeros_are_measured(world: World) -> None:
    one = only(world(level=3.0, ratio=0.2, drift=0.0), world)
    assert one.ratio is not None
    assert one.high is not None
    assert one.ratio == pytest.approx(0.2, abs=0.15)
    assert one.high < 1
    assert one.model.startswith("quasi-Poisson")


def test_the_end_of_everything_has_a_finite_ratio(world: World) -> None:
    series = world()
    series.values[56:] = 0.0
    one = only(series, world)
    assert one.ratio is not None
    assert 0 < one.ratio < 0.001
    assert {"zeros", "half"} <= codes(one)
    assert one.half_time_days == 0.0
    assert one.avoided is not None
    assert one.avoided > 0


@pytest.mark.parametrize(
    ("before", "after", "code"), [(3, 30, "short"), (30, 2, "short"), (9, 9, "few"), (40, 5, "few")]
)
def test_short_series_are_told_to_be_short(
    world: World, before: int, after: int, code: str
) -> None:
    short = replace(world, steps=before + after, cut=before)
    one = only(short(), short)
    assert code in codes(one)
    assert (one.ratio is None) == (code == "short")


@pytest.mark.parametrize("length", range(2, 40, 3))
@pytest.mark.parametrize("value", [0.0, 1.0, 7.5])
def test_a_series_that_never_varies_gives_no_number(
    world: World, length: int, value: float
) -> None:
    flat = Series("flat", world.start, Unit.day, np.full(length, value))
    [one] = effects([flat], world.start + timedelta(days=max(1, length // 2)))
    assert one.ratio is None
    assert one.p_value is None
    assert codes(one) & {"short", "flat"}


@pytest.mark.parametrize("seed", range(12))
def test_odd_series_never_crash(world: World, seed: int) -> None:
    dice = np.random.default_rng(seed)
    values = dice.choice([0.0, 0.0, 1.0, 5.0, 1e12, np.nan, 0.25], size=dice.integers(4, 60))
    odd = Series("odd", world.start, Unit.day, values)
    [one] = effects([odd], world.start + timedelta(days=int(dice.integers(1, len(values)))))
    for number in (one.ratio, one.low, one.high, one.avoided, one.minimum_detectable_ratio):
        assert number is None or np.isfinite(number)


def test_weekly_counts_are_measured(world: World) -> None:
    weekly = replace(world, unit=Unit.week, steps=40, cut=20, rho=0.4, drift=0.0)
    one = only(weekly(ratio=0.5), weekly)
    assert one.unit == "week"
    assert one.high is not None
    assert one.high < 1
    assert one.half_time_days is None or one.half_time_days % 7 == 0


def test_a_control_takes_away_what_both_have(world: World) -> None:
    bots, other = world(ratio=0.6), world(name="control", seed=1, level=900.0)
    swing = np.exp(0.5 * np.sin(np.arange(112) / 9.0))
    every = [replace(s, values=np.round(s.values * swing)) for s in (bots, other)]
    alone, _ = effects(every, world.day)
    beside, control = effects(every, world.day, Options(control="control"))
    assert beside.control == "control"
    assert beside.low is not None
    assert beside.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert beside.high - beside.low < 0.5 * (alone.high - alone.low)
    assert beside.low < 0.6 < beside.high
    assert "control-self" in codes(control)


def test_a_control_that_moved_is_told(world: World) -> None:
    every = [world(), world(name="control", seed=2, ratio=0.4)]
    beside, _ = effects(every, world.day, Options(control="control"))
    assert "control-moved" in codes(beside)


def test_an_unknown_control_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="'x'") as refused:
        effects([world()], world.day, Options(control="x"))
    assert "bots" in refused.value.hint


def test_what_moved_elsewhere_is_told(world: World) -> None:
    every = [world(ratio=0.3), world(name="other", seed=5, ratio=3.0)]
    fell, rose = effects(every, world.day)
    assert [m.series for m in fell.displacement] == ["other"]
    assert fell.displacement[0].extra > 0
    assert "moved" in codes(fell)
    assert rose.displacement == ()


def test_jumps_before_the_action_take_the_p_value_away(world: World) -> None:
    series = world(sd=0.05)
    series.values[18:38] *= 0.4
    one = only(series, world)
    assert one.p_value is None
    assert one.placebo_rate is not None
    assert one.placebo_rate > 0.1
    assert {"jump", "placebo"} <= codes(one)


def test_a_known_change_of_sensors_is_no_jump(world: World) -> None:
    series = world(sd=0.05, ratio=0.6)
    series.values[28:] *= 0.4
    known = (world.start + timedelta(days=28),)
    one = only(series, world, sensor_changes=known)
    assert "jump" not in codes(one)
    assert one.p_value is not None
    assert one.low is not None
    assert one.high is not None
    assert one.low < 0.6 < one.high


def test_a_drop_that_is_undone_has_a_time_of_recovery(world: World) -> None:
    series = world(sd=0.03, drift=0.0)
    series.values[56:66] *= 0.2
    series.values[66:76] *= 0.6
    one = only(series, world)
    assert one.ratio == pytest.approx((0.2 * 0.6) ** (10 / 56), abs=0.1)
    assert one.recovery_days is not None
    assert 15 <= one.recovery_days <= 21
    assert one.start_ratio == pytest.approx(0.2, abs=0.03)
    assert one.end_ratio == pytest.approx(1.0, abs=0.1)
    assert "2 later changes of level" in one.model


def test_jumps_after_the_date_are_no_effect_of_it(world: World) -> None:
    series = world(sd=0.05, drift=0.0)
    series.values[80:] *= 0.4
    one = only(series, world)
    assert "later" not in one.model
    assert not one.change_at_date
    assert one.high is not None
    assert one.high > 1


def test_a_slow_decay_is_told_as_a_change_of_trend(world: World) -> None:
    series = world(sd=0.05, drift=0.0)
    series.values[56:] *= np.exp(-0.03 * np.arange(56))
    one = only(series, world)
    assert "change of trend" in one.model
    assert one.start_ratio is not None
    assert one.end_ratio is not None
    assert one.start_ratio > 0.8
    assert one.end_ratio < 0.3
    assert one.half_time_days is not None
    assert 12 <= one.half_time_days <= 35


def test_the_step_of_the_action_itself_can_be_left_out(world: World) -> None:
    [one] = effects([world(ratio=0.6)], world.day + timedelta(hours=14))
    assert "mixed" in codes(one)
    assert one.after == 55


def test_only_days_up_to_the_last_one_are_used(world: World) -> None:
    one = only(world(ratio=0.6), world, until=world.day + timedelta(days=27))
    assert one.after == 28


def test_small_counts_are_answered_on_the_scale_of_their_mean() -> None:
    columns = np.ones((6, 1))
    told = answer(np.array([0.0, 2, 4, 0, 2, 4]), columns)
    assert told.kind == "count"
    assert told.values.mean() == pytest.approx(np.log(2.0))
    assert answer(np.array([5.0, 6, 7]), np.ones((3, 1))).kind == "log"
    assert answer(np.array([0.5, 0.6, 7]), np.ones((3, 1))).kind == "log"


def test_every_remark_has_words() -> None:
    assert all((text and text[0].islower()) or text[0] == "{" for text in NOTES.values())
