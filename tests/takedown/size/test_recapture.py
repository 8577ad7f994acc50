from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.takedown.size import chao_one, chao_two, chapman

COUNTS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)).map(
    lambda t: (t[0] + t[2], t[1] + t[2], t[2])
)


def test_chapman_is_the_formula_of_the_book() -> None:
    assert chapman(200, 250, 50).estimate == pytest.approx(201 * 251 / 51 - 1)


@given(COUNTS)
def test_an_estimate_is_never_below_what_was_met(counts: tuple[int, int, int]) -> None:
    met = counts[0] + counts[1] - counts[2]
    for found in (chapman(*counts), chao_two(*counts)):
        assert met <= found.low <= found.estimate * (1 + 1e-9)
        assert found.estimate <= found.high * (1 + 1e-9)


def test_lists_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="both lists"):
        chapman(10, 20, 11)


def test_chapman_holds_the_truth_of_independent_lists() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        one, two = rng.random(2_000) < 0.3, rng.random(2_000) < 0.4
        found = chapman(int(one.sum()), int(two.sum()), int((one & two).sum()))
        held.append(found.low <= 2_000 <= found.high)
    assert np.mean(held) > 0.91


def test_chao_adds_nothing_where_nobody_was_met_only_once() -> None:
    found = chao_one(100, 0, 10)
    assert (found.low, found.estimate, found.high) == (100, 100, 100)


def test_chao_bounds_bots_that_differ_from_below() -> None:
    rng = np.random.default_rng(2)
    rate = rng.gamma(1.0, 1.0, 5_000)
    calls = rng.poisson(rate)
    met = int((calls > 0).sum())
    found = chao_one(met, int((calls == 1).sum()), int((calls == 2).sum()))
    assert met < found.estimate < 5_000 * 1.05
