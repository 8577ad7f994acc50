from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.readers import Options, Reject, Rows, Source, schema_of, suricata_eve
from sakimori.readers._delimited import UNFINISHED

DATA = Path(__file__).parents[2].parent / "shared/data/network"
BASE = {
    "timestamp": "2021-06-06T15:59:46.457984+0200", "flow_id": 1374195536821504,
    "src_ip": "10.0.0.5", "src_port": 50000, "dest_ip": "203.0.113.9", "dest_port": 443,
    "proto": "TCP",
}  # fmt: skip
ENDS = {
    "uid": "1374195536821504", "src_ip": "10.0.0.5", "src_port": 50000, "dst_ip": "203.0.113.9",
    "dst_port": 443,
}  # fmt: skip
SEEN = {
    "pkts_toserver": 4, "pkts_toclient": 6, "bytes_toserver": 400, "bytes_toclient": 600,
    "start": "2021-06-06T15:00:00.000000+0200", "end": "2021-06-06T15:00:01.500000+0200",
    "state": "closed", "reason": "timeout",
}  # fmt: skip


def event(kind: str, **more: Any) -> dict[str, Any]:
    return BASE | {"event_type": kind} | more


def flow(**more: Any) -> dict[str, Any]:
    return event("flow", app_proto="tls", flow=SEEN) | more


def source_of(path: Path, content: bytes) -> Source:
    file = path / "eve.json"
    file.write_bytes(content)
    return Source(file, name="eve.json")


def read(path: Path, *lines: dict[str, Any] | str | bytes) -> tuple[list[Rows], list[Reject]]:
    return read_all(source_of(path, b"".join(as_bytes(line) + b"\n" for line in lines)))


def as_bytes(line: dict[str, Any] | str | bytes) -> bytes:
    text = json.dumps(line) if isinstance(line, dict) else line
    return text.encode() if isinstance(text, str) else text


def read_all(source: Source) -> tuple[list[Rows], list[Reject]]:
    items = list(suricata_eve.read(source, Options()))
    rows = [item for item in items if isinstance(item, Rows)]
    assert all(r.batch.schema == schema_of(r.table) for r in rows)
    assert {r.table for r in rows} <= set(suricata_eve.WRITES)
    return rows, [item for item in items if isinstance(item, Reject)]


def rows_of(path: Path, *lines: dict[str, Any] | str) -> list[dict[str, Any]]:
    rows, rejects = read(path, *lines)
    assert not rejects
    return [row | {"ts": str(row["ts"])} for part in rows for row in part.batch.to_pylist()]


def one(path: Path, *lines: dict[str, Any]) -> dict[str, Any]:
    found = rows_of(path, *lines)
    assert len(found) == 1
    return found[0]


def test_a_flow_becomes_a_connection_that_begins_with_its_first_packet(tmp_path: Path) -> None:
    assert one(tmp_path, flow()) == ENDS | {
        "ts": "2021-06-06 13:00:00+00:00", "proto": "tcp", "service": "tls", "duration": 1.5,
        "src_bytes": 400, "dst_bytes": 600, "src_pkts": 4, "dst_pkts": 6, "state": "SF",
    }  # fmt: skip


def flags(ours: str | None, theirs: str | None) -> dict[str, Any]:
    return {"tcp": {"tcp_flags_ts": ours, "tcp_flags_tc": theirs}}


