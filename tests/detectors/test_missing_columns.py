"""A field that a source does not have is never evidence."""

from __future__ import annotations

from typing import Any

import pytest

from sakimori import detectors
from sakimori.tables import TELEMETRY

Row = dict[str, Any]
BOT, SCANNER, CALLER, CHASER, RESOLVER = (f"10.0.0.{n}" for n in (5, 6, 7, 8, 53))
C2 = "203.0.113.9"
SHA256 = "c" * 64
# Columns that measure something: without them there must be no finding that there is with them.
MEASURED = {
    "conn": {"state", "dst_pkts", "duration", "src_bytes", "dst_bytes", "proto", "dst_port"},
    "dns": {"rcode", "answers", "query"},
    "tls": {"server_name", "ja3", "ja4", "cert_hashes", "dst_port"},
    "http": {"host", "method", "uri", "dst_port", "referrer"},
    "files": {"md5", "sha1", "sha256"},
}
CASES = [
    pytest.param(detector, table, column, id=f"{detector.NAME}-{table}.{column}")
    for detector in detectors.BUILTIN
    for table, columns in detector.READS.items()
    if table in TELEMETRY
    for column in columns
]


@pytest.fixture(scope="session")
def network(row: Any, calls: Any) -> dict[str, list[Row]]:
    """Something for each detector to find, among hosts that do nothing unusual."""
    quiet = [
        row("conn", n * 37.0 + m * 211.0 * n % 997, src_ip=f"10.0.1.{n}", dst_ip=f"198.51.{m}.7",
            duration=2.0, src_bytes=100, dst_bytes=900)
        for n in range(1, 15)
        for m in range(30)
    ]  # fmt: skip
    conn = [
        *calls(BOT, C2, 4444, [60.0] * 60, duration=1.0, src_bytes=10, dst_bytes=10),
        *calls(SCANNER, C2, 4444, [7200.0], duration=7100.0, src_bytes=10, dst_bytes=10),
        *(
            row("conn", float(n), src_ip=SCANNER, dst_ip=f"192.0.{n}.1", dst_port=23,
                state="S0", dst_pkts=0, duration=0.0)
            for n in range(60)
        ),
    ]  # fmt: skip
    place = {"src_ip": CALLER, "dst_ip": C2}
    made_up = [f"{'qxzjvkwp'[n % 8 :]}{'bvcxzqjk'[: n % 8]}{n}wqxz.com" for n in range(60)]
    asked = [row("dns", float(n), src_ip=CHASER, query=q, rcode="NXDOMAIN", dst_ip=RESOLVER)
             for n, q in enumerate(made_up)]  # fmt: skip
    asked += [row("dns", 0.0, src_ip=f"10.0.1.{n}", query="example.com", dst_ip=RESOLVER)
              for n in range(1, 15)]  # fmt: skip
    return {
        "conn": quiet + conn,
        "dns": asked,
        "tls": [row("tls", n * 60.0, **place, server_name="c2.example.net", ja3="a" * 32,
                    cert_hashes=[SHA256]) for n in range(40)],
        "http": [row("http", n * 90.0, **place, host="c3.example.net", uri="/gate")
                 for n in range(40)]
        + [row("http", n * 90.0, src_ip=CALLER, dst_ip=C2, host=f"ad{n % 9}.example",
               uri=f"/c?{n}", referrer=f"http://page{n % 9}.example/", status=302)
           for n in range(60)],
        "files": [row("files", 0.0, src_ip=C2, dst_ip=BOT, sha256=SHA256)],
        "indicator": [
            {"kind": kind, "value": value, "source": "list-a", "confidence": 0.8}
            for kind, value in (
                ("address", C2), ("cidr", "203.0.113.0/24"), ("name", "example.net"),
                ("url", "http://c3.example.net/gate"), ("sha256", SHA256), ("ja3", "a" * 32),
            )
        ],
    }  # fmt: skip


@pytest.fixture(scope="session")
def with_everything(hunt: Any, network: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {d.NAME: hunt(d, **network) for d in detectors.BUILTIN}


def who(found: list[Row]) -> set[tuple[str, str | None]]:
    """Hosts, and hosts with their peers where these are known."""
    return {(f["host"], peer) for f in found for peer in (None, f["peer"])}


@pytest.mark.parametrize("detector", detectors.BUILTIN, ids=lambda d: d.NAME)
def test_there_is_something_to_find(detector: Any, with_everything: dict[str, list[Row]]) -> None:
    assert with_everything[detector.NAME]


@pytest.mark.parametrize(("detector", "table", "column"), CASES)
def test_without_a_column_nothing_is_found_that_is_not_there_with_it(
    hunt: Any, network: Any, with_everything: Any, detector: Any, table: str, column: str
) -> None:
    lost = {column, column.replace("_ip", "_inside")}  # no address, no side
    rows = [{name: v for name, v in row.items() if name not in lost} for row in network[table]]
    found = hunt(detector, **{**network, table: rows})
    assert all(f["host"] and 0 <= f["score"] <= 1 for f in found)
    assert len(found) <= len(with_everything[detector.NAME])
    assert who(found) <= who(with_everything[detector.NAME])


@pytest.mark.parametrize("detector", detectors.BUILTIN, ids=lambda d: d.NAME)
def test_without_any_measure_nothing_is_found_that_is_not_there_with_them(
    hunt: Any, network: Any, with_everything: Any, detector: Any
) -> None:
    bare = {
        table: [{n: v for n, v in row.items() if n not in MEASURED.get(table, ())} for row in rows]
        for table, rows in network.items()
    }
    assert who(hunt(detector, **bare)) <= who(with_everything[detector.NAME])
