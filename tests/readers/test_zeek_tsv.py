from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Rows, Source, schema_of, zeek_tsv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[[str | bytes], tuple[list[dict[str, Any]], list[Reject]]]

DNS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "query",
       "qtype_name", "rcode_name", "answers", "TTLs", "rtt")  # fmt: skip
ENDS = {"ts": 1.5, "uid": "C1", "id.orig_h": "10.0.0.1", "id.orig_p": 5000,
        "id.resp_h": "192.0.2.1", "id.resp_p": 80}  # fmt: skip


def gather(path: Path, content: str | bytes) -> tuple[list[dict[str, Any]], list[Reject]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows, rejects = [], []
    for item in zeek_tsv.read(Source(path), Options(threads=1)):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            assert item.batch.schema.equals(schema_of(item.table))
            rows += [{"table": item.table, "tail": item.tail, **r} for r in item.batch.to_pylist()]
    return rows, rejects


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return partial(gather, tmp_path / "some.log")


def test_a_connection_fills_its_columns(read: Read, zeek: Any) -> None:
    (row,), rejects = read(zeek.text([zeek.conn(5, proto="TCP", service="SSL")]))
    assert rejects == []
    assert row == {
        "table": "conn", "tail": False, "ts": datetime(2023, 11, 14, 22, 13, 25, tzinfo=UTC),
        "uid": "C5", "src_ip": "10.0.0.1", "src_port": 1029, "dst_ip": "198.51.100.1",
        "dst_port": 443, "proto": "tcp", "service": "ssl", "duration": 1.5, "src_bytes": 10,
        "dst_bytes": 20, "src_pkts": 3, "dst_pkts": 4, "state": "SF",
    }  # fmt: skip


def test_unset_fields_are_null(read: Read, zeek: Any) -> None:
    unset = dict.fromkeys(("service", "duration", "orig_bytes", "resp_bytes", "conn_state"), "-")
    (row,), _ = read(zeek.text([zeek.conn(1, **unset)]))
    assert [row[c] for c in ("service", "duration", "src_bytes", "dst_bytes", "state")] == [
        None
    ] * 5


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        pytest.param("2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("fe80::1", "fe80::1", id="link-local"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.1", id="IPv4 in IPv6"),
    ],
)
def test_ipv6_addresses_are_kept(read: Read, zeek: Any, address: str, kept: str) -> None:
    (row,), _ = read(zeek.text([zeek.conn(1, orig_h=address, resp_h=address)]))
    assert (row["src_ip"], row["dst_ip"]) == (kept, kept)