@pytest.mark.parametrize(
    ("more", "answered", "state", "wanted"),
    [
        (flags("02", "00"), 0, "new", "S0"),
        (flags("02", "14"), 2, "closed", "REJ"),
        (flags("06", "00"), 0, "closed", "RSTOS0"),
        (flags("03", "00"), 0, "new", "SH"),
        (flags("02", "10"), 1, "new", "OTH"),
        (flags("1a", "1a"), 6, "established", "S1"),
        (flags("1b", "1b"), 6, "closed", "SF"),
        (flags("1f", "1b"), 6, "closed", "SF"),
        (flags("1e", "1a"), 6, "closed", "RSTO"),
        (flags("1a", "1e"), 6, "closed", "RSTR"),
        (flags("1b", "1a"), 6, "established", "S2"),
        (flags("1a", "1b"), 6, "established", "S3"),
        (flags("10", "16"), 6, "closed", "RSTRH"),
        (flags("10", "13"), 6, "closed", "SHR"),
        (flags("10", "12"), 6, "new", "OTH"),
        (flags("18", "18"), 6, "established", "OTH"),
        (flags("00", "00"), 2, "new", None),
        (flags("00", "00"), 0, "new", "S0"),
        (flags("zz", None), 6, "established", "S1"),
        ({}, 6, "closed", "SF"),
        ({}, 0, "new", "S0"),
        ({}, 6, "bypassed", None),
        ({"proto": "UDP"}, 0, "new", "S0"),
        ({"proto": "UDP"}, 6, "established", "SF"),
        ({"proto": "UDP"}, None, "established", "SF"),
        ({"proto": "UDP"}, None, "bypassed", None),
        ({"proto": "ICMP"}, 0, "new", "S0"),
    ],
)
def test_a_state_is_given_in_the_words_of_zeek(
    tmp_path: Path, more: dict[str, Any], answered: int | None, state: str, wanted: str | None
) -> None:
    seen = SEEN | {"state": state, "pkts_toclient": answered}
    assert one(tmp_path, flow(flow=seen, **more))["state"] == wanted


@pytest.mark.parametrize("name", ["failed", "unknown", None])
def test_a_service_that_was_not_recognised_is_null(tmp_path: Path, name: str | None) -> None:
    assert one(tmp_path, flow(app_proto=name))["service"] is None


@pytest.mark.parametrize(
    ("proto", "wanted"), [("ICMP", "icmp"), ("IPv6-ICMP", "icmp"), ("SCTP", "sctp")]
)
def test_icmp_has_its_type_and_code_for_ports(tmp_path: Path, proto: str, wanted: str) -> None:
    line = flow(proto=proto, icmp_type=8, icmp_code=0)
    row = one(tmp_path, {k: v for k, v in line.items() if not k.endswith("_port")})
    assert (row["proto"], row["src_port"], row["dst_port"]) == (wanted, 8, 0)


def test_a_flow_that_ends_before_it_begins_has_no_duration(tmp_path: Path) -> None:
    assert one(tmp_path, flow(flow=SEEN | {"end": "1999-01-01T00:00:00Z"}))["duration"] is None


NETFLOW = event(
    "netflow", netflow={"pkts": 4, "bytes": 400, "start": SEEN["start"], "end": SEEN["end"]}
)


def test_netflow_events_are_connections_of_one_direction(tmp_path: Path) -> None:
    row = one(tmp_path, NETFLOW)
    assert row == ENDS | {
        "ts": "2021-06-06 13:00:00+00:00", "proto": "tcp", "service": None, "duration": 1.5,
        "src_bytes": 400, "dst_bytes": None, "src_pkts": 4, "dst_pkts": None, "state": None,
    }  # fmt: skip


def test_netflow_events_beside_flow_events_do_not_count_twice(tmp_path: Path) -> None:
    assert [r["state"] for r in rows_of(tmp_path, NETFLOW, flow(), NETFLOW)] == ["SF"]


def test_a_grown_file_still_knows_that_it_has_flow_events(tmp_path: Path) -> None:
    first = as_bytes(flow()) + b"\n"
    source = source_of(tmp_path, first + as_bytes(NETFLOW) + b"\n")
    source.begin_at(len(first), 2, source.digest_of(len(first)))
    assert read_all(source) == ([], [])


def dns(at: str, kind: str, port: int = 53, **more: Any) -> dict[str, Any]:
    return event("dns", timestamp=f"2021-06-06T15:00:0{at}+0200", dest_port=port, proto="UDP",
                 dns={"type": kind, "id": 7} | more)  # fmt: skip


