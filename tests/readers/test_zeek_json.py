from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.readers import Options, Reject, Rows, Source, schema_of, zeek_json
from sakimori.readers import _jsonl as jsonl
from sakimori.readers._delimited import UNFINISHED

DATA = Path(__file__).parents[2].parent / "shared/data/network"
DOTTED = {"id.orig_h": "10.0.0.5", "id.orig_p": 50000, "id.resp_h": "203.0.113.9", "id.resp_p": 443}
CONN = {
    "ts": 1700000000.25, "uid": "C1", **DOTTED, "proto": "tcp", "service": "ssl", "duration": 1.5,
    "orig_bytes": 400, "resp_bytes": 600, "orig_pkts": 4, "resp_pkts": 6, "conn_state": "SF",
}  # fmt: skip
WANTED = {
    "ts": "2023-11-14 22:13:20.250000+00:00", "uid": "C1", "src_ip": "10.0.0.5", "src_port": 50000,
    "dst_ip": "203.0.113.9", "dst_port": 443, "proto": "tcp", "service": "ssl", "duration": 1.5,
    "src_bytes": 400, "dst_bytes": 600, "src_pkts": 4, "dst_pkts": 6, "state": "SF",
}  # fmt: skip


def source_of(path: Path, content: bytes) -> Source:
    file = path / "zeek.log"
    file.write_bytes(content)
    return Source(file, name="zeek.log")


def read(path: Path, *lines: dict[str, Any] | str | bytes) -> tuple[list[Rows], list[Reject]]:
    content = b"".join(as_bytes(line) + b"\n" for line in lines)
    return read_all(source_of(path, content))


def as_bytes(line: dict[str, Any] | str | bytes) -> bytes:
    text = json.dumps(line) if isinstance(line, dict) else line
    return text.encode() if isinstance(text, str) else text


def read_all(source: Source) -> tuple[list[Rows], list[Reject]]:
    items = list(zeek_json.read(source, Options()))
    rows = [item for item in items if isinstance(item, Rows)]
    assert all(r.batch.schema == schema_of(r.table) for r in rows)
    return rows, [item for item in items if isinstance(item, Reject)]


def one(path: Path, line: dict[str, Any]) -> dict[str, Any]:
    rows, rejects = read(path, line)
    assert not rejects
    assert [r.batch.num_rows for r in rows] == [1]
    row: dict[str, Any] = rows[0].batch.to_pylist()[0]
    return row | {"ts": str(row["ts"])}


def without(line: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in keys}


UNDERSCORED = {key.replace(".", "_"): value for key, value in CONN.items()}
NESTED = without(CONN, *DOTTED) | {"id": {k.split(".")[1]: v for k, v in DOTTED.items()}}


@pytest.mark.parametrize(
    "line", [CONN, UNDERSCORED, NESTED], ids=["dotted", "underscored", "nested"]
)
def test_each_spelling_of_a_field_is_read(tmp_path: Path, line: dict[str, Any]) -> None:
    assert one(tmp_path, line) == WANTED


@pytest.mark.parametrize(
    ("ts", "wanted"),
    [
        (1700000000.123456, "2023-11-14 22:13:20.123456+00:00"),
        (1700000000123, "2023-11-14 22:13:20.123000+00:00"),
        ("1700000000.5", "2023-11-14 22:13:20.500000+00:00"),
        ("2023-11-14T22:13:20.123456Z", "2023-11-14 22:13:20.123456+00:00"),
        ("2023-11-15T07:13:20+0900", "2023-11-14 22:13:20+00:00"),
        (0, "1970-01-01 00:00:00+00:00"),
        (0.5, "1970-01-01 00:00:00.500000+00:00"),
    ],
    ids=["seconds", "milliseconds", "text", "iso", "offset", "zero", "relative"],
)
def test_each_way_to_write_the_time_is_read(tmp_path: Path, ts: float | str, wanted: str) -> None:
    assert one(tmp_path, CONN | {"ts": ts})["ts"] == wanted


DNS = {"ts": 1.0, "uid": "C", **DOTTED, "proto": "udp", "query": "WWW.Example.COM.",
       "qtype_name": "A", "rcode_name": "NOERROR", "answers": ["a.example", "192.0.2.1"],
       "TTLs": [60.0, 5], "rtt": 0.01}  # fmt: skip
X509 = {"ts": 1.0, "id": "F1", "certificate.serial": "0A", "certificate.subject": "CN=a",
        "certificate.issuer": "CN=a", "certificate.not_valid_before": 86400.0,
        "certificate.not_valid_after": "2030-01-01T00:00:00Z", "san.dns": ["a.example"]}  # fmt: skip
