from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import xarf as library
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import BUILTIN, intelmq_json, n6_json, pdns_cof, recognise, xarf
from sakimori.readers._contract import Options, Reject
from sakimori.readers._json_records import _Splitter, first_object
from sakimori.readers._source import Source
from sakimori.tables import CATEGORIES, WAYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]

AT = datetime(2024, 5, 1, 10, tzinfo=UTC)
N6 = {
    "id": "0123456789abcdef0123456789abcdef", "source": "example.feed", "category": "bots",
    "restriction": "need-to-know", "confidence": "medium", "time": "2024-05-01T10:00:00Z",
    "address": [{"ip": "192.0.2.5", "cc": "jp", "asn": 64500}, {"ip": "2001:DB8::5"}],
    "origin": "p2p-crawler", "sport": 5, "dport": 80, "dip": "203.0.113.9", "proto": "tcp",
    "fqdn": "Bad.example", "name": "zeus", "md5": "00", "nested": {"kept": [1]},
}  # fmt: skip
INTELMQ = {
    "classification.type": "c2-server", "source.ip": "192.0.2.5", "source.port": 443,
    "time.source": "2024-05-01T10:00:00+00:00", "feed.name": "Example", "feed.accuracy": 80.0,
    "malware.name": "zeus", "tlp": "AMBER", "extra.more": "kept",
}  # fmt: skip
XARF = {
    "xarf_version": "4.2.0", "report_id": "550e8400-e29b-41d4-a716-446655440000",
    "timestamp": "2024-05-01T10:00:00Z", "category": "infrastructure", "type": "botnet",
    "reporter": {"org": "Example CERT", "contact": "a@example.org", "domain": "example.org"},
    "sender": {"org": "Example CERT", "contact": "a@example.org", "domain": "example.org"},
    "source_identifier": "192.0.2.5", "source_port": 50000, "evidence_source": "honeypot",
    "compromise_evidence": "it called", "c2_server": "C2.example", "malware_family": "mirai",
    "confidence": 0.9,
}  # fmt: skip
COF = {"rrname": "C2.example.", "rrtype": "A", "rdata": ["192.0.2.5", "2001:DB8::5"],
       "time_first": 1714550000, "time_last": 1714557600, "count": 3, "sensor_id": "s1"}  # fmt: skip
