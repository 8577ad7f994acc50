from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import ConfigError
from sakimori.takedown.notify.group import group, randomise

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.notify.events import VictimEvent


def test_a_provider_gets_one_group_with_all_events_in_time(
    event: Callable[..., VictimEvent],
) -> None:
    told = [("b", event(9)), ("a", event(3)), ("a", event(1, ip="192.0.2.1")), ("a", event(2))]
    a, b = group(told)
    assert (a.provider, b.provider) == ("a", "b")
    assert all(x.time < y.time for x, y in pairwise(a.events))
    assert a.ips == ("192.0.2.1", "192.0.2.10")


def test_what_was_said_twice_is_told_once(event: Callable[..., VictimEvent]) -> None:
    (found,) = group([("a", event()), ("a", event())])
    assert (len(found.events), found.repeated) == (1, 1)


def test_the_order_given_does_not_matter(event: Callable[..., VictimEvent]) -> None:
    told = [(f"p{n % 3}", event(n // 2, port=n + 1)) for n in range(30)]
    mixed = random.Random(1).sample(told, len(told))
    assert group(told) == group(mixed)


@given(
    st.sets(st.text(max_size=8), max_size=40), st.integers(1, 7), st.text(min_size=1, max_size=5)
)
def test_every_provider_is_drawn_once_and_waves_are_even(
    providers: set[str], waves: int, seed: str
) -> None:
    drawn = randomise(providers, waves, seed)
    assert Counter(p for wave in drawn.waves for p in wave) == Counter(providers)
    sizes = [len(wave) for wave in drawn.waves]
    assert len(sizes) == waves
    assert max(sizes) - min(sizes) <= 1
    assert randomise(sorted(providers), waves, seed) == drawn


def test_waves_hold_about_as_many_bots() -> None:
    sizes = {f"p{n}": 1000 // (n + 1) for n in range(40)}
    for seed in "abcde":
        drawn = randomise(sizes, 4, seed, sizes)
        bots = [sum(sizes[p] for p in wave if p != "p0") for wave in drawn.waves]
        assert max(bots) < 3 * min(bots)


def test_the_draw_has_no_favourite() -> None:
    first = Counter(randomise(["a", "b", "c", "d"], 2, str(n)).wave_of("a") for n in range(600))
    assert 240 < first[1] < 360


def test_an_order_is_drawn_once() -> None:
    before = randomise(["a", "b", "c"], 2, "7")
    after = randomise(["a", "b", "c", "d", "e"], 2, "7", None, before)
    assert {p: after.wave_of(p) for p in "abc"} == {p: before.wave_of(p) for p in "abc"}
    assert after.wave_of("d") > 0
    with pytest.raises(ConfigError, match="drawn already"):
        randomise(["a"], 2, "8", None, before)
    with pytest.raises(ConfigError, match="drawn already"):
        randomise(["a"], 3, "7", None, before)


@pytest.mark.parametrize(("waves", "seed"), [(0, "x"), (2, "")])
def test_an_order_needs_waves_and_a_seed(waves: int, seed: str) -> None:
    with pytest.raises(ConfigError):
        randomise(["a"], waves, seed)