def test_times_relative_to_the_start_begin_in_1970(read: Read, zeek: Any) -> None:
    (row,), _ = read(zeek.text([zeek.conn(1, ts=12.25)]))
    assert row["ts"] == datetime(1970, 1, 1, 0, 0, 12, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("ts", ["1700000000000", "nan", "inf", "1e300", "-99999999999999"])
def test_a_time_that_is_none_is_a_reject_and_the_other_rows_stay(
    read: Read, zeek: Any, ts: str
) -> None:
    rows, (reject,) = read(zeek.text([zeek.conn(1, ts=ts), zeek.conn(2)]))
    assert [row["uid"] for row in rows] == ["C2"]
    assert (reject.line, reject.reason) == (7, "ts is no time in seconds")


@pytest.mark.parametrize("field", ["ts", "id.orig_h"])
def test_a_row_without_time_or_caller_is_a_reject(read: Read, zeek: Any, field: str) -> None:
    rows, (reject,) = read(zeek.text([zeek.conn(1) | {field: "-"}, zeek.conn(2)]))
    assert len(rows) == 1
    assert (reject.line, reject.reason) == (7, f"no {field}")


def test_columns_are_found_by_name_and_unknown_ones_left(read: Read, zeek: Any) -> None:
    row = zeek.conn(1)
    mixed = {"node": "sensor-a", **dict(reversed(row.items())), "ja9": "x"}
    assert read(zeek.text([mixed]))[0] == read(zeek.text([row]))[0]


def test_a_log_without_ids_is_named_by_file_and_line(read: Read, zeek: Any, tmp_path: Path) -> None:
    fields = [name for name in zeek.fields if name != "uid"]
    (first, second), _ = read(zeek.text([zeek.conn(1), zeek.conn(2)], fields=fields))
    assert (first["uid"], second["uid"]) == (f"{tmp_path}/some.log:7", f"{tmp_path}/some.log:8")


def test_a_missing_id_in_one_row_is_filled_likewise(read: Read, zeek: Any, tmp_path: Path) -> None:
    (first, second), _ = read(zeek.text([zeek.conn(1), zeek.conn(2, uid="-")]))
    assert (first["uid"], second["uid"]) == ("C1", f"{tmp_path}/some.log:8")


# Joined, cut and odd files


@pytest.mark.parametrize("between", ["", "#close\t2024-01-01-00-00-00\n"], ids=["bare", "closed"])
def test_two_logs_joined_are_read_with_their_own_columns(
    read: Read, zeek: Any, between: str
) -> None:
    second = {"node": "b", **zeek.conn(2)}
    rows, rejects = read(
        zeek.text([zeek.conn(1)]) + between + zeek.text([second]) + zeek.text([zeek.conn(3)])
    )
    assert [row["uid"] for row in rows] == ["C1", "C2", "C3"]
    assert rejects == []


def test_a_fields_line_alone_begins_new_columns(read: Read, zeek: Any) -> None:
    fields = ("node", *zeek.fields)
    rows, rejects = read(
        zeek.text([zeek.conn(1)])
        + "#fields\t" + "\t".join(fields) + "\n" + zeek.line({"node": "b", **zeek.conn(2)}, fields)
    )  # fmt: skip
    assert [row["uid"] for row in rows] == ["C1", "C2"]
    assert rejects == []


def test_logs_of_two_kinds_joined_fill_two_tables(read: Read, zeek: Any) -> None:
    asked = {**ENDS, "proto": "udp", "query": "A.example."}
    rows, _ = read(zeek.text([zeek.conn(1)]) + zeek.text([asked], "dns"))
    assert [(row["table"], row.get("query")) for row in rows] == [
        ("conn", None),
        ("dns", "a.example"),
    ]


def test_rejects_after_a_second_header_have_the_line_of_the_file(read: Read, zeek: Any) -> None:
    rows, (reject,) = read(zeek.text([zeek.conn(1)]) + zeek.text([zeek.conn(2)]) + "short\n")
    assert len(rows) == 2
    assert (reject.line, reject.text) == (15, "short")


def test_rows_under_a_second_header_that_lacks_the_time_are_rejects(read: Read, zeek: Any) -> None:
    text = zeek.text([zeek.conn(1)]) + zeek.text(
        [zeek.conn(2), zeek.conn(3)], fields=["uid", "ts2"]
    )
    rows, rejects = read(text + "#close\n")
    assert [row["uid"] for row in rows] == ["C1"]
    assert [(r.line, r.reason) for r in rejects] == [
        (14, "the #fields line before it has no ts"),
        (15, "the #fields line before it has no ts"),
    ]


@pytest.mark.parametrize(
    ("fields", "lacks"),
    [(["uid", "id.orig_h"], "ts"), (["ts", "uid"], "id.orig_h"), ([], "ts")],
    ids=["no time", "no caller", "nothing"],
)
def test_a_log_that_lacks_what_is_needed_is_a_source_error(
    read: Read, zeek: Any, fields: list[str], lacks: str
) -> None:
    with pytest.raises(SourceError, match=f"has no {lacks}") as raised:
        read(zeek.head("conn", fields) + "1\t2\n")
    assert raised.value.hint


def test_a_footer_and_empty_lines_are_neither_rows_nor_rejects(read: Read, zeek: Any) -> None:
    rows, rejects = read(zeek.text([zeek.conn(1)]) + "\n#close\t2024-01-01-00-00-00\n")
    assert len(rows) == 1
    assert rejects == []


def test_a_header_without_rows_gives_nothing(read: Read, zeek: Any) -> None:
    assert read(zeek.text([])) == ([], [])


def test_only_bad_lines_give_only_rejects(read: Read, zeek: Any) -> None:
    rows, rejects = read(zeek.text([]) + "x\ny\tz\n")
    assert rows == []
    assert [(r.line, r.reason) for r in rejects] == [
        (7, "1 fields, not 14"),
        (8, "2 fields, not 14"),
    ]


def test_bytes_that_are_no_utf8_keep_their_row(read: Read, zeek: Any) -> None:
    text = zeek.text([zeek.conn(1, service="XX"), zeek.conn(2)]).encode()
    (first, _), rejects = read(text.replace(b"XX", b"\x93\xfa"))
    assert first["service"] == "\ufffd\ufffd"
    assert rejects == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace("\\x09", "ab"), id="separator of two characters"),
        pytest.param(lambda text: text.replace("\\x09", ""), id="no separator"),
        pytest.param(lambda text: text.replace("\\x09", "\\x0a"), id="newline as separator"),
        pytest.param(lambda text: text[text.index("#path") :], id="half a head"),
        pytest.param(
            lambda text: text.replace("\\x09", "\\x2c").replace("\t,", ",;").replace("\t", ","),
            id="commas",
        ),
        pytest.param(
            lambda text: text.replace("\\x09", "|").replace("\t,", "|;").replace("\t", "|"),
            id="bars",
        ),
    ],
)  # fmt: skip
def test_odd_heads_are_understood(read: Read, zeek: Any, change: Callable[[str], str]) -> None:
    text = zeek.text([zeek.conn(1), zeek.conn(2)])
    rows, rejects = read(change(text))
    assert rows == read(text)[0]
    assert rejects == []