FILE = {"ts": 1.0, "fuid": "F1", "source": "HTTP", "analyzers": [], "mime_type": "text/html",
        "seen_bytes": 5, "md5": "AB"}  # fmt: skip
NOTICE = {"ts": 1.0, "note": "Scan::Port_Scan", "msg": "scanned", "src": "10.0.0.5",
          "dst": "192.0.2.1", "actions": ["Notice::ACTION_LOG"]}  # fmt: skip
LOGS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "conn": (CONN, "conn", {"state": "SF", "src_bytes": 400}),
    "dns": (DNS, "dns", {"query": "www.example.com", "answers": ["a.example", "192.0.2.1"],
                         "ttls": [60.0, 5.0], "rcode": "NOERROR", "rtt": 0.01}),
    "http": ({"ts": 1.0, **DOTTED, "trans_depth": 1, "method": "GET", "host": "A.example:8080",
              "uri": "/x", "status_code": 404, "resp_mime_types": ["text/html", "x"]},
             "http", {"host": "a.example", "status": 404, "mime": "text/html", "uid": "zeek.log:1"}),
    "ssl": ({"ts": 1.0, **DOTTED, "cipher": "TLS_X", "established": True, "server_name": "A.Example",
             "cert_chain_fuids": ["F1"], "ja3": "72a5"},
            "tls", {"established": True, "server_name": "a.example", "cert_hashes": ["F1"]}),
    "x509": (X509, "cert", {"uid": "F1", "self_signed": True, "names": ["a.example"]}),
    "smtp": ({"ts": 1.0, **DOTTED, "mailfrom": "A@b.example", "rcptto": ["c@d.example"]},
             "mail", {"sender": "a@b.example", "recipients": ["c@d.example"]}),
    "irc": ({"ts": 1.0, **DOTTED, "nick": "bot", "command": "JOIN", "value": "#x"},
            "irc", {"nick": "bot", "command": "JOIN", "value": "#x"}),
    "ssh": ({"ts": 1.0, **DOTTED, "auth_success": False, "auth_attempts": 3, "client": "SSH-2.0-x"},
            "ssh", {"auth_success": False, "auth_attempts": 3}),
    "files": (FILE | {"tx_hosts": ["192.0.2.1"], "rx_hosts": ["10.0.0.5"], "conn_uids": ["C1"]},
              "files", {"src_ip": "192.0.2.1", "dst_ip": "10.0.0.5", "uid": "C1", "md5": "ab"}),
    "notice": (NOTICE, "alert", {"src_ip": "10.0.0.5", "dst_ip": "192.0.2.1", "sensor": "zeek-notice",
                                 "action": "Notice::ACTION_LOG", "name": "scanned"}),
    "weird": ({"ts": 1.0, "name": "ip_hdr_len_zero", "notice": False, "peer": "zeek"},
              "alert", {"sensor": "zeek-weird", "signature_id": "ip_hdr_len_zero", "src_ip": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("named", ["", "_path", "@path", "@stream"])
def test_each_log_is_known_by_its_name_or_its_fields(tmp_path: Path, name: str, named: str) -> None:
    line, table, wanted = LOGS[name]
    rows, rejects = read(tmp_path, line | ({named: name} if named else {}))
    assert not rejects
    assert [r.table for r in rows] == [table]
    row = rows[0].batch.to_pylist()[0]
    assert {key: row[key] for key in wanted} == wanted
    assert zeek_json.recognises(Source(tmp_path / "zeek.log"))
    assert zeek_json.skipped(Source(tmp_path / "zeek.log")) == ""


@pytest.mark.parametrize(("is_orig", "sender"), [(True, "10.0.0.5"), (False, "203.0.113.9")])
def test_a_file_comes_from_the_side_that_sent_it(
    tmp_path: Path, is_orig: bool, sender: str
) -> None:
    row = one(tmp_path, FILE | {"uid": "C1", **DOTTED, "is_orig": is_orig})
    assert (row["src_ip"], row["uid"]) == (sender, "C1")
    assert {row["src_ip"], row["dst_ip"]} == {"10.0.0.5", "203.0.113.9"}


def test_a_stream_of_mixed_logs_is_parted(tmp_path: Path) -> None:
    rows, rejects = read(
        tmp_path,
        CONN | {"_path": "conn"},
        {"_path": "kerberos", "ts": 1.0, **DOTTED},
        DNS | {"_path": "dns"},
        CONN | {"_path": "conn", "uid": "C2"},
    )
    assert not rejects
    assert {r.table: r.batch["uid"].to_pylist() for r in rows} == {
        "conn": ["C1", "C2"],
        "dns": ["C"],
    }


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"_path": "kerberos", "ts": 1.0, **DOTTED}, "no table holds Zeek's kerberos log"),
        ({"ts": 1.0, **DOTTED, "named_pipe": "135"}, "no table holds Zeek's unnamed log"),
        ({"ts": 1.0, **DOTTED, "call_id": "1", "method": "INVITE", "trans_depth": 0},
         "no table holds Zeek's unnamed log"),
    ],
    ids=["kerberos", "dce_rpc", "sip"],
)  # fmt: skip
def test_a_log_without_a_table_is_named_as_skipped(
    tmp_path: Path, line: dict[str, Any], why: str
) -> None:
    assert read(tmp_path, line) == ([], [])
    source = Source(tmp_path / "zeek.log")
    assert zeek_json.recognises(source)
    assert zeek_json.skipped(source) == why


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"ts": 1', "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        (without(CONN, "ts"), "ts is missing or malformed"),
        (CONN | {"ts": "yesterday"}, "ts is missing or malformed"),
        (CONN | {"ts": 1e300}, "ts is missing or malformed"),
        (CONN | {"ts": "infinity"}, "ts is missing or malformed"),
        (without(CONN, "id.orig_h"), "id.orig_h is missing or malformed"),
        (CONN | {"id.orig_h": ""}, "id.orig_h is missing or malformed"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
    ],
    ids=["cut", "list", "text", "no-ts", "bad-ts", "far-ts", "inf-ts", "no-src", "empty-src",
         "deep", "deeper"],
)  # fmt: skip
def test_a_bad_line_is_set_aside_and_the_others_are_kept(
    tmp_path: Path, bad: dict[str, Any] | str, reason: str
) -> None:
    rows, rejects = read(tmp_path, CONN, "", bad, CONN | {"uid": "C2"})
    assert [(r.line, r.reason, r.tail) for r in rejects] == [(3, reason, False)]
    assert rejects[0].text == as_bytes(bad).decode()[:1000]
    assert rows[0].batch["uid"].to_pylist() == ["C1", "C2"]


