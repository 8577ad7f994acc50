from __future__ import annotations

import gzip
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.intel.asn import AsRow, AsTable, load

if TYPE_CHECKING:
    from pathlib import Path

TSV = (
    "192.0.2.0\t192.0.2.127\t64500\tNL\tBULLET-AS Example\n"
    "192.0.2.128\t192.0.2.255\t0\tNone\tNot routed\n"
    "2001:db8::\t2001:db8::ffff\t64501\tJP\tSAMPLE\n"
)
PFX = "198.51.100.0\t24\t64500_64501\n198.51.100.128\t25\t64502,64503\n203.0.113.0\t24\t{64504}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.tsv"


def test_ranges_of_both_families_are_found(file: Path) -> None:
    file.write_text(TSV)
    table = load(file)
    assert table.find("192.0.2.7") == AsRow("64500", "BULLET-AS Example", "NL", "asn:table.tsv")
    assert table.find("::ffff:192.0.2.7") == table.find("192.0.2.7")
    assert table.find("192.0.2.200") is None
    assert table.find("2001:db8::5%eth0") == AsRow("64501", "SAMPLE", "JP", "asn:table.tsv")
    assert table.find("203.0.113.1") is None
    assert table.find("c2.example") is None


def test_the_narrowest_prefix_counts_and_the_first_origin(file: Path) -> None:
    file.write_bytes(gzip.compress(PFX.encode()))
    table = load(file)
    found = table.find_all(["198.51.100.1", "198.51.100.200", "203.0.113.9", "192.0.2.1", "x"])
    assert [row and row.asn for row in found] == ["64500", "64502", "64504", None, None]


def test_ranges_given_as_numbers_are_ipv4(file: Path) -> None:
    file.write_text("3221225984\t3221226239\t64500\tJP\tNUMBERS\n")
    row = load(file).find("192.0.2.1")
    assert row is not None
    assert row.asn == "64500"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param("192.0.2.0\t192.0.2.9\t64500\n192.0.2.0 x\n", 2, "columns", id="no tabs"),
        pytest.param("192.0.2.9\t192.0.2.0\t64500\tNL\tX\n", 1, "192.0.2.9 to", id="backwards"),
        pytest.param("192.0.2.0\t2001:db8::\t64500\tNL\tX\n", 1, "to 2001", id="two families"),
        pytest.param("192.0.2.0\t99\t64500\n", 1, "99", id="no length"),
        pytest.param("192.0.2.0\t192.0.2.1\tASX\tNL\tX\n", 1, "ASX", id="no number"),
        pytest.param("9999999999\t9999999999\t1\tNL\tX\n", 1, "IPv4", id="beyond IPv4"),
    ],
)
def test_a_bad_line_is_named(file: Path, text: str, line: int, said: str) -> None:
    file.write_text(text)
    with pytest.raises(SourceError, match=said) as error:
        load(file)
    assert error.value.where == f"{file}:{line}"
    assert error.value.hint


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF\0\0", b"\x1f\x8bnot gzip", b"\xab\xcd\xefMaxMind.com broken"]
)
def test_what_is_no_table_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(SourceError, match=r"table\.tsv"):
        load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        load(tmp_path / "none.tsv")


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32), st.integers(1, 5)), max_size=12),
    st.lists(st.integers(0, 255), min_size=1, max_size=20),
)
def test_the_longest_prefix_wins_as_in_a_routing_table(
    prefixes: list[tuple[int, int, int]], hosts: list[int]
) -> None:
    networks = {
        ip_network(f"192.0.2.{at}/{width}", strict=False): AsRow(str(asn))
        for at, width, asn in prefixes
    }
    table = AsTable(
        [(int(n.network_address), int(n.broadcast_address), row) for n, row in networks.items()]
    )
    addresses = [f"192.0.2.{host}" for host in hosts]
    holding = [
        max((n for n in networks if ip_address(a) in n), key=lambda n: n.prefixlen, default=None)
        for a in addresses
    ]
    wanted = [networks[n] if n is not None else None for n in holding]
    assert [table.find(a) for a in addresses] == wanted
    assert table.find_all(addresses) == wanted


def mmdb(network: str, record: dict[str, str | int]) -> bytes:
    """Write a MaxMind database of one IPv4 network; format 2.0, 24-bit records."""

    def text(value: str) -> bytes:
        size = len(value)
        head = bytes([2 << 5 | size]) if size < 29 else bytes([2 << 5 | 29, size - 29])
        return head + value.encode()

    def mapping(values: dict[str, bytes]) -> bytes:
        return bytes([7 << 5 | len(values)]) + b"".join(text(k) + v for k, v in values.items())

    def short(value: int) -> bytes:
        return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")

    def long(value: int) -> bytes:
        return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")

    net = ip_network(network)
    nodes = b""
    for at in range(net.prefixlen):
        bit = int(net.network_address) >> (31 - at) & 1
        last = at == net.prefixlen - 1
        onward = net.prefixlen + 16 if last else at + 1
        pair = (net.prefixlen, onward) if bit else (onward, net.prefixlen)
        nodes += b"".join(side.to_bytes(3, "big") for side in pair)
    told = {k: text(v) if isinstance(v, str) else long(v) for k, v in record.items()}
    meta = {
        "node_count": long(net.prefixlen), "record_size": short(24), "ip_version": short(4),
        "database_type": text("t"), "binary_format_major_version": short(2),
        "binary_format_minor_version": short(0), "build_epoch": b"\x08\x02" + b"\0" * 7 + b"\x01",
        "languages": b"\x00\x04", "description": mapping({"en": text("t")}),
    }  # fmt: skip
    return nodes + b"\0" * 16 + mapping(told) + b"\xab\xcd\xefMaxMind.com" + mapping(meta)


def test_a_maxmind_database_is_read(file: Path) -> None:
    record: dict[str, str | int] = {
        "autonomous_system_number": 64500, "autonomous_system_organization": "SAMPLE",
    }  # fmt: skip
    file.write_bytes(mmdb("192.0.2.0/24", record))
    table = load(file)
    wanted = AsRow("64500", "SAMPLE", "", "asn:table.tsv")
    asked = ["192.0.2.7", "203.0.113.1", "2001:db8::1", "x"]
    assert table.find_all(asked) == [wanted, None, None, None]
    file.write_bytes(mmdb("192.0.2.0/24", {"asn": "AS64501", "country_code": "jp"}))
    assert load(file).find("192.0.2.1") == AsRow("64501", "", "JP", "asn:table.tsv")