def test_a_last_line_without_newline_is_marked(read: Read, zeek: Any) -> None:
    rows, _ = read(zeek.text([zeek.conn(1), zeek.conn(2)])[:-1])
    assert [(row["uid"], row["tail"]) for row in rows] == [("C1", False), ("C2", True)]


def test_half_a_last_line_is_an_unfinished_reject(read: Read, zeek: Any) -> None:
    rows, (reject,) = read(zeek.text([zeek.conn(1), zeek.conn(2)])[:-30])
    assert len(rows) == 1
    assert reject.tail
    assert "not finished" in reject.reason


# Other logs


def one(read: Read, zeek: Any, path: str, **fields: Any) -> dict[str, Any]:
    (row,), rejects = read(zeek.text([{**ENDS, **fields}], path))
    assert rejects == []
    return row


def test_dns(read: Read, zeek: Any) -> None:
    row = one(read, zeek, "dns", proto="udp", query="WWW.Example.", qtype_name="A",
              rcode_name="NOERROR", answers="a.example,192.0.2.9", TTLs="60.000000,5.5",
              rtt="0.25")  # fmt: skip
    assert row["query"] == "www.example"
    assert row["answers"] == ["a.example", "192.0.2.9"]
    assert row["ttls"] == [60.0, 5.5]
    assert (row["rtt"], row["qtype"], row["rcode"]) == (0.25, "A", "NOERROR")


def test_a_malformed_ttl_is_null_and_the_row_stays(read: Read, zeek: Any) -> None:
    rows, rejects = read(
        zeek.text(
            [
                {**ENDS, "query": "a", "TTLs": ttls}
                for ttls in ("60,abc", "-", "(empty)", "7", ",", "1e9999")
            ],
            "dns",
        )
    )
    assert rejects == []
    assert [row["ttls"] for row in rows[:5]] == [[60.0, None], None, None, [7.0], [None, None]]
    assert len(rows) == 6


def test_a_set_separator_of_the_log_is_used_and_an_empty_one_is_a_comma(
    read: Read, zeek: Any
) -> None:
    text = zeek.text([{**ENDS, "query": "a", "answers": "b|c,d"}], "dns")
    (bar,), _ = read(text.replace("#set_separator\t,", "#set_separator\t|"))
    (empty,), _ = read(text.replace("#set_separator\t,", "#set_separator\t"))
    assert bar["answers"] == ["b", "c,d"]
    assert empty["answers"] == ["b|c", "d"]


