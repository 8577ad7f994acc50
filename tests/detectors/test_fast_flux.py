from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import fast_flux
from sakimori.detectors.fast_flux import Config

Row = dict[str, Any]
HOST = "10.0.0.5"
NAME = "shop.example.com"
HOUR = 3600.0


def homes(count: int, seed: int = 1) -> list[str]:
    """Addresses all over the documentation of nowhere: benchmark and reserved first numbers."""
    rnd = Random(seed)
    return [f"{rnd.randint(240, 250)}.{n % 250}.{rnd.randint(0, 255)}.9" for n in range(count)]


@pytest.fixture(scope="session")
def asks(row: Any) -> Any:
    """`asks(addresses, each=5)`: a question an hour, answered with the next `each` addresses."""

    def make(addresses: list[str], each: int = 5, name: str = NAME, **columns: Any) -> list[Row]:
        ttl = columns.pop("ttl", 300.0)
        given_ = {"src_ip": HOST, **columns}
        return [
            row(
                "dns", at * HOUR / each, query=name, answers=addresses[at : at + each],
                ttls=None if ttl is None else [ttl] * len(addresses[at : at + each]), **given_,
            )
            for at in range(0, len(addresses), each)
        ]  # fmt: skip

    return make


@pytest.fixture(scope="session")
def visits(row: Any) -> Any:
    """`visits(addresses, port)`: a call of each."""

    def make(addresses: list[str], port: int = 80) -> list[Row]:
        return [
            row("conn", float(n), src_ip=HOST, dst_ip=a, dst_port=port)
            for n, a in enumerate(addresses)
        ]

    return make


def test_a_name_that_wanders_among_networks_is_found(hunt: Any, asks: Any, visits: Any) -> None:
    rows = asks(homes(50))
    (finding,) = hunt(fast_flux, dns=rows, conn=visits(homes(50)[::5]))
    assert (finding["host"], finding["peer"]) == (HOST, NAME)
    assert finding["score"] > 0.9
    assert (finding["places"], finding["networks"]) == (50, 50)
    assert (finding["lookups"], finding["count"], finding["called"]) == (10, 10, 10)
    assert finding["growth"] == pytest.approx(0.5)
    assert finding["ttl_s"] == 300
    assert finding["examples"] == sorted(homes(5)) + sorted(homes(10)[5:])
    assert finding["evidence"] == [r["uid"] for r in rows]
    assert finding["alike"] == 0


def test_what_a_cname_led_to_counts_and_the_cname_does_not(hunt: Any, asks: Any) -> None:
    rows = [
        {**r, "answers": ["edge.example.net", *r["answers"]], "ttls": [86_400.0, *r["ttls"]]}
        for r in asks(homes(50))
    ]
    (finding,) = hunt(fast_flux, dns=rows)
    assert (finding["places"], finding["ttl_s"]) == (50, 300)


@pytest.mark.parametrize(
    ("addresses", "columns"),
    [
        pytest.param(homes(4) * 12, {"each": 4}, id="round-robin"),
        pytest.param([f"198.51.{n % 4}.{n}" for n in range(50)], {}, id="a-cdn"),
        pytest.param([f"{(3, 18, 52, 54)[n % 4]}.{n}.0.1" for n in range(50)], {}, id="a-cloud"),
        pytest.param([f"{a}.{n}.7.{b}" for a in (245, 246, 247) for n in range(4) for b in range(12)],
                     {}, id="many-addresses-in-some-networks"),
        pytest.param(homes(50), {"each": 50}, id="one-long-answer"),
        pytest.param(homes(7), {"each": 1}, id="a-few-networks"),
        pytest.param(homes(50), {"ttl": 86_400.0}, id="stays-for-a-day"),
        pytest.param(homes(50), {"name": "0.pool.ntp.example"}, id="volunteers"),
        pytest.param(homes(50), {"name": "printer"}, id="a-bare-name"),
        pytest.param(homes(50), {"name": "9.2.0.192.in-addr.arpa"}, id="a-reverse-name"),
        pytest.param(homes(50), {"src_ip": "198.51.100.1"}, id="outside"),
        pytest.param([f"2001:db8:{n:x}::1" for n in range(50)], {}, id="ipv6"),
    ],
)  # fmt: skip
def test_other_names_are_not(hunt: Any, asks: Any, addresses: list[str], columns: Row) -> None:
    assert hunt(fast_flux, dns=asks(addresses, **columns)) == []


def test_servers_that_are_asked_for_the_time_only_are_not(
    hunt: Any, asks: Any, visits: Any
) -> None:
    rows = asks(homes(50))
    assert hunt(fast_flux, dns=rows, conn=visits(homes(50), port=123)) == []
    both = visits(homes(50), port=123) + visits(homes(3), port=80)
    (finding,) = hunt(fast_flux, dns=rows, conn=both)
    assert finding["called"] == 3


def test_a_time_to_live_that_is_not_known_is_no_evidence(hunt: Any, asks: Any) -> None:
    (unknown,) = hunt(fast_flux, dns=asks(homes(50), ttl=None))
    (short,) = hunt(fast_flux, dns=asks(homes(50)))
    assert unknown["ttl_s"] is None
    assert unknown["score"] == pytest.approx(0.7 * short["score"])


def test_each_host_that_asks_has_a_finding_from_what_all_saw(hunt: Any, asks: Any) -> None:
    rows = asks(homes(25)) + asks(homes(50)[25:], src_ip="10.0.0.6")
    found = hunt(fast_flux, dns=rows)
    assert sorted((f["host"], f["count"], f["places"]) for f in found) == [
        (HOST, 5, 50), ("10.0.0.6", 5, 50),
    ]  # fmt: skip
    assert {f["hosts"] for f in found} == {2}


def test_a_name_that_everybody_uses_is_not(hunt: Any, asks: Any) -> None:
    rows = [r for n in range(12) for r in asks(homes(50), src_ip=f"10.0.0.{n}")]
    assert hunt(fast_flux, dns=rows) == []


def test_names_on_the_same_machines_are_counted(hunt: Any, asks: Any) -> None:
    rows = asks(homes(50)) + asks(homes(60)[10:], name="mail.example.net")
    rows += asks(homes(50, seed=9), name="other.example.org")
    found = {f["peer"]: f["alike"] for f in hunt(fast_flux, dns=rows)}
    assert found == {NAME: 1, "mail.example.net": 1, "other.example.org": 0}


def test_more_networks_score_more(hunt: Any, asks: Any) -> None:
    scores = [
        hunt(fast_flux, Config(min_score=0.0), dns=asks(homes(n), each=2))[0]["score"]
        for n in (10, 18, 60)
    ]
    assert scores == sorted(set(scores))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(hunt: Any, asks: Any, seed: int) -> None:
    rows = asks(homes(50, seed)) + asks(homes(30, seed), name="mail.example.net")
    before = hunt(fast_flux, dns=rows)
    assert hunt(fast_flux, dns=Random(seed).sample(rows, len(rows))) == before


@pytest.mark.parametrize(
    "bad",
    [{"min_networks": 0}, {"min_networks": 24}, {"fast_ttl_s": 3600.0}, {"fast_ttl_s": -1.0}],
    ids=str,
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
