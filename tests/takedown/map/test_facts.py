from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown.map.facts import parse_facts, parse_pdns
from sakimori.takedown.map.model import Holding, PdnsRecord, Registration

RDAP_DOMAIN = {
    "objectClassName": "domain",
    "ldhName": "C2.EXAMPLE.COM",
    "events": [{"eventAction": "registration", "eventDate": "2026-02-01T10:00:00Z"}],
    "nameservers": [{"ldhName": "NS1.HOST.EXAMPLE"}],
    "entities": [
        {"roles": ["registrar"], "handle": "9999",
         "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Reg X"]]]},
        {"roles": ["registrant"], "handle": "H-1",
         "vcardArray": ["vcard", [["adr", {"cc": "JP"}, "text", ["", "", "", "", "", "", ""]]]]},
    ],
}  # fmt: skip
RDAP_NETWORK = {
    "objectClassName": "ip network", "startAddress": "192.0.2.0", "endAddress": "192.0.2.191",
    "name": "BULLET-NET", "country": "NL",
}  # fmt: skip


def test_plain_facts_are_read() -> None:
    names, networks = parse_facts(
        json.dumps([
            {"name": "C2.Example.com.", "registrar": "Reg X", "name_servers": ["NS1.host.example."],
             "created": "2026-02-01", "country": "jp"},
            {"network": "192.0.2.7/24", "hosting": "Bullet", "asn": "AS64500", "upstreams": ["AS1"]},
        ]),
        "facts.json",
    )  # fmt: skip
    assert names == [
        Registration("c2.example.com", "Reg X", None, ("ns1.host.example",), None,
                     datetime(2026, 2, 1, tzinfo=UTC), "JP", "analyst:facts.json")
    ]  # fmt: skip
    assert networks == [
        Holding("192.0.2.0/24", "Bullet", "64500", None, None, ("AS1",), "analyst:facts.json")
    ]


def test_answers_of_rdap_are_read() -> None:
    names, networks = parse_facts(json.dumps([RDAP_DOMAIN, RDAP_NETWORK]), "rdap.json")
    (name,) = names
    assert (name.registrar, name.registrant, name.country) == ("Reg X", "H-1", "JP")
    assert name.name_servers == ("ns1.host.example",)
    assert name.created == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert [(n.network, n.hosting, n.country) for n in networks] == [
        ("192.0.2.0/25", "BULLET-NET", "NL"), ("192.0.2.128/26", "BULLET-NET", "NL"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"), ("[1]", "no object"), ('{"name": ""}', "neither"),
        ('{"name": "a.example", "registrer": "x"}', "registrer"), ('{"network": "x/y"}', "malformed"),
        ('{"name": "a.example", "country": "Japan"}', "Japan"),
        ('{"name": "a.example", "created": "yesterday"}', "yesterday"),
        ('{"objectClassName": "domain"}', "malformed"),
        ('{"objectClassName": "ip network", "startAddress": "::", "endAddress": "192.0.2.1"}',
         "malformed"),
    ],
)  # fmt: skip
def test_a_bad_fact_is_named(text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as error:
        parse_facts(text, "facts.json")
    assert error.value.where.startswith("facts.json:")


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
keys = st.sampled_from(
    ["name", "network", "objectClassName", "ldhName", "entities", "events", "nameservers", "country",
     "created", "name_servers", "startAddress", "endAddress"]
)  # fmt: skip


@given(st.dictionaries(keys, values | st.just("domain") | st.just("ip network"), max_size=6))
def test_any_object_is_read_or_refused(one: dict[str, Any]) -> None:
    with suppress(SourceError):  # and no other error
        parse_facts(json.dumps(one), "facts.json")


COF = [
    (
        '{"rrname": "C2.Example.", "rrtype": "a", "rdata": "192.0.2.1", "time_first": 1772000000,'
        ' "time_last": 1772003600, "count": 7, "sensor_id": "s1"}'
    ),
    "",
    '{"rrname": "c2.example", "rrtype": "NS", "rdata": ["NS1.host.example.", "ns2.host.example"]}',
]


def test_common_output_format_is_read() -> None:
    records, refused = parse_pdns(COF, "pdns.jsonl")
    assert refused is None
    assert records[0] == PdnsRecord(
        "c2.example", "A", "192.0.2.1", datetime(2026, 2, 25, 6, 13, 20, tzinfo=UTC),
        datetime(2026, 2, 25, 7, 13, 20, tzinfo=UTC), 7, "pdns:s1",
    )  # fmt: skip
    assert [r.rdata for r in records[1:]] == ["ns1.host.example", "ns2.host.example"]
    assert records[1].source == "pdns:pdns.jsonl"


def test_the_same_columns_are_read_as_csv() -> None:
    lines = ["rrname,rrtype,rdata,time_first,time_last,count", "c2.example,A,192.0.2.1,1,2,3"]
    ((record,), _) = parse_pdns(lines, "p")
    assert (record.rdata, record.count, record.last) == (
        "192.0.2.1",
        3,
        datetime.fromtimestamp(2, UTC),
    )


def test_bad_lines_are_counted_and_the_first_is_told() -> None:
    lines = [COF[0], "no JSON", '{"rrname": "a.example", "rrtype": "A", "rdata": "x"}', COF[2]]
    records, refused = parse_pdns(lines, "p")
    assert len(records) == 3
    assert refused is not None
    assert (refused.count, refused.line) == (2, 2)


@pytest.mark.parametrize("lines", [[], ["rrname,rrtype"], ["{}"], ["hello"]])
def test_a_file_without_a_record_is_refused(lines: list[str]) -> None:
    with pytest.raises(SourceError, match="p"):
        parse_pdns(lines, "p")


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    try:
        records, refused = parse_pdns([COF[0], *lines], "p")
    except SourceError:
        return
    assert len(records) >= 1
    assert refused is None or 1 <= refused.count <= len(lines)