def test_http(read: Read, zeek: Any) -> None:
    row = one(read, zeek, "http", method="POST", host="C2.Example:8080", uri="/gate.php",
              user_agent="a b", status_code=404, request_body_len=7, response_body_len=0,
              resp_mime_types="text/html,text/plain", resp_fuids="F1,F2")  # fmt: skip
    assert row["host"] == "c2.example"
    assert (row["mime"], row["file_ids"]) == ("text/html", ["F1", "F2"])
    assert (row["status"], row["req_bytes"], row["resp_bytes"]) == (404, 7, 0)


def test_an_ipv6_host_header_is_not_cut(read: Read, zeek: Any) -> None:
    assert one(read, zeek, "http", host="[2001:db8::1]")["host"] == "[2001:db8::1]"


@pytest.mark.parametrize("path", ["ssl", "tls"])
def test_tls(read: Read, zeek: Any, path: str) -> None:
    row = one(read, zeek, path, version="TLSv12", server_name="A.example", established="T",
              ja3="x", cert_chain_fuids="F1,F2")  # fmt: skip
    assert (row["table"], row["server_name"]) == ("tls", "a.example")
    assert row["established"] is True
    assert row["cert_hashes"] == ["F1", "F2"]


def test_x509(read: Read, zeek: Any) -> None:
    names = {"certificate.subject": "CN=a", "certificate.issuer": "CN=a", "san.dns": "a,b",
             "certificate.not_valid_after": "1800000000.0", "fingerprint": "ABC",
             "certificate.not_valid_before": "1e20"}  # fmt: skip
    (row,), rejects = read(zeek.text([{"ts": 1.0, **names}], "x509"))
    assert rejects == []
    assert row["self_signed"] is True
    assert (row["uid"], row["sha256"], row["names"]) == ("ABC", "abc", ["a", "b"])
    assert (row["not_after"].year, row["not_before"]) == (2027, None)


def test_smtp(read: Read, zeek: Any) -> None:
    row = one(read, zeek, "smtp", mailfrom="<A@b.example>", rcptto="x@y,z@y", subject="=?hi")
    assert row["sender"] == "a@b.example"
    assert row["recipients"] == ["x@y", "z@y"]


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        pytest.param(
            {"tx_hosts": "192.0.2.9,192.0.2.8", "conn_uids": "C7,C8"}, "192.0.2.9", id="sets"
        ),
        pytest.param({"tx_hosts": "(empty)", "conn_uids": "C7"}, None, id="an empty set"),
        pytest.param({"id.orig_h": "192.0.2.9", "uid": "C7"}, "192.0.2.9", id="newer Zeek"),
    ],
)
def test_files(read: Read, zeek: Any, fields: dict[str, str], side: str | None) -> None:
    (row,), rejects = read(zeek.text([{"ts": 1.0, "fuid": "F1", "sha1": "AB", **fields}], "files"))
    assert rejects == []
    assert (row["uid"], row["src_ip"], row["file_id"], row["sha1"]) == ("C7", side, "F1", "ab")


def test_ssh_and_irc(read: Read, zeek: Any) -> None:
    row = one(read, zeek, "ssh", auth_success="F", auth_attempts=9, client="SSH-2.0-Go")
    assert (row["auth_success"], row["auth_attempts"]) == (False, 9)
    row = one(read, zeek, "irc", nick="bot1", command="JOIN", value="#c2")
    assert (row["table"], row["nick"], row["value"]) == ("irc", "bot1", "#c2")


@pytest.mark.parametrize(
    ("path", "fields", "sensor"),
    [
        ("notice", {"note": "Scan::Port_Scan", "msg": "x"}, "zeek-notice"),
        ("weird", {"name": "bad_TCP_checksum"}, "zeek-weird"),
    ],
)
def test_alerts_need_no_address(
    read: Read, zeek: Any, path: str, fields: dict[str, str], sensor: str
) -> None:
    rows, rejects = read(
        zeek.text([{**ENDS, **fields}, {**ENDS, **fields, "id.orig_h": "-"}], path)
    )
    assert rejects == []
    assert [(row["sensor"], row["src_ip"]) for row in rows] == [
        (sensor, "10.0.0.1"),
        (sensor, None),
    ]
    assert rows[0]["signature_id"] == next(iter(fields.values()))