ASK = dns("1.0", "query", rrname="WWW.Example.com.", rrtype="A")
RECORDS = [
    {"rrname": "www.example.com", "rrtype": "CNAME", "ttl": 60, "rdata": "a.example"},
    {"rrname": "a.example", "rrtype": "A", "ttl": 5, "rdata": "192.0.2.1"},
]
NAME = {"rrname": "www.example.com", "rrtype": "A"}
REPLY = {"version": 2, "rcode": "NOERROR", **NAME}
V1 = [dns("1.5", "answer", rcode="NOERROR", **record) for record in RECORDS]
V3_ASK = dns("1.0", "request", version=3, rcode="NOERROR", queries=[NAME])
V3 = dns("1.5", "response", version=3, rcode="NOERROR", queries=[NAME], answers=RECORDS)
GROUPED = {"A": ["192.0.2.1"], "CNAME": ["a.example"]}
ANSWERED = ENDS | {
    "ts": "2021-06-06 13:00:01+00:00", "dst_port": 53, "proto": "udp", "query": "www.example.com",
    "qtype": "A", "rcode": "NOERROR", "answers": ["a.example", "192.0.2.1"], "ttls": [60.0, 5.0],
    "rtt": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        ([ASK, *V1], {}),
        ([ASK, dns("1.5", "answer", answers=RECORDS, **REPLY)], {}),
        ([ASK, dns("1.5", "answer", answers=RECORDS, grouped=GROUPED, **REPLY)], {}),
        ([ASK, dns("1.5", "answer", grouped=GROUPED, **REPLY)], {"ttls": None}),
        ([V3_ASK, V3], {}),
        ([V3, V3_ASK], {}),
        ([ASK], {"rcode": None, "answers": None, "ttls": None, "rtt": None}),
        ([V3_ASK], {"rcode": None, "answers": None, "ttls": None, "rtt": None}),
        ([V3], {"ts": "2021-06-06 13:00:01.500000+00:00", "rtt": None}),
        ([ASK, dns("1.5", "answer", **REPLY | {"rcode": "NXDOMAIN"})],
         {"rcode": "NXDOMAIN", "answers": None, "ttls": None}),
    ],
    ids=["v1", "v2", "v2-both", "v2-grouped", "v3", "v3-late", "v1-ask", "v3-ask", "v3-answer", "nx"],
)  # fmt: skip
def test_a_question_and_its_answer_are_one_row(
    tmp_path: Path, lines: list[dict[str, Any]], changed: dict[str, Any]
) -> None:
    assert one(tmp_path, *lines) == ANSWERED | changed


def test_an_answer_that_came_from_the_server_is_turned_round(tmp_path: Path) -> None:
    turned = {"src_ip": "203.0.113.9", "src_port": 53, "dest_ip": "10.0.0.5", "dest_port": 50000}
    row = one(tmp_path, V3 | turned)
    assert {k: row[k] for k in ENDS} == ENDS | {"dst_port": 53}


def test_questions_of_one_flow_are_told_apart(tmp_path: Path) -> None:
    six = {"rrname": "www.example.com", "rrtype": "AAAA"}
    lines = [
        ASK,
        dns("1.0", "query", **six),
        dns("1.0", "query", rrname="b.example", rrtype="A"),
        dns("1.2", "answer", answers=[{"rdata": "2001:db8::1", "ttl": 1}], **REPLY | six),
        dns("1.5", "answer", answers=RECORDS, **REPLY),
        dns("3.0", "query", **NAME),
    ]
    found = [(r["query"], r["qtype"], r["answers"]) for r in rows_of(tmp_path, *lines)]
    assert found == [
        ("www.example.com", "A", ["a.example", "192.0.2.1"]),
        ("www.example.com", "AAAA", ["2001:db8::1"]),
        ("b.example", "A", None),
        ("www.example.com", "A", None),
    ]


