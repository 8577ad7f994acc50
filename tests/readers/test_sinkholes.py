"""The logs of sinkholes: our own, and those of servers that were set up as one."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Source

from sakimori.readers import bind_query, dnstap, nginx_sinkhole, sinkhole_log, unbound_replies  # isort: skip
from sakimori.readers._pcap_bytes import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Read = Callable[..., "tuple[dict[str, list[dict[str, Any]]], list[Reject]]"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read(reader, bytes)`: rows by table, without what is null, and rejects."""

    def read_it(reader: Any, content: bytes, **options: Any) -> Any:
        path = tmp_path / "log"
        path.write_bytes(content)
        source = Source(path, name="log")
        assert reader.recognises(source)
        rows: dict[str, list[dict[str, Any]]] = {}
        rejects = []
        for item in reader.read(source, Options(**options)):
            if isinstance(item, Reject):
                rejects.append(item)
                continue
            found = item.batch.to_pylist()
            rows.setdefault(item.table, []).extend(
                {k: v for k, v in row.items() if v is not None} for row in found
            )
        return rows, rejects

    return read_it


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


# Our own

HIT = {
    "sinkhole": "s1", "uid": "r-1", "ts": "2024-05-01T10:00:00.123Z", "src_ip": "2001:DB8::0:7",
    "src_port": 50000, "dst_ip": "192.0.2.9", "dst_port": 443, "proto": "tcp", "service": "https",
    "server_name": "Bad.Example", "ja4": "t13d", "established": True, "reply": "http-404", "bytes": 78,
}  # fmt: skip


def test_a_hit_of_our_own_log_is_a_row(read: Read) -> None:
    rows, rejects = read(sinkhole_log, text(json.dumps(HIT)))
    [row] = rows["sinkhole"]
    assert rejects == []
    assert row.pop("ts").isoformat() == "2024-05-01T10:00:00.123000+00:00"
    assert row == {
        "uid": "r-1", "src_ip": "2001:db8::7", "src_port": 50000, "dst_ip": "192.0.2.9",
        "dst_port": 443, "proto": "tcp", "service": "https", "server_name": "bad.example",
        "ja4": "t13d", "established": True, "reply": "http-404", "bytes": 78, "sensor": "s1",
        "outcome": "answered", "count": 1, "truncated": False,
    }  # fmt: skip


def test_what_is_over_a_limit_has_its_count(read: Read) -> None:
    limited = HIT | {"outcome": "limited", "count": 250, "src_ip": None, "reply": None}
    [row] = read(sinkhole_log, text(json.dumps(limited)))[0]["sinkhole"]
    assert (row["count"], row["outcome"], "src_ip" in row) == (250, "limited", False)


def test_lines_about_the_log_and_captured_bodies_are_no_hits(read: Read) -> None:
    event = {"sinkhole": "s1", "ts": HIT["ts"], "event": "start", "run": "r"}
    body = {"sinkhole": "s1", "uid": "r-2", "ts": HIT["ts"], "capture": True, "body": "aGk="}
    rows, rejects = read(sinkhole_log, text(*map(json.dumps, (event, body, HIT))))
    assert len(rows["sinkhole"]) == 1
    assert rejects == []


@pytest.mark.parametrize("missing", ["ts", "uid", "service"])
def test_a_hit_that_lacks_what_it_needs_is_kept_aside(read: Read, missing: str) -> None:
    broken = {k: v for k, v in HIT.items() if k != missing}
    rows, [reject] = read(sinkhole_log, text(json.dumps(HIT), json.dumps(broken)))
    assert len(rows["sinkhole"]) == 1
    assert (reject.line, missing in reject.reason) == (2, True)


# nginx