def test_a_log_that_fills_no_table_is_skipped_by_name(
    read: Read, zeek: Any, tmp_path: Path
) -> None:
    assert read(zeek.text([ENDS], "kerberos")) == ([], [])
    assert zeek_tsv.skipped(Source(tmp_path / "some.log")) == "no table holds Zeek's kerberos log"


# Recognition


@pytest.mark.parametrize(
    ("content", "known"),
    [
        pytest.param(b"#separator \\x09\n", True, id="separator"),
        pytest.param(b"#fields\tts\n", True, id="fields"),
        pytest.param(b"# a note\n#fields\tts\n", True, id="fields after a note"),
        pytest.param(b"\xef\xbb\xbf#separator \\x09\n#fields\tts\n", True, id="byte order mark"),
        pytest.param(b"ts\tuid\n1\t2\n", False, id="other tabs"),
        pytest.param(b'{"ts": 1}\n', False, id="JSON"),
        pytest.param(b"x" * 9000 + b"\n#fields\tts\n", False, id="far below"),
        pytest.param(b"\x00\x01", False, id="bytes"),
    ],
)
def test_a_log_is_known_by_its_content(tmp_path: Path, content: bytes, known: bool) -> None:
    (tmp_path / "x").write_bytes(content)
    assert zeek_tsv.recognises(Source(tmp_path / "x")) is known


# Properties

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"#separator \\x09", b"#separator \\x2c", b"#separator ", b"#separator \\xff",
                b"#set_separator\t", b"#set_separator\t,", b"#unset_field\t-", b"#empty_field\t",
                b"#path\tconn", b"#path\tdns", b"#path\tfiles", b"#path\tnotice", b"#path\tx",
                b"#fields\tts\tuid\tid.orig_h", b"#fields\tts\tts\tid.orig_h\tTTLs", b"#fields",
                b"#fields\tts\tid.orig_h\tTTLs\tproto", b"#fields\tid.orig_h\ttx_hosts\tuid",
                b"#fields\tts\tconn_uids\ttx_hosts", b"1.5\tC1\t10.0.0.1", b"1.5\t1e400\tx\t1,,x",
                b"nan\tC1\t10.0.0.1", b"1e12\tC1\t10.0.0.1", b"-\t-\t-", b"1\t2\t3\t4", b"", b"\r",
            ]
        ),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(PIECES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_no_bytes_raise_anything_but_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], end: bytes, closed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    content = b"#path\tconn\n" + end.join(pieces) + end * closed
    try:
        rows, rejects = gather(path, content)
    except SourceError as error:
        assert error.hint  # noqa: PT017 - the point is that it is no other error
        return
    assert len(rows) + len(rejects) <= content.count(b"\n") + 1
    assert all(row["ts"] is not None for row in rows)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 30), st.integers(1, 400))
def test_the_size_of_blocks_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, zeek: Any, rows: int, size: int
) -> None:
    text = zeek.text([zeek.conn(n) for n in range(rows)]) + "short\n"
    text += zeek.text([{"node": "x", **zeek.conn(100 + n)} for n in range(rows)])
    path = tmp_path_factory.getbasetemp() / "blocks.log"
    expected = gather(path, text)
    source = Source(path)
    source.blocks = partial(source.blocks, size)  # type: ignore[method-assign]
    found = list(zeek_tsv.read(source, Options(threads=2)))
    assert [r for item in found if isinstance(item, Rows) for r in item.batch.to_pylist()] == [
        {k: v for k, v in row.items() if k not in ("table", "tail")} for row in expected[0]
    ]
    assert [item for item in found if isinstance(item, Reject)] == expected[1]


def test_the_schema_leaves_out_what_the_lake_adds() -> None:
    assert "source_id" not in schema_of("conn").names
    assert schema_of("conn").field("ts").type == pa.timestamp("us", "UTC")