def test_dns_events_without_a_flow_are_not_joined(tmp_path: Path) -> None:
    lines = [{k: v for k, v in line.items() if k != "flow_id"} for line in (V3_ASK, V3)]
    assert [r["uid"] for r in rows_of(tmp_path, *lines)] == ["eve.json:1", "eve.json:2"]


EVENTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "http": (
        {"http": {"hostname": "A.example:8080", "url": "/x", "http_user_agent": "\x1b[31m",
                  "http_method": "GET", "http_refer": "r", "status": 404, "length": 47,
                  "http_content_type": "text/html"}}, "http",
        {"host": "a.example", "uri": "/x", "user_agent": "\x1b[31m", "method": "GET",
         "referrer": "r", "status": 404, "resp_bytes": 47, "mime": "text/html"},
    ),
    "tls": (
        {"tls": {"subject": "CN=a", "issuerdn": "CN=b", "fingerprint": "2D:d1:9F", "sni": "A.Example",
                 "version": "TLS 1.2", "notbefore": "1970-01-02T00:00:00", "ja3": {"hash": "AB"},
                 "ja3s": {"hash": "cd"}, "ja4": "t13d", "server_alpns": ["h2"]}}, "tls",
        {"subject": "CN=a", "issuer": "CN=b", "cert_hashes": ["2dd19f"], "server_name": "a.example",
         "version": "TLS 1.2", "ja3": "ab", "ja3s": "cd", "ja4": "t13d", "alpn": "h2"},
    ),
    "smtp": (
        {"smtp": {"helo": "h", "mail_from": "<A@b.example>", "rcpt_to": ["<C@d.example>", "e@f"]},
         "email": {"subject": "s", "message_id": "<1@x>", "x_mailer": "m"}}, "mail",
        {"helo": "h", "sender": "a@b.example", "recipients": ["c@d.example", "e@f"], "subject": "s",
         "message_id": "<1@x>", "mailer": "m"},
    ),
    "ssh": (
        {"ssh": {"client": {"software_version": "x", "hassh": {"hash": "AB"}},
                 "server": {"software_version": "y"}}}, "ssh",
        {"client": "x", "server": "y", "hassh": "ab", "auth_success": None},
    ),
    "fileinfo": (
        {"app_proto": "http", "fileinfo": {"filename": "/x", "magic": "PNG image", "size": 47,
                                           "file_id": 3, "md5": "AB", "sha256": "CD"}}, "files",
        {"name": "/x", "mime": "PNG image", "bytes": 47, "file_id": "3", "md5": "ab",
         "sha256": "cd", "service": "http", "src_ip": "10.0.0.5"},
    ),
    "alert": (
        {"alert": {"action": "allowed", "signature_id": 2403388, "signature": "ET X",
                   "category": "Misc", "severity": 2}}, "alert",
        {"action": "allowed", "signature_id": "2403388", "name": "ET X", "category": "Misc",
         "severity": 2, "sensor": "suricata", "proto": "tcp"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", EVENTS)
def test_each_event_type_fills_its_table(tmp_path: Path, kind: str) -> None:
    more, table, wanted = EVENTS[kind]
    rows, rejects = read(tmp_path, event(kind, **more))
    assert not rejects
    assert [r.table for r in rows] == [table]
    row = rows[0].batch.to_pylist()[0]
    assert str(row["ts"]) == "2021-06-06 13:59:46.457984+00:00"
    assert {key: row[key] for key in wanted} == wanted


@pytest.mark.parametrize("kind", ["http", "tls", "smtp", "ssh", "fileinfo", "alert", "dns"])
def test_an_event_without_its_details_is_a_row_of_nulls(tmp_path: Path, kind: str) -> None:
    row = one(tmp_path, event(kind))
    ends = {*ENDS, "ts", "proto", "sensor"}
    assert {value for key, value in row.items() if key not in ends} == {None}


@pytest.mark.parametrize(
    "more",
    [
        {"direction": "to_client"},
        {
            "flow": {
                "src_ip": "203.0.113.9",
                "src_port": 443,
                "dest_ip": "10.0.0.5",
                "dest_port": 50000,
            }
        },
    ],
    ids=["direction", "flow"],
)
def test_an_alert_names_the_side_that_opened_the_connection(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    row = one(tmp_path, event("alert", **more))
    ends = [row[key] for key in ("src_ip", "src_port", "dst_ip", "dst_port")]
    assert ends == ["203.0.113.9", 443, "10.0.0.5", 50000]


def test_an_alert_of_a_broken_packet_needs_no_address(tmp_path: Path) -> None:
    assert (
        one(tmp_path, {"timestamp": "1970-01-01T00:00:00Z", "event_type": "alert"})["uid"]
        == "eve.json:1"
    )


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("2021-06-06T15:59:46.457984+0200", "2021-06-06 13:59:46.457984+00:00"),
        ("2021-06-06T15:59:46.457984-0330", "2021-06-06 19:29:46.457984+00:00"),
        ("2021-06-06T15:59:46Z", "2021-06-06 15:59:46+00:00"),
        ("2021-06-06T15:59:46", "2021-06-06 15:59:46+00:00"),
        ("1970-01-01T00:00:00.000000+0000", "1970-01-01 00:00:00+00:00"),
    ],
)
def test_times_become_utc(tmp_path: Path, stamp: str, wanted: str) -> None:
    assert one(tmp_path, event("http", timestamp=stamp))["ts"] == wanted


@pytest.mark.parametrize("kind", ["stats", "anomaly", "drop", "ikev2", "made-up"])
def test_event_types_without_a_table_give_nothing(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, event(kind)) == ([], [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"timestamp": ', "not JSON"),
        ("[]", "not a JSON object"),
        (BASE, "event_type is missing"),
        (event("http", timestamp="soon"), "timestamp is missing or malformed"),
        (event("http", timestamp="infinity"), "timestamp is missing or malformed"),
        (flow(flow={}), "flow.start is missing or malformed"),
        (event("http", src_ip=None), "src_ip is missing or malformed"),
        (event("dns", src_ip=None), "src_ip is missing or malformed"),
    ],
)
def test_a_bad_line_is_set_aside_and_the_others_are_kept(
    tmp_path: Path, bad: dict[str, Any] | str, reason: str
) -> None:
    rows, rejects = read(tmp_path, flow(), bad, flow())
    assert [(r.line, r.reason, r.tail) for r in rejects] == [(2, reason, False)]
    assert [(r.table, r.batch.num_rows) for r in rows] == [("conn", 2)]


def test_a_last_line_without_its_newline_is_the_tail(tmp_path: Path) -> None:
    rows, rejects = read_all(source_of(tmp_path, as_bytes(flow()) + b"\n" + as_bytes(flow())[:50]))
    assert [r.tail for r in rows] == [False]
    assert [(r.line, r.reason, r.tail) for r in rejects] == [(2, UNFINISHED, True)]
    rows, _ = read_all(source_of(tmp_path, as_bytes(flow())))
    assert [r.tail for r in rows] == [True]


def test_ipv6_in_full_becomes_short(tmp_path: Path) -> None:
    full = "2001:0DB8:0000:0000:0000:0000:0000:0001"
    row = one(tmp_path, flow(src_ip=full, dest_ip="fe80:0000:0000:0000:0000:0000:0000:0002"))
    assert (row["src_ip"], row["dst_ip"]) == ("2001:db8::1", "fe80::2")


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("a.example", "a.example"), ("A.example.:80", "a.example"), ("[2001:db8::1]:80", "[2001:db8::1]"),
     ("2001:db8::1", "2001:db8::1"), ("", None)],
)  # fmt: skip
def test_a_host_loses_its_port(tmp_path: Path, host: str, wanted: str | None) -> None:
    assert one(tmp_path, event("http", http={"hostname": host}))["host"] == wanted


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (as_bytes(flow()) + b"\n", True),
        (b"\n\n" + as_bytes(event("stats")), True),
        (b"", False),
        (b'{"ts": 1, "id.orig_h": "10.0.0.5"}\n', False),
        (b"[" + as_bytes(flow()) + b"]", False),
        (json.dumps(flow(), indent=1).encode(), False),
    ],
    ids=["eve", "stats", "empty", "zeek", "array", "pretty"],
)
def test_only_eve_is_recognised(tmp_path: Path, head: bytes, known: bool) -> None:
    assert suricata_eve.recognises(source_of(tmp_path, head)) is known


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_any_bytes_give_rows_and_rejects(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes], begun: bool
) -> None:
    lines = [as_bytes(flow()), *junk] if begun else junk
    source = source_of(tmp_path_factory.mktemp("any"), b"\n".join(lines))
    suricata_eve.recognises(source)
    read_all(source)


