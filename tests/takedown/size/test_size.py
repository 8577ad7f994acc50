"""The intervals hold the truth of made-up botnets; a longer run is bench/size.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sakimori.simulate.population import Hits as Played
from sakimori.simulate.population import Population, Provider, address, drawn, play
from sakimori.takedown.size import Hits, Sizing, size
from sakimori.takedown.size.words import METHODS, NOTES

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 20_000 * 86_400.0  # a midnight


@cache
def played(seed: int, **changes: object) -> Played:
    small = drawn(seed, lambda _: 300)
    return play(
        replace(small, **{"days": min(small.days, 7), "pace": min(small.pace, 1.5), **changes})
    )  # type: ignore[arg-type]


def hits(made: Played, *, named: np.ndarray | None = None) -> Hits:
    """What a sinkhole sees; `named` says for each hit whether it has an identifier."""
    asns, asn = np.unique(made.asn, return_inverse=True)
    none = np.full(len(made.time), -1)
    bot = none if named is None else np.where(named, made.bot, -1)
    return Hits(made.time + START, made.ip, asn, bot, none, tuple(map(str, asns)))


def truths(made: Played) -> tuple[float, float, float]:
    return made.footprint, made.daily, made.peak


def holds(found: Sizing, made: Played) -> list[bool]:
    parts = (found.footprint, found.daily_active, found.peak_at_once)
    return [p.low <= t <= p.high for p, t in zip(parts, truths(made), strict=True)]


SEEDS: Sequence[int] = range(30, 40)


@pytest.mark.slow
def test_without_identifiers_nine_of_ten_intervals_hold_each_quantity() -> None:
    held = [holds(size(hits(played(seed))), played(seed)) for seed in SEEDS]
    assert (np.mean(held, axis=0) >= 0.9).all(), np.mean(held, axis=0)


@pytest.mark.slow
def test_the_intervals_are_narrow_enough_to_be_of_use() -> None:
    found = [size(hits(played(seed))) for seed in SEEDS[:4]]
    daily = [f.daily_active.high / f.daily_active.low for f in found]
    assert np.median(daily) < 2.0


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_with_identifiers_bots_are_counted(seed: int) -> None:
    made = played(seed)
    found = size(hits(made, named=np.ones(len(made.time), bool)))
    assert holds(found, made) == [True] * 3
    assert found.identifiers == made.footprint
    assert found.footprint.high <= 1.1 * made.footprint


@pytest.mark.parametrize("seed", SEEDS[4:5])
def test_bots_without_identifiers_are_added_in_proportion(seed: int) -> None:
    made = played(seed)
    sends = np.random.default_rng(seed).random(made.bot.max() + 1) < 0.5
    found = size(hits(made, named=sends[made.bot]))
    assert found.identifiers < 0.6 * made.footprint
    assert 0.8 * made.footprint < found.footprint.estimate < 1.25 * made.footprint


def test_an_identifier_that_is_left_out_now_and_then_counts_once() -> None:
    made = played(5, pace=4.0, days=5)
    sends = np.random.default_rng(1).random(len(made.time)) < 0.7
    found = size(hits(made, named=sends))
    assert found.footprint.low <= made.footprint <= found.footprint.high
    assert found.footprint.estimate < 1.1 * made.footprint


def test_addresses_are_corrected_for_short_leases() -> None:
    made = played(3, providers=(Provider(asn=64_500, lease=6.0),), days=10, life_days=0.0)
    found = size(hits(made))
    assert found.addresses > 5 * made.footprint
    assert found.footprint.high < 0.7 * found.addresses
    assert holds(found, made) == [True] * 3


def test_leases_are_told_for_each_asn() -> None:
    nets = (Provider(asn=64_500, lease=12.0), Provider(asn=64_501, lease=48.0))
    found = size(hits(played(3, providers=nets, pace=1.0, regular=True, pace_jitter=0.2)))
    lease = {row.asn: row.lease_hours or 0.0 for row in found.per_asn}
    assert 9.0 <= lease["64500"] <= 15.0
    assert 38.0 <= lease["64501"] <= 60.0


def test_gateways_count_for_the_bots_behind_them() -> None:
    made = played(
        7, shared=0.5, sharers=25.0, pace=1.0, providers=(Provider(asn=64_500, lease=0.0),)
    )
    found = size(hits(made))
    assert found.addresses < 0.6 * made.footprint
    assert found.per_asn[0].shared_addresses > 0
    assert found.footprint.low <= made.footprint <= found.footprint.high
    assert any(note.message == next(n for n in NOTES if "NAT" in n) for note in found.notes)


@pytest.mark.parametrize("by_name", [True, False], ids=["by identifier", "by address"])
def test_two_sinkholes_show_what_both_missed(by_name: bool) -> None:
    made = played(8, life_days=0.0, active_days=1.0, pace=1.0)
    whole = hits(made, named=np.full(len(made.time), by_name))
    rng = np.random.default_rng(2)
    knows = [(rng.random(made.bot.max() + 1) < share)[made.bot] for share in (0.6, 0.5)]
    found = size(whole.of(knows[0]), whole.of(knows[1]))
    either = len(np.unique(made.bot[knows[0] | knows[1]]))
    assert either < 0.9 * made.footprint
    assert found.footprint.low <= made.footprint <= found.footprint.high
    assert found.daily_active.low <= made.daily <= found.daily_active.high
    assert any("Chapman" in str(n) or "both lists" in str(n) for n in found.notes)


def test_two_sinkholes_without_overlap_say_that_they_show_a_lower_bound() -> None:
    made = played(8, pace=1.0)
    half = made.bot % 2 == 0
    whole = hits(made, named=np.ones(len(made.time), bool))
    found = size(whole.of(half), whole.of(~half))
    assert any("lower bound" in str(note) for note in found.notes)


def test_cloned_identifiers_are_warned_of_and_count_by_their_calls() -> None:
    made = played(9, pace=1.0, shared=0.0)
    cloned = made.bot < 60
    whole = hits(made, named=np.ones(len(made.time), bool))
    found = size(replace(whole, bot=np.where(cloned, 0, whole.bot)))
    assert any("cloned" in str(note) for note in found.notes)
    assert found.footprint.high > found.identifiers + 30


def test_user_agents_tell_that_an_address_is_shared() -> None:
    made = played(10, shared=0.0, pace=3.0, providers=(Provider(asn=64_500, lease=0.0),))
    whole = hits(made)
    odd = made.ip == made.ip[0]
    marks = np.where(odd, np.arange(len(made.time)) % 3, 0)
    before, after = (
        size(h).per_asn[0].shared_addresses for h in (whole, replace(whole, mark=marks))
    )
    assert after == before + 1


def test_too_few_hits_give_bounds_that_hold_whatever_the_habits() -> None:
    few = Hits(np.array([START, START + 60, START + 4_000]), np.array([0, 1, 0]), np.zeros(3, int),
               np.full(3, -1), np.full(3, -1), ("64500",))  # fmt: skip
    found = size(few)
    assert (found.footprint.low, found.footprint.estimate, found.footprint.high) == (2, 2, 3)
    assert found.daily_active.low <= 2 <= found.daily_active.high


def test_a_gap_in_the_log_is_warned_of() -> None:
    made = played(11, pace=2.0)
    whole = hits(made)
    found = size(whole.of((made.time < 86_400) | (made.time > 2.5 * 86_400)))
    assert any("in a row nothing called" in str(note) for note in found.notes)


def test_no_hits_are_refused() -> None:
    none = hits(played(11, pace=2.0)).of(np.zeros(len(played(11, pace=2.0).time), bool))
    with pytest.raises(ValueError, match="no hits"):
        size(none)


@pytest.mark.parametrize("named", [True, False])
def test_every_quantity_is_an_interval_around_its_estimate(named: bool) -> None:
    made = played(12)
    found = size(hits(made, named=np.full(len(made.time), named)))
    parts = (found.footprint, found.daily_active, found.peak_at_once)
    assert all(p.low <= p.estimate <= p.high and p.method in METHODS for p in parts)
    assert found.footprint.estimate >= found.daily_active.estimate


def test_the_order_of_rows_changes_nothing() -> None:
    whole = hits(played(13))
    order = np.random.default_rng(3).permutation(len(whole.time))
    assert size(whole) == size(whole.of(order))


def test_the_same_plan_plays_the_same_hits() -> None:
    one, two = (play(Population(bots=50, days=3, seed=4)) for _ in range(2))
    assert np.array_equal(one.time, two.time)
    assert np.array_equal(one.ip, two.ip)
    assert address(0) == "198.18.0.0"


def spells(rng: np.random.Generator, *, starts: int, bots: int = 600, days: int = 10) -> Hits:
    """Six hourly calls in a row on seven of ten days, from a new address each time."""
    day = np.nonzero(rng.random((days, bots)) < 0.7)[0]
    start = day * 24 + rng.integers(0, starts, len(day))
    hour = (start[:, None] + np.arange(6)).ravel()
    ip = np.repeat(rng.permutation(len(day)), 6)
    time = START + 3_600.0 * (hour + rng.random(len(hour)))
    none = np.full(len(time), -1)
    return Hits(time, ip, np.zeros(len(time), int), none, none, ("64500",))


@pytest.mark.parametrize("starts", [16, 18, 24])
def test_a_new_address_with_each_connection_is_not_taken_for_a_lease(starts: int) -> None:
    found = size(spells(np.random.default_rng(starts), starts=starts))
    assert found.daily_active.low <= 0.7 * 600 <= found.daily_active.high
    assert found.footprint.low <= 600 <= found.footprint.high
    assert any("with each connection" in str(note) for note in found.notes)


def test_nights_without_a_call_tell_that_bots_switch_off() -> None:
    found = size(spells(np.random.default_rng(5), starts=16))
    assert 0.8 * 420 < found.daily_active.estimate < 1.2 * 420


def test_no_day_has_fewer_bots_than_its_busiest_hour() -> None:
    found = size(spells(np.random.default_rng(6), starts=4))
    assert found.daily_active.low >= 0.8 * found.peak_at_once.low
    assert found.daily_active.estimate >= 0.95 * found.peak_at_once.estimate


def test_leases_of_six_hours_stay_possible_where_bots_never_switch_off() -> None:
    nets = (Provider(asn=64_500, lease=6.0),)
    made = played(
        14, providers=nets, days=7, always_on=1.0, pace=1.0, pace_spread=0.0, life_days=0.0,
        active_days=1.0, weekend=1.0,
    )  # fmt: skip
    found = size(hits(made))
    assert holds(found, made) == [True] * 3
    assert found.daily_active.estimate < 1.5 * made.daily


def test_a_day_that_only_lacks_hours_of_sleep_is_whole() -> None:
    made = spells(np.random.default_rng(7), starts=12, days=4)
    late = made.of((made.time - START) % 86_400 >= 5 * 3_600.0)
    named = replace(late, bot=late.ip)  # nothing before 5 h UTC: every day is still a whole one
    daily = size(named).daily_active
    each = [len(np.unique(late.ip[(late.time - START) // 86_400 == day])) for day in range(4)]
    assert daily.low <= np.mean(each) <= daily.high
