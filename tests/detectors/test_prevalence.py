from __future__ import annotations

from typing import Any

import pytest

from sakimori.tables import PREVALENCE

Row = dict[str, Any]


@pytest.fixture(scope="session")
def counted(hunt: Any) -> Any:
    """`counted(conn=[...], dns=[...])`: hosts by kind and peer."""

    def count(**tables: list[Row]) -> dict[tuple[str, str], int]:
        for name in ("conn", "tls", "http", "dns"):
            hunt.give(name, tables.get(name, ()))
        rows = hunt.prevalence()
        assert all(list(row) == list(PREVALENCE.types) for row in rows)
        assert len({(r["kind"], r["peer"]) for r in rows}) == len(rows)
        return {(r["kind"], r["peer"]): r["hosts"] for r in rows}

    return count


def test_without_traffic_there_is_none(counted: Any) -> None:
    assert counted() == {}


def test_hosts_are_counted_not_calls(counted: Any, calls: Any) -> None:
    rows = [
        *calls("10.0.0.1", "203.0.113.9", 443, [1.0] * 50),
        *calls("10.0.0.2", "203.0.113.9", 80, [1.0]),
    ]
    assert counted(conn=rows) == {("address", "203.0.113.9"): 2, ("net", "203.0.113.0/24"): 2}


def test_a_net_counts_the_hosts_of_all_its_addresses_once(counted: Any, calls: Any) -> None:
    rows = [
        *calls("10.0.0.1", "203.0.113.1", 443, []),
        *calls("10.0.0.1", "203.0.113.2", 443, []),
        *calls("10.0.0.2", "203.0.113.3", 443, []),
    ]
    assert counted(conn=rows)["net", "203.0.113.0/24"] == 2


def test_a_name_counts_the_hosts_of_all_tables_once(counted: Any, row: Any) -> None:
    place = {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9"}
    found = counted(
        tls=[row("tls", 0, server_name="a.example", **place)],
        http=[row("http", 0, host="a.example", **place)],
        dns=[
            row("dns", 0, query="a.example", src_ip="10.0.0.1"),
            row("dns", 0, query="a.example", src_ip="10.0.0.2"),
        ],
    )
    assert found == {("name", "a.example"): 2}


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        pytest.param("10.0.0.1", "10.0.0.2", id="inside"),
        pytest.param("203.0.113.9", "10.0.0.1", id="inbound"),
        pytest.param("10.0.0.1", "224.0.0.251", id="multicast"),
    ],
)
def test_only_outside_peers_of_inside_hosts_count(
    counted: Any, calls: Any, host: str, peer: str
) -> None:
    assert counted(conn=calls(host, peer, 443, [1.0] * 5)) == {}


def test_addresses_without_a_24_have_no_net(counted: Any, row: Any) -> None:
    rows = [
        row("conn", 0, src_ip="10.0.0.1", dst_ip=ip) for ip in ("2001:db8::9", "not an address")
    ]
    assert set(counted(conn=rows)) == {("address", "2001:db8::9"), ("address", "not an address")}


def test_the_share_is_of_all_hosts_that_used_anything_outside(
    hunt: Any, counted: Any, calls: Any, row: Any
) -> None:
    counted(
        conn=calls("10.0.0.1", "203.0.113.9", 443, []) + calls("10.0.0.2", "198.51.100.1", 443, []),
        dns=[row("dns", 0, query="a.example", src_ip=f"10.0.0.{n}") for n in (3, 4)],
    )
    for found in hunt.prevalence():
        assert found["all_hosts"] == 4
        assert found["share"] == pytest.approx(found["hosts"] / 4)


def test_a_missing_name_or_address_is_no_peer(counted: Any, row: Any) -> None:
    found = counted(
        conn=[row("conn", 0, src_ip="10.0.0.1", dst_ip=None)],
        tls=[row("tls", 0, src_ip="10.0.0.1", dst_ip="203.0.113.9", server_name=None)],
        dns=[row("dns", 0, src_ip="10.0.0.1", query=None)],
    )
    assert found == {}