KINDS = st.sampled_from(["flow", "netflow", "dns", *EVENTS])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "answers", "rdata", "grouped", "A", "queries", "start", "fingerprint",
                         "rcpt_to", "rrname", "tcp_flags_ts", "hash", "ja3", "hostname"]),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip
PARTS = ["flow", "tcp", "netflow", "dns", "http", "tls", "smtp", "email", "ssh", "fileinfo", "alert",
         "src_port", "flow_id", "proto", "timestamp", "src_ip"]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    KINDS,
    st.lists(st.dictionaries(st.sampled_from(PARTS), VALUES, max_size=5), min_size=1, max_size=5),
)
def test_any_json_is_a_row_or_a_reject(
    tmp_path_factory: pytest.TempPathFactory, kind: str, lines: list[dict[str, Any]]
) -> None:
    events = [BASE | {"event_type": kind} | line for line in lines]
    rows, rejects = read(tmp_path_factory.mktemp("any"), *events)
    total = sum(r.batch.num_rows for r in rows) + len(rejects)
    assert total == len(events) if kind != "dns" else 0 < total <= len(events)


ASKS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab"), st.booleans()), max_size=12)


@settings(max_examples=40, deadline=None)
@given(ASKS)
def test_every_question_counts_once(
    tmp_path_factory: pytest.TempPathFactory, asks: list[tuple[int, str, bool]]
) -> None:
    path, lines = tmp_path_factory.mktemp("any"), []
    for number, name, answered in asks:
        what = {"id": number, "rrname": f"{name}.example", "rrtype": "A"}
        lines.append(dns("1.0", "query", **what))
        if answered:
            lines.append(dns("2.0", "answer", version=2, rcode="NOERROR", answers=RECORDS, **what))
    found = Counter(row["query"][0] for row in rows_of(path, *lines))
    assert found == Counter(name for _, name, _ in asks)


def test_the_real_fixture_is_read_whole() -> None:
    file = DATA / "format-fixtures-unlabelled/input/test6.suricata.json.gz"
    if not file.is_file():
        pytest.skip("format-fixtures-unlabelled is not beside the repository")
    lines = gzip.decompress(file.read_bytes()).splitlines()
    kinds = Counter(json.loads(line)["event_type"] for line in lines)
    source = Source(file)
    assert suricata_eve.recognises(source)
    rows, rejects = read_all(source)
    assert not rejects
    tables = {r.table: r.batch for r in rows}
    counts = {table: batch.num_rows for table, batch in tables.items()}
    assert counts == {"conn": kinds["flow"], "alert": kinds["alert"], "http": kinds["http"],
                      "files": kinds["fileinfo"], "tls": 1, "dns": kinds["dns"] // 2}  # fmt: skip
    assert tables["dns"]["rtt"].null_count == 0
    assert tables["dns"]["answers"].null_count == 0
    assert tables["tls"]["cert_hashes"].to_pylist() == [
        ["2dd19f809986fcac5f2a2afda3f37e967cdd2437"]
    ]
    assert set(tables["conn"]["state"].to_pylist()) == {"REJ", "S0", "S1", "S2", "SF", "RSTO", None}