@pytest.mark.parametrize(
    ("cell", "column"),
    [
        ({"id.orig_p": "http"}, "src_port"),
        ({"id.orig_p": 2**40}, "src_port"),
        ({"id.orig_p": 80.5}, "src_port"),
        ({"orig_bytes": [1]}, "src_bytes"),
        ({"orig_bytes": 2**70}, "src_bytes"),
        ({"duration": "long"}, "duration"),
        ({"duration": "nan"}, "duration"),
        ({"service": ""}, "service"),
        ({"service": None}, "service"),
    ],
)
def test_a_cell_that_is_not_of_its_type_is_null(
    tmp_path: Path, cell: dict[str, Any], column: str
) -> None:
    assert one(tmp_path, CONN | cell) == WANTED | {column: None}


def test_lists_that_are_empty_mixed_or_single_are_read(tmp_path: Path) -> None:
    empty = one(tmp_path, DNS | {"answers": [], "TTLs": []})
    assert (empty["answers"], empty["ttls"]) == (None, None)
    mixed = one(tmp_path, DNS | {"answers": ["a", None, 1], "TTLs": [1, "x", None]})
    assert (mixed["answers"], mixed["ttls"]) == (["a", None, "1"], [1.0, None, None])
    single = one(tmp_path, DNS | {"answers": "[not json", "TTLs": 3})
    assert (single["answers"], single["ttls"]) == (["[not json"], [3.0])


