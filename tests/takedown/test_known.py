from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown import known
from sakimori.takedown.known import (
    BUILTIN,
    dynamic_dns_parent,
    is_cdn,
    is_parking,
    is_public_suffix,
    is_sinkhole,
    parse,
    registrable,
)


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("com", True), ("co.jp", True), ("CO.JP.", True), ("duckdns.org", True),
        ("evil.duckdns.org", False), ("c2.example.com", False), ("192.0.2.1", False), ("", False),
    ],
)  # fmt: skip
def test_a_suffix_that_strangers_share_is_told_from_a_name(name: str, public: bool) -> None:
    assert is_public_suffix(name) is public


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("a.duckdns.org", "duckdns.org"), ("duckdns.org", "duckdns.org"),
        ("x.y.3322.org", "3322.org"), ("shop.github.io", "github.io"), ("shop.co.jp", None),
        ("c2.example.com", None), ("2001:db8::1", None), ("", None),
    ],
)  # fmt: skip
def test_the_parent_of_a_dynamic_name_is_found(name: str, parent: str | None) -> None:
    assert dynamic_dns_parent(name) == parent


def test_parking_cdn_and_sinkholes_are_known() -> None:
    assert is_parking("ns1.sedoparking.com.")
    assert not is_parking("ns1.example.com")
    assert is_cdn("d111.cloudfront.net")
    assert is_cdn("c2.example.com", asn="AS13335")
    assert is_cdn("192.0.2.1", asn=54113)
    assert not is_cdn("c2.example.com", asn=64500)
    assert is_sinkhole("ns102a.microsoftinternetsafety.net")
    assert is_sinkhole("192.0.2.9", {"192.0.2.9"})
    assert not is_sinkhole("192.0.2.9")


def test_no_server_is_spared_for_what_it_calls_itself() -> None:
    assert known.calls_itself_sinkhole("ns1.sinkhole-01.example.org")
    assert not is_sinkhole("ns1.sinkhole-01.example.org")
    assert not known.calls_itself_sinkhole("ns1.example.org")


def test_a_name_that_only_ends_alike_is_not_below() -> None:
    assert not is_cdn("notcloudfront.net")
    assert not is_parking("mybodis.com")


def test_the_registered_name_is_one_below_the_suffix() -> None:
    assert registrable("a.b.example.co.jp") == "example.co.jp"
    assert registrable("evil.duckdns.org") == "evil.duckdns.org"
    assert registrable("co.jp") == "co.jp"


def test_a_file_adds_to_what_is_built_in() -> None:
    mine = parse(
        ["kind,value,comment", "# ours", "", "dynamic-dns,Dyn.Example.,seen", "parking,192.0.2.0/24",
         "cdn-asn,AS64500", "sinkhole,198.51.100.7"],
        "known.csv",
    )  # fmt: skip
    assert dynamic_dns_parent("a.dyn.example", mine) == "dyn.example"
    assert is_parking("192.0.2.77", mine)
    assert not is_parking("192.0.3.77", mine)
    assert is_cdn("203.0.113.1", mine, asn=64500)
    assert is_sinkhole("198.51.100.7", (), mine)
    assert is_parking("ns1.bodis.com", mine)
    assert mine.sources == ("built in", "known.csv")
    assert dynamic_dns_parent("a.dyn.example", BUILTIN) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dynamc,x.example", "dynamc"), ("cdn-asn,ASX", "asx"), ("parking,", "no name"),
        ("cdn", "no name"), ("sinkhole,a b", "a b"), ("parking,192.0.2.0/99", "192.0.2.0/99"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(line: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as error:
        parse(["# first", line], "known.csv")
    assert error.value.where == "known.csv:2"
    assert error.value.hint


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(is_public_suffix(text), bool)
    parent = dynamic_dns_parent(text)
    assert parent is None or text.strip().lower().rstrip(".").endswith(parent)
    assert isinstance(is_cdn(text), bool)
    assert isinstance(is_parking(text), bool)
    assert isinstance(is_sinkhole(text), bool)
    assert isinstance(registrable(text), str)


def test_every_listed_name_is_plain() -> None:
    for name in known.DYNAMIC_DNS | known.PARKING | known.CDN | known.SINKHOLES:
        assert name == name.strip(". ").lower()
        assert "." in name
    assert all(number.isdecimal() for number in known.CDN_ASNS)
