from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.study.tables import (
    Table,
    exact,
    fisher,
    holm,
    homogeneity,
    pooled_ratio,
    risk_ratio,
)

# Penicillin and rabbits: Mantel 1963; R's documentation of mantelhaen.test gives p = 0.040 for the exact test.
RABBITS = [
    Table(0, 6, 0, 5),
    Table(3, 3, 0, 6),
    Table(6, 0, 2, 4),
    Table(5, 1, 6, 0),
    Table(2, 0, 5, 0),
]
# UGDP trial by age, deaths on tolbutamide and placebo: Rothman, Epidemiology: An Introduction, chapter 8.
TOLBUTAMIDE = [Table(8, 98, 5, 115), Table(22, 76, 16, 69)]


def test_a_risk_ratio_is_that_of_the_textbook() -> None:
    """Placebo and aspirin: Agresti, An Introduction to Categorical Data Analysis, 2.2.3."""
    ratio = risk_ratio(Table(189, 10845, 104, 10933))
    assert ratio is not None
    assert ratio.value == pytest.approx(1.82, abs=0.005)
    assert (ratio.low, ratio.high) == pytest.approx((1.43, 2.31), abs=0.005)


def test_fishers_tea_taster() -> None:
    """Fisher 1935, The Design of Experiments; two-sided p in Agresti 2.6.2."""
    assert fisher(Table(3, 1, 1, 3)) == pytest.approx(0.486, abs=0.0005)


def test_the_exact_test_over_strata_is_that_of_r() -> None:
    assert exact(RABBITS) == pytest.approx(0.03994, abs=0.00001)


def test_the_pooled_ratio_is_that_of_the_textbook() -> None:
    ratio = pooled_ratio(TOLBUTAMIDE)
    assert ratio is not None
    assert ratio.value == pytest.approx(1.33, abs=0.005)
    crude = risk_ratio(Table(30, 174, 21, 184))
    assert crude is not None
    assert crude.value == pytest.approx(1.44, abs=0.005)


def test_one_stratum_twice_has_the_ratio_of_one_and_a_narrower_interval() -> None:
    one, two = risk_ratio(TOLBUTAMIDE[0]), pooled_ratio([TOLBUTAMIDE[0]] * 2)
    assert one is not None
    assert two is not None
    assert two.value == pytest.approx(one.value)
    widths = [math.log(r.high / r.low) for r in (one, two)]
    assert widths[1] == pytest.approx(widths[0] / math.sqrt(2), rel=1e-9)


def test_an_empty_cell_gets_a_half_and_says_so() -> None:
    ratio = risk_ratio(Table(4, 6, 0, 10))
    assert ratio is not None
    assert ratio.corrected
    assert ratio.value == pytest.approx((4.5 / 11) / (0.5 / 11))
    assert risk_ratio(Table(0, 0, 1, 1)) is None
    pooled = pooled_ratio([Table(4, 6, 0, 10), Table(2, 3, 0, 5)])
    assert pooled is not None
    assert pooled.corrected
    assert math.isfinite(pooled.high)


def test_holms_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_ratios_that_differ_are_told_from_those_that_do_not() -> None:
    alike = homogeneity(TOLBUTAMIDE)
    assert alike is not None
    assert alike > 0.3
    apart = homogeneity([Table(50, 50, 10, 90), Table(10, 90, 50, 50)])
    assert apart is not None
    assert apart < 0.001
    assert homogeneity([Table(1, 1, 1, 1)]) is None


COUNTS = st.integers(0, 40)
TABLES = st.builds(Table, COUNTS, COUNTS, COUNTS, COUNTS)


@given(TABLES)
@settings(max_examples=30, deadline=None)
def test_with_one_stratum_it_is_fishers_test_as_scipy_has_it(table: Table) -> None:
    from scipy.stats import fisher_exact  # noqa: PLC0415

    expected = fisher_exact([[table.a, table.b], [table.c, table.d]])[1] if table.informs else 1.0
    assert fisher(table) == pytest.approx(expected, rel=1e-6)


@given(st.lists(TABLES, max_size=5))
@settings(max_examples=30, deadline=None)
def test_turning_the_exposure_round_turns_the_ratio_and_not_the_p_value(
    tables: list[Table],
) -> None:
    turned = [Table(t.c, t.d, t.a, t.b) for t in tables]
    assert exact(tables) == pytest.approx(exact(turned), rel=1e-6)
    assert 0 < exact(tables) <= 1
    one, other = pooled_ratio(tables), pooled_ratio(turned)
    assert (one is None) == (other is None)
    if one and other:
        assert one.value == pytest.approx(1 / other.value, rel=1e-6)
        assert one.low <= one.value <= one.high


def test_a_hundred_thousand_machines_take_no_time() -> None:
    big = Table(40_000, 60_000, 39_000, 61_000)
    assert 0 < exact([big, big, Table(3, 4, 5, 6)]) < 1e-5
    huge = Table(400_000, 600_000, 390_000, 610_000)
    assert exact([huge]) < 1e-5, "the normal approximation"