@pytest.mark.parametrize(
    ("given_as", "wanted"),
    [
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("FE80::1%eth0", "fe80::1%eth0"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_addresses_are_lower_case_and_ipv6_is_short(
    tmp_path: Path, given_as: str, wanted: str
) -> None:
    row = one(tmp_path, CONN | {"id.orig_h": given_as, "id.resp_h": "::1"})
    assert (row["src_ip"], row["dst_ip"]) == (wanted, "::1")


def test_hostile_text_is_kept_raw(tmp_path: Path) -> None:
    text = "\x00\x1b[31m'; DROP--\N{PILE OF POO}"
    assert one(tmp_path, DNS | {"rcode_name": text})["rcode"] == text


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, CONN, as_bytes(CONN).replace(b"SF", b"S\xff"))
    assert not rejects
    assert rows[0].batch["state"].to_pylist() == ["SF", "S\N{REPLACEMENT CHARACTER}"]


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    source = source_of(
        tmp_path, b"\xef\xbb\xbf" + as_bytes(CONN) + b"\r\n\r\n" + as_bytes(CONN) + b"\r\n"
    )
    assert zeek_json.recognises(source)
    rows, rejects = read_all(source)
    assert not rejects
    assert rows[0].batch.num_rows == 2


def test_a_last_line_without_its_newline_is_the_tail(tmp_path: Path) -> None:
    whole = source_of(tmp_path, as_bytes(CONN) + b"\n" + as_bytes(CONN))
    rows, rejects = read_all(whole)
    assert not rejects
    assert [(r.tail, r.batch.num_rows) for r in rows] == [(False, 1), (True, 1)]
    cut = source_of(tmp_path, as_bytes(CONN) + b"\n" + as_bytes(CONN)[:40])
    rows, rejects = read_all(cut)
    assert [r.tail for r in rows] == [False]
    assert [(r.line, r.reason, r.tail) for r in rejects] == [(2, UNFINISHED, True)]


def test_the_part_that_a_file_grew_by_is_read_alone(tmp_path: Path) -> None:
    first = as_bytes(CONN) + b"\n"
    source = source_of(tmp_path, first + as_bytes({"ts": 2.0, **DOTTED}) + b"\n")
    source.begin_at(len(first), 2, source.digest_of(len(first)))
    rows, rejects = read_all(source)
    assert not rejects
    assert rows[0].batch["uid"].to_pylist() == ["zeek.log:2"]


@pytest.mark.parametrize(
    "head",
    [
        b"", b"#separator \\x09\n#path\tconn\n", b"[]\n", b"{}\n", b"\x00\x01",
        b'{"ts": 1, "message": "hello"}\n', b'{"@timestamp": "2024-01-01", "host": "x"}\n',
        b'{"timestamp":"2021-06-06T15:59:46+0200","event_type":"flow","ts":1,"src_ip":"::1"}\n',
    ],
    ids=["empty", "tsv", "list", "object", "binary", "app-log", "elastic", "eve"],
)  # fmt: skip
def test_other_content_is_not_recognised(tmp_path: Path, head: bytes) -> None:
    assert not zeek_json.recognises(source_of(tmp_path, head))


def test_many_kinds_in_one_block_do_not_slow_it_down(tmp_path: Path) -> None:
    lines = [{"_path": f"kind {n}", "ts": 1.0} for n in range(20_000)]
    rows, rejects = read(tmp_path, *lines, CONN | {"_path": "conn"})
    assert not rejects
    assert [r.batch.num_rows for r in rows] == [1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_any_bytes_give_rows_and_rejects(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes], begun: bool
) -> None:
    lines = [as_bytes(CONN), *junk] if begun else junk
    source = source_of(tmp_path_factory.mktemp("any"), b"\n".join(lines))
    zeek_json.recognises(source)
    zeek_json.skipped(source)
    read_all(source)


KEYS = st.sampled_from([*CONN, *DNS, *X509, *FILE, *NOTICE, "id", "_path", "certificate"])
NAMES = st.sampled_from([*LOGS, "kerberos", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=10), min_size=1, max_size=6))
def test_any_json_is_a_row_or_a_reject_or_of_a_log_we_skip(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    named = [line | {"_path": "conn"} for line in lines]
    rows, rejects = read(tmp_path_factory.mktemp("any"), *named)
    assert sum(r.batch.num_rows for r in rows) + len(rejects) == len(named)
    read(tmp_path_factory.mktemp("mixed"), *lines)


def test_the_head_is_searched_for_objects_only() -> None:
    assert jsonl.objects_in(b'\n1\n{"a": 1}\n{"b"\n' + b"[" * 100_000) == [{"a": 1}]


def real(folder: str) -> Path:
    if not (DATA / folder).is_dir():
        pytest.skip(f"{folder} is not beside the repository")
    return DATA / folder / "input"


def test_the_apt29_capture_is_read_whole() -> None:
    counts: Counter[str] = Counter()
    for file in sorted(real("apt29-emulation-day1").iterdir()):
        source = Source(file)
        assert zeek_json.recognises(source), file.name
        rows, rejects = read_all(source)
        assert not rejects, file.name
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        read_rows = sum(r.batch.num_rows for r in rows)
        assert read_rows == (0 if zeek_json.skipped(source) else len(raw.splitlines())), file.name
        counts.update({r.table: r.batch.num_rows for r in rows})
    assert counts == {"conn": 613, "dns": 53, "files": 448, "alert": 14, "tls": 378, "cert": 378,
                      "http": 62}  # fmt: skip


def test_the_nmap_capture_is_read_whole() -> None:
    rows, rejects = read_all(Source(real("scan-nmap-lab") / "conn.log.gz"))
    assert not rejects
    batch = rows[0].batch
    assert (batch.num_rows, batch["src_ip"].null_count, batch["state"].null_count) == (4504, 0, 0)
    assert batch["dst_ip"][0].as_py() == "8.8.8.8"