NGINX = {
    "nginx_sinkhole": "s1", "uid": "a1", "time": "1714557600.123", "src_ip": "192.0.2.7",
    "src_port": "50000", "dst_ip": "192.0.2.9", "dst_port": "80", "scheme": "http",
    "host": "bad.example", "method": "GET", "status": "404", "bytes": "78", "server_name": "",
    "user_agent": 'a"b',
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reply", "outcome"),
    [
        ({}, "http-404", "answered"),
        ({"status": "200"}, "http-page", "answered"),
        ({"status": "200", "method": "HEAD"}, "http-page-head", "answered"),
        ({"status": "204", "method": "POST"}, "http-204", "answered"),
        ({"status": "400", "method": "", "host": "_"}, "http-400", "malformed"),
        ({"status": "444"}, None, "limited"),
        ({"status": "408"}, "http-408", "timeout"),
    ],
)
def test_a_line_of_nginx_is_a_row(
    read: Read, change: dict[str, str], reply: str | None, outcome: str
) -> None:
    rows, rejects = read(nginx_sinkhole, text(json.dumps(NGINX | change)))
    [row] = rows["sinkhole"]
    assert rejects == []
    assert (row.get("reply"), row["outcome"]) == (reply, outcome)
    assert row["ts"].isoformat() == "2024-05-01T10:00:00.123000+00:00"
    assert row["established"] is True
    assert (row["bytes"], row["user_agent"], row["sensor"]) == (78, 'a"b', "s1")
    assert ("name" in row) == (change.get("host") != "_")


# BIND

BIND = (
    "client @0x7f1 192.0.2.7#50000 (bad.example): {view}query: Bad.Example IN A {flags} (192.0.2.9)"
)
SEEN = BIND.format(view="view sinkhole: ", flags="+E(0)K")


@pytest.mark.parametrize(
    ("start", "zone"),
    [
        ("01-May-2024 10:00:00.123 queries: info: ", "UTC"),
        ("01-May-2024 19:00:00.123 ", "Asia/Tokyo"),
        ("2024-05-01T10:00:00.123Z queries: info: ", "Asia/Tokyo"),
        ("2024-05-01T19:00:00.123+09:00 ", "UTC"),
        ("2024-05-01T10:00:00.123 info: ", "UTC"),
    ],
)
def test_a_question_in_binds_log_is_a_row_whatever_its_time_looks_like(
    read: Read, start: str, zone: str
) -> None:
    rows, rejects = read(bind_query, text(start + SEEN), timezone=zone)
    [row] = rows["sinkhole"]
    assert rejects == []
    assert row["ts"].isoformat() == "2024-05-01T10:00:00.123000+00:00"
    assert (row["name"], row["qtype"], row["service"]) == ("bad.example", "A", "dns")
    assert (row["src_ip"], row["src_port"], row["dst_ip"]) == ("192.0.2.7", 50000, "192.0.2.9")
    assert row["uid"] == "log:1"


@pytest.mark.parametrize(
    ("flags", "proto"),
    [("+", "udp"), ("-E(0)", "udp"), ("+E(0)TK", "tcp"), ("-T", "tcp"), ("+SE(0)TDC", "tcp"),
     ("-E(0)DCV", "udp")],
)  # fmt: skip
def test_only_what_came_over_tcp_is_established(read: Read, flags: str, proto: str) -> None:
    line = "2024-05-01T10:00:00.123Z " + BIND.format(view="view sinkhole: ", flags=flags)
    [row] = read(bind_query, text(line))[0]["sinkhole"]
    assert (row["proto"], row["established"]) == (proto, proto == "tcp")


def test_any_other_binds_questions_are_ordinary_dns(read: Read) -> None:
    line = "2024-05-01T10:00:00.123Z " + BIND.format(view="", flags="+")
    rows, _ = read(bind_query, text(line))
    assert set(rows) == {"dns"}
    assert rows["dns"][0]["query"] == "bad.example"