MAIL = """From: abuse@example.org
Subject: a log-in attack
{flag}
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="part"

--part
Content-Type: text/plain

For people.
--part
Content-Type: {kind}; charset=utf-8; name="report.txt"

{report}
--part--
"""
YAML = """---
Reported-From: abuse@example.org
Category: abuse
Report-Type: login-attack
Service: ssh
Port: 22
Report-ID: 77@example.org
Date: Wed, 01 May 2024 19:00:00 +0900
Source-Type: ip-address
Source: 192.0.2.5
"""
V3 = {"Version": "3", "ReporterInfo": {"ReporterOrg": "Example"}, "Report": {
      "ReportClass": "Activity", "ReportType": "Botnet", "Date": "2024-05-01T10:00:00Z",
      "SourceIp": "192.0.2.5", "SourcePort": 4}}  # fmt: skip


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a file with the one reader that knows it: rows without nulls, and rejects."""

    def read_it(content: Any, reader: Any) -> Any:
        path = tmp_path / "feed"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        source = Source(path, name="feed")
        assert recognise(source, BUILTIN, Options()) is reader
        found = list(reader.read(source, Options()))
        rejects = [item for item in found if isinstance(item, Reject)]
        rows = [r for i in found if not isinstance(i, Reject) for r in i.batch.to_pylist()]
        return [{k: v for k, v in row.items() if v is not None} for row in rows], rejects

    return read_it


def lines(*values: Any) -> str:
    return "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values)


def test_an_n6_event_is_a_row_for_each_address_with_its_origin(read: Read) -> None:
    rows, rejects = read([N6], n6_json)
    assert rejects == []
    first, second = rows
    extra = json.loads(first.pop("extra"))
    assert first == {
        "ts": AT, "uid": N6["id"], "src_ip": "192.0.2.5", "src_port": 5, "dst_ip": "203.0.113.9",
        "dst_port": 80, "proto": "tcp", "name": "bad.example", "asn": 64500, "country": "JP",
        "category": "bot", "family": "zeus", "how": "crawler", "confidence": 0.6,
        "restriction": "amber", "feed": "example.feed", "report": "bots",
    }  # fmt: skip
    assert (second["src_ip"], second["uid"], "asn" in second) == ("2001:db8::5", N6["id"], False)
    assert extra["md5"] == "00"
    assert extra["nested"] == {"kept": [1]}
    assert extra["origin"] == "p2p-crawler"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"category": "dns-query", "origin": "sinkhole"}, ("resolver", "sinkhole")),
        ({"category": "cnc", "origin": None}, ("controller", None)),
        ({"category": "bots", "origin": "c2"}, ("bot", "c2-log")),
        ({"category": "never-heard-of", "origin": "nor-this"}, ("other", None)),
        ({"category": "scanning", "origin": "darknet"}, ("scanner", "darknet")),
    ],
)
def test_feeds_words_become_ours(
    read: Read, changes: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    rows, _ = read([{**N6, **changes, "address": None}], n6_json)
    assert (rows[0]["category"], rows[0].get("how")) == expected
    assert rows[0]["category"] in CATEGORIES
    assert rows[0].get("how") in {None, *WAYS}
    assert "src_ip" not in rows[0]


def test_bad_json_events_are_set_aside_with_line_and_reason(read: Read) -> None:
    rows, rejects = read(
        lines(
            N6, "nonsense", [1], {**N6, "time": "soon"}, {**N6, "sport": 70000},
            {**N6, "address": [{"ip": "xx"}]}, {"a": 1}, N6,
        ),
        n6_json,
    )  # fmt: skip
    assert len(rows) == 4
    assert sorted((r.line, r.reason) for r in rejects) == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "ts is 'soon', not a time"),
        (5, "src_port is '70000', not a port"),
        (6, "src_ip is 'xx', not an IP address"),
        (7, "it has no time"),
    ]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_arrays_and_printed_objects_are_read_as_lines_are(read: Read, indent: int | None) -> None:
    rows, rejects = read(json.dumps([N6, N6], indent=indent), n6_json)
    assert (len(rows), rejects) == (4, [])
    cut_short = json.dumps([N6, N6], indent=indent)[:-30]
    rows, rejects = read(cut_short, n6_json)
    assert len(rows) == 2
    assert [r.reason for r in rejects] == ["this object is not finished"]


def test_an_intelmq_event_is_read_flat_and_nested(read: Read) -> None:
    nested = {
        "classification": {"type": "c2-server"}, "source": {"ip": "192.0.2.5", "port": 443},
        "time": {"source": "2024-05-01T10:00:00+00:00"}, "tlp": "TLP:AMBER",
        "feed": {"name": "Example", "accuracy": 80}, "malware": {"name": "zeus"},
    }  # fmt: skip
    for event in (INTELMQ, nested):
        rows, rejects = read(lines(event), intelmq_json)
        assert rejects == []
        extra = json.loads(rows[0].pop("extra"))
        assert rows[0] == {
            "ts": AT, "uid": "feed:1", "src_ip": "192.0.2.5", "src_port": 443,
            "category": "controller", "family": "zeus", "confidence": 0.8, "restriction": "amber",
            "feed": "Example", "report": "Example",
        }  # fmt: skip
        assert event is nested or extra["extra.more"] == "kept"


def test_intelmq_hits_of_a_dns_sinkhole_are_resolvers(read: Read) -> None:
    rows, _ = read(
        lines(
            {**INTELMQ, "classification.type": "other", "classification.identifier": "sinkholedns"}
        ),
        intelmq_json,
    )
    assert (rows[0]["category"], rows[0]["how"]) == ("resolver", "sinkhole")


def test_a_xarf_report_is_valid_by_its_own_schema_and_read(read: Read) -> None:
    assert library.parse(json.dumps(XARF)).errors == []
    rows, rejects = read(json.dumps(XARF, indent=1), xarf)
    assert rejects == []
    extra = json.loads(rows[0].pop("extra"))
    assert rows[0] == {
        "ts": AT, "uid": XARF["report_id"], "src_ip": "192.0.2.5", "src_port": 50000,
        "name": "c2.example", "category": "bot", "family": "mirai", "how": "honeypot",
        "confidence": 0.9, "feed": "Example CERT", "report": "xarf/infrastructure/botnet",
    }  # fmt: skip
    assert extra["reporter"]["contact"] == "a@example.org"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("2001:DB8::5", {"src_ip": "2001:db8::5"}),
        ("Bad.example.", {"name": "bad.example"}),
        ("https://bad.example/x", {"url": "https://bad.example/x"}),
    ],
)
def test_a_xarf_report_may_accuse_an_address_a_name_or_a_url(
    read: Read, subject: str, expected: dict[str, str]
) -> None:
    report = {k: v for k, v in XARF.items() if k != "c2_server"} | {"source_identifier": subject}
    rows, _ = read(lines(report, report), xarf)
    assert len(rows) == 2
    assert {k: rows[0].get(k) for k in ("src_ip", "name", "url")} == {
        "src_ip": None, "name": None, "url": None, **expected,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "report", "category"),
    [
        ("text/plain", YAML, "attacker"),
        ("application/json", json.dumps(V3), "bot"),
        ("application/json", json.dumps(XARF), "bot"),
    ],
    ids=["0.2", "3", "4"],
)
def test_a_report_in_a_mail_is_read(read: Read, kind: str, report: str, category: str) -> None:
    rows, rejects = read(MAIL.format(flag="X-ARF: Yes", kind=kind, report=report), xarf)
    assert rejects == []
    assert (rows[0]["ts"], rows[0]["src_ip"], rows[0]["category"]) == (AT, "192.0.2.5", category)


def test_a_mail_without_a_report_is_a_reject_and_other_mails_are_not_ours(
    read: Read, tmp_path: Path
) -> None:
    rows, rejects = read(MAIL.format(flag="X-ARF: Yes", kind="text/plain", report="hi"), xarf)
    assert (rows, [r.reason for r in rejects]) == ([], ["the mail holds no report"])
    path = tmp_path / "mail"
    path.write_text(MAIL.format(flag="X-Other: Yes", kind="text/plain", report=YAML))
    assert not xarf.recognises(Source(path))


def test_xarf_of_version_3_is_read(read: Read) -> None:
    rows, _ = read(V3, xarf)
    assert (rows[0]["src_ip"], rows[0]["src_port"], rows[0]["category"], rows[0]["feed"]) == (
        "192.0.2.5", 4, "bot", "Example",
    )  # fmt: skip


def test_a_passive_dns_record_is_a_row_for_each_value(read: Read) -> None:
    zone = {"rrname": "z.example", "rrtype": 2, "rdata": "NS.Example.", "zone_time_first": 1714550000,
            "zone_time_last": 1714557600}  # fmt: skip
    rows, rejects = read(
        lines(COF, zone, {**COF, "rdata": []}, {**COF, "time_last": "x"}), pdns_cof
    )
    assert [(r.line, r.reason) for r in rejects] == [
        (3, "rdata is missing or malformed"),
        (4, "time_last is missing or malformed"),
    ]
    begun = datetime.fromtimestamp(1714550000, UTC)
    assert rows[0] == {
        "ts": AT, "uid": "feed:1", "name": "c2.example", "rrtype": "A", "rdata": "192.0.2.5",
        "first_seen": begun, "count": 3, "sensor": "s1",
    }  # fmt: skip
    assert [r["rdata"] for r in rows] == ["192.0.2.5", "2001:db8::5", "ns.example"]
    assert (rows[2]["rrtype"], rows[2]["zone_last"], rows[2]["ts"]) == ("NS", AT, AT)


def test_an_object_of_endless_brackets_is_refused_and_the_next_is_read(read: Read) -> None:
    deep = '{"x": ' + "[" * 20_000 + "]" * 20_000 + "}"
    rows, rejects = read(lines(N6, deep, N6), n6_json)
    assert (len(rows), [(r.line, r.reason) for r in rejects]) == (
        4, [(2, "too many brackets in one object")],
    )  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 40),
)
def test_objects_come_out_of_any_stream_as_they_went_in(
    values: list[dict[str, Any]], indent: int | None, array: bool, size: int
) -> None:
    parts = [json.dumps(value, indent=indent, ensure_ascii=False) for value in values]
    text = f"[{','.join(parts)}]" if array else "\n".join(parts)
    data = text.encode(errors="surrogatepass")
    splitter = _Splitter()
    found = []
    for at in range(0, len(data), size):
        found += splitter.feed(data[at : at + size])
    splitter.finish()
    assert [json.loads(one.decode(errors="surrogatepass")) for one, _ in found] == values
    assert splitter.rejects == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(['{"a":1}', "{", "}", "[", "]", '"', "\\", ",", "\n", "x", "1"])))
def test_any_stream_is_cut_without_an_error_and_what_is_left_is_told(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    splitter = _Splitter()
    splitter.feed(data)
    splitter.finish()
    assert all(reject.reason and reject.line >= 1 for reject in splitter.rejects)
    assert isinstance(first_object(data), dict)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda t: f"X-ARF: yes\n\n{t}".encode()))
def test_any_mail_gives_rows_or_rejects(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("mail") / "f"
    path.write_bytes(content)
    try:
        assert all(item for item in xarf.read(Source(path), Options()))
    except SourceError:
        return
