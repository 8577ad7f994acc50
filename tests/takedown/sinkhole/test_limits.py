from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.takedown.sinkhole.limits import Buckets, Connections, Excess, network_of, source_of


def test_a_source_gets_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(10, 5)
    assert [buckets.take("192.0.2.1", 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert [buckets.take("192.0.2.1", 100.2) for _ in range(3)] == [True, True, False]
    assert buckets.refused == 2


def test_another_source_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(1, 1)
    taken = [buckets.take(f"192.0.2.{n}", 1.0) for n in range(50)]
    assert taken.count(True) >= 48  # two of 50 may share one of 65 536 by chance


def test_a_clock_set_back_gives_nothing_away() -> None:
    buckets = Buckets(1, 1)
    assert buckets.take("a", 1000.0)
    assert not buckets.take("a", 10.0)
    assert buckets.take("a", 11.5)


@trying(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 10))
def test_no_more_than_burst_and_rate_get_through(times: list[float], rate: int, burst: int) -> None:
    buckets, times = Buckets(rate, burst), sorted(times)
    passed = sum(buckets.take("a", t) for t in times)
    assert passed <= burst + rate * (times[-1] - times[0]) + 1e-6


def test_connections_are_capped_per_source_and_in_all() -> None:
    held = Connections(3, 2)
    assert [held.enter(s) for s in "aaabb"] == [True, True, False, True, False]
    held.leave("a")
    assert held.enter("b")
    assert held.open == 3
    for source in "abb":
        held.leave(source)
    assert held.open == 0
    assert not held._of


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1::1", "2001:db8:1:ffff::2", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_48(first: str, second: str, same: bool) -> None:
    assert (source_of(first) == source_of(second)) == same


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0"), ("2001:db8:1:2::3", "2001:db8:1::"), ("fe80::1%lo", "fe80::")],
)
def test_a_cut_address_is_its_networks(address: str, network: str) -> None:
    assert network_of(address) == network


def test_what_is_over_a_limit_is_counted_and_a_flood_of_sources_is_counted_together() -> None:
    excess = Excess()
    for number in range(3_000):
        excess.add(f"10.0.{number // 256}.{number % 256}", ("127.0.0.1", 53), "udp", "dns")
    excess.add("10.0.0.1", ("127.0.0.1", 53), "udp", "dns")
    found = excess.take()
    assert len(found) <= 1_025
    assert sum(row[-1] for row in found) == 3_001
    assert {row[0] for row in found if row[-1] > 2} == {""}
    assert excess.take() == []