def test_a_view_of_binds_own_in_a_sinkholes_log_is_the_sinkholes(read: Read) -> None:
    other = "client @0x7f1 192.0.2.7#5 (version.bind): query: version.bind CH TXT + (192.0.2.9)"
    rows, _ = read(bind_query, text(*(f"2024-05-01T10:00:00.1Z {one}" for one in (SEEN, other))))
    assert [row["name"] for row in rows["sinkhole"]] == ["bad.example", "version.bind"]


def test_other_messages_give_nothing_and_a_broken_question_is_kept_aside(read: Read) -> None:
    rows, [reject] = read(
        bind_query,
        text(
            "2024-05-01T10:00:00.123Z " + SEEN,
            "2024-05-01T10:00:00.123Z client @0x7f1 192.0.2.7#50000: no more TCP clients",
            "2024-05-01T10:00:00.123Z client @0x7f1 192.0.2.7#50000 (x): query: x y z",
            "2024-05-01T10:00:00.123Z general: info: running",
        ),
    )
    assert len(rows["sinkhole"]) == 1
    assert reject.line == 3


def test_an_unknown_time_zone_is_an_error(read: Read) -> None:
    with pytest.raises(SourceError, match="time zone"):
        read(bind_query, text("2024-05-01T10:00:00.123Z " + SEEN), timezone="Mars/Base")


# Unbound

REPLY = "info: 192.0.2.7 Bad.Example. A IN {rcode} 0.000000 1 45"


@pytest.mark.parametrize(
    "start", ["[1714557600] sinkhole[1:0] ", "2024-05-01T10:00:00+00:00 sinkhole[1:a] "]
)
def test_a_reply_in_unbounds_log_is_a_row(read: Read, start: str) -> None:
    rows, rejects = read(unbound_replies, text(start + REPLY.format(rcode="REFUSED")))
    [row] = rows["sinkhole"]
    assert rejects == []
    assert row["ts"].isoformat() == "2024-05-01T10:00:00+00:00"
    assert (row["name"], row["reply"]) == ("bad.example", "dns-refused")
    assert row["established"] is False  # it does not say what it came over
    assert "src_port" not in row


def test_a_question_and_its_reply_are_one_row(read: Read) -> None:
    start = "[1714557600] unbound[1:0] "
    rows, _ = read(
        unbound_replies,
        text(
            start + "info: start of service (unbound 1.17.1).",
            start + "info: 192.0.2.7 bad.example. A IN",
            start + REPLY.format(rcode="NOERROR"),
        ),
    )
    assert [row["rcode"] for row in rows["dns"]] == ["NOERROR"]


def test_a_log_of_questions_alone_is_read_too(read: Read) -> None:
    rows, _ = read(unbound_replies, text("[1714557600] sinkhole[1:0] query: 2001:DB8::7 . NS IN"))
    [row] = rows["sinkhole"]
    assert (row["src_ip"], row["qtype"], "name" in row) == ("2001:db8::7", "NS", False)


# dnstap

NAME = b"protobuf:dnstap.Dnstap"
START = struct.pack("!IIIII", 0, 34, 2, 1, len(NAME)) + NAME
STOP = struct.pack("!III", 0, 4, 3)


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def frame(
    kind: int, wire: bytes, *, proto: int = 1, ident: bytes = b"sinkhole", at: int = 0
) -> bytes:
    times, holds = ((12, 13), 14) if kind % 2 == 0 else ((8, 9), 10)
    nanos = varint(times[1] << 3 | 5) + struct.pack("<I", 123_456_789)
    message = (
        field(1, kind) + field(2, 1) + field(3, proto) + field(4, bytes([192, 0, 2, 7]))
        + field(5, bytes([192, 0, 2, 9])) + field(6, 50_000) + field(7, 53)
        + field(times[0], 1_714_557_600 + at) + nanos + field(holds, wire)
    )  # fmt: skip
    data = field(1, ident) + field(14, message) + field(15, 1)
    return struct.pack("!I", len(data)) + data


