"""The whitening and the averaged regression, against textbook algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sakimori.takedown.effect.noise import Grid, Mixture, Whitener, fit, grid, one_more

ONE = Grid(np.array([0.6]), np.array([0.3]), np.array([1.0]))
DICE = np.random.default_rng(3)
COLUMNS = np.column_stack([np.ones(30), np.arange(30.0), (np.arange(30) > 17) * 1.0])
VALUES = DICE.normal(size=30).cumsum()


def covariance(seen: np.ndarray, weight: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(seen)
    part = 0.7 * 0.6 ** np.abs(at[:, None] - at)
    return part + np.diag(0.3 * weight[at])


@pytest.mark.parametrize("gaps", [[], [4, 5, 6, 20]])
@pytest.mark.parametrize("weight", [np.ones(30), np.linspace(0.5, 2, 30)], ids=["equal", "unequal"])
def test_whitening_is_generalised_least_squares(gaps: list[int], weight: np.ndarray) -> None:
    seen = np.ones(30, dtype=bool)
    seen[gaps] = False
    whiten = Whitener.build(ONE, seen, weight)
    found = fit(whiten, ONE, COLUMNS, np.where(seen, VALUES, np.nan))
    v = covariance(seen, weight)
    x, y = COLUMNS[seen], VALUES[seen]
    inverse = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    assert found is not None
    assert found.beta[0] == pytest.approx(inverse @ x.T @ np.linalg.solve(v, y))
    assert found.inverse[0] == pytest.approx(inverse)
    assert whiten.log_det[0] == pytest.approx(np.linalg.slogdet(v)[1])


def test_one_more_column_gives_what_a_fit_with_it_gives() -> None:
    seen, weight = np.ones(30, dtype=bool), np.ones(30)
    whiten = Whitener.build(grid(), seen, weight)
    plain = fit(whiten, grid(), COLUMNS[:, :2], VALUES)
    full = fit(whiten, grid(), COLUMNS, VALUES)
    assert plain is not None
    assert full is not None
    p_value = one_more(plain, whiten(COLUMNS[:, 2:]))[0]
    assert p_value == pytest.approx(full.contrast(np.array([0.0, 0, 1])).p_value(), rel=1e-6)


def test_a_mixture_of_one_is_a_t_distribution() -> None:
    one = Mixture(np.array([1.0]), np.array([-0.4]), np.array([0.2]), 9)
    assert one.p_value() == pytest.approx(2 * stats.t.cdf(-2.0, 9))
    assert one.quantile(0.975) == pytest.approx(-0.4 + 0.2 * stats.t.ppf(0.975, 9), abs=1e-5)


def test_a_very_strong_effect_has_a_small_p_value_but_not_zero() -> None:
    for mean in (-3.0, 3.0):
        one = Mixture(np.array([1.0]), np.array([mean]), np.array([0.05]), 60)
        assert 0.0 < one.p_value() < 1e-20


def test_columns_that_cannot_be_told_apart_give_nothing() -> None:
    seen = np.ones(30, dtype=bool)
    whiten = Whitener.build(grid(), seen, np.ones(30))
    twice = np.column_stack([COLUMNS, COLUMNS[:, 2]])
    assert fit(whiten, grid(), twice, VALUES) is None
    assert fit(whiten, grid(), np.column_stack([COLUMNS, np.zeros(30)]), VALUES) is None


def test_the_prior_is_a_distribution_that_favours_memory() -> None:
    pairs = grid()
    assert pairs.prior.sum() == pytest.approx(1.0)
    assert pairs.prior @ pairs.rho > 0.55