def asked(name: str = "www.bad.example") -> dns.message.Message:
    return dns.message.make_query(name, "A")


def answered(query: dns.message.Message, rcode: int = 0, *, full: bool = True) -> bytes:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(rcode))
    if full and not rcode:
        response.answer.append(
            dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.1")
        )
    return bytes(response.to_wire())


def test_a_question_and_its_answer_in_dnstap_are_one_row(read: Read) -> None:
    query = asked()
    content = START + frame(5, query.to_wire()) + frame(6, answered(query)) + STOP
    rows, rejects = read(dnstap, content)
    [row] = rows["sinkhole"]
    assert rejects == []
    assert row["ts"].isoformat() == "2024-05-01T10:00:00.123456+00:00"
    assert (row["name"], row["qtype"], row["proto"]) == ("www.bad.example", "A", "udp")
    assert (row["reply"], row["outcome"], row["established"]) == ("dns-answer", "answered", False)
    assert (row["src_ip"], row["src_port"], row["dst_port"]) == ("192.0.2.7", 50_000, 53)
    assert row["bytes"] == len(query.to_wire())
    assert row["uid"] == "log:1"


@pytest.mark.parametrize(
    ("rcode", "full", "reply"),
    [
        (0, True, "dns-answer"),
        (0, False, "dns-nodata"),
        (5, False, "dns-refused"),
        (3, False, "dns-nxdomain"),
    ],
)
def test_an_answer_alone_is_a_row_with_its_kind(
    read: Read, rcode: int, full: bool, reply: str
) -> None:
    content = START + frame(2, answered(asked(), rcode, full=full), proto=2)
    [row] = read(dnstap, content)[0]["sinkhole"]
    assert (row["reply"], row["established"]) == (reply, True)


def test_a_question_without_an_answer_is_unanswered(read: Read) -> None:
    [row] = read(dnstap, START + frame(1, asked().to_wire()))[0]["sinkhole"]
    assert ("reply" in row, row["outcome"]) == (False, "unanswered")


def test_what_a_resolver_asks_others_is_left_out_and_its_clients_are_ordinary_dns(
    read: Read,
) -> None:
    query = asked()
    content = (
        START + frame(3, query.to_wire(), ident=b"ns1") + frame(4, answered(query), ident=b"ns1")
        + frame(6, answered(query), ident=b"ns1")
    )  # fmt: skip
    rows, _ = read(dnstap, content)
    [row] = rows["dns"]
    assert (row["query"], row["answers"], row["rcode"]) == (
        "www.bad.example",
        ["192.0.2.1"],
        "NOERROR",
    )


def test_a_bad_frame_is_kept_aside_and_the_next_one_read(read: Read) -> None:
    bad = b"\0\0\0\4" + b"\xff\xff\xff\xff"
    rows, [reject] = read(dnstap, START + bad + frame(6, answered(asked())))
    assert len(rows["sinkhole"]) == 1
    assert reject.line == 1


@pytest.mark.parametrize(
    ("tail", "reason"),
    [(b"\0\0\1\0abc", "cut short"), (b"\x7f\xff\xff\xff" + b"a" * 40, "damaged")],
)
def test_where_the_stream_breaks_off_is_said(read: Read, tail: bytes, reason: str) -> None:
    rows, [reject] = read(dnstap, START + frame(6, answered(asked())) + tail)
    assert len(rows["sinkhole"]) == 1
    assert reason in reject.reason


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    parts: list[bytes], size: int
) -> None:
    parts = [part for part in parts if part]
    stream = START + b"".join(struct.pack("!I", len(p)) + p for p in parts) + STOP
    chunks: Iterable[bytes] = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [found for _, found in dnstap.frames(chunks)] == parts


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_malformed(data: bytes) -> None:
    try:
        found = dnstap.fields(data)
    except MalformedError:
        return
    assert all(isinstance(value, int | bytes) for value in found.values())
