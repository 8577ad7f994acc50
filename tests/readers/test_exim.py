from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.readers import Options, Reject, Rows, Source, exim, schema_of

AT = "2024-05-01 10:00:00"
OLD = "1qABCD-000123-4x"
NEW = "1rKVV7-00000000abc-1xYZ"

MESSAGE = f"""\
{AT} {OLD} <= Amy@example.org H=pc7.example.org (PC7) [192.0.2.7]:51234 I=[198.51.100.1]:25 P=esmtpsa X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no A=plain_login:amy S=1234 id=abc@pc7 T="S=9 H=[6.6.6.6] \\"q\\"" from <Amy@example.org> for Bob@example.net carol@example.net dan@example.net eve@example.com
{AT} {OLD} => Bob@example.net R=dnslookup T=remote_smtp H=mx.example.net [203.0.113.5]:25 X=TLS1.2:ECDHE:256 CV=yes C="250 2.0.0 OK: queued as \\"1\\"" QT=1s
{AT} {OLD} -> carol@example.net R=dnslookup T=remote_smtp H=mx.example.net [203.0.113.5]:25 C="250 2.0.0 OK"
{AT} {OLD} ** dan@example.net R=dnslookup T=remote_smtp H=mx.example.net [203.0.113.5]:25: SMTP error from remote mail server after RCPT TO:<dan@example.net>: 550 no such user
{AT} {OLD} == eve@example.com R=dnslookup T=remote_smtp defer (111): Connection refused
2024-05-01 11:00:00 {OLD} == eve@example.com routing defer (-51): retry time not reached
2024-05-01 11:00:03 {OLD} Completed
"""


def source_of(folder: Path, text: str | bytes) -> Source:
    path = folder / "mainlog"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Source(path, name="mainlog")


def read(source: Source, timezone: str = "UTC") -> tuple[list[dict[str, Any]], list[Reject]]:
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for part in exim.read(source, Options(timezone=timezone)):
        if isinstance(part, Rows):
            assert part.table == "mail"
            assert part.batch.schema == schema_of("mail")
            rows += part.batch.to_pylist()
        else:
            rejects.append(part)
    return rows, rejects


def test_a_message_is_one_row_per_outcome_with_what_its_lines_say(tmp_path: Path) -> None:
    source = source_of(tmp_path, MESSAGE)
    assert exim.recognises(source)
    rows, rejects = read(source)
    assert not rejects
    assert [
        (r["status"], r["recipients"], r["dst_ip"], r["dst_port"], r["reason"]) for r in rows
    ] == [
        ("sent", ["bob@example.net", "carol@example.net"], "203.0.113.5", 25, "250 2.0.0 OK"),
        (
            "bounced",
            ["dan@example.net"],
            "203.0.113.5",
            25,
            "SMTP error from remote mail server after RCPT TO:<dan@example.net>: 550 no such user",
        ),
        ("deferred", ["eve@example.com"], None, None, "Connection refused"),
        ("deferred", ["eve@example.com"], None, None, "retry time not reached"),
    ]
    names = (
        "uid",
        "src_ip",
        "src_port",
        "helo",
        "sender",
        "size",
        "message_id",
        "subject",
        "login",
    )
    assert {tuple(r[n] for n in names) for r in rows} == {
        (
            OLD,
            "192.0.2.7",
            51234,
            "PC7",
            "amy@example.org",
            1234,
            "<abc@pc7>",
            'S=9 H=[6.6.6.6] "q"',
            "amy",
        )
    }


ARRIVALS = [
    pytest.param(
        "<= a@b.example H=([10.0.0.1]) [192.0.2.1] P=smtp S=5",
        {"src_ip": "192.0.2.1", "src_port": None, "helo": "[10.0.0.1]", "size": 5},
        id="literal-helo",
    ),
    pytest.param(
        "<= a@b.example S=5 P=esmtp H=h.example [2001:DB8::1]:7",
        {"src_ip": "2001:db8::1", "src_port": 7, "helo": None, "size": 5},
        id="another-order",
    ),
    pytest.param(
        f"<= <> R={OLD} U=Debian-exim P=local S=2000",
        {"src_ip": None, "sender": "", "size": 2000, "recipients": None, "login": None},
        id="own-bounce",
    ),
    pytest.param(
        '<= "x H=[6.6.6.6] y"@b.example H=h.example [192.0.2.1] P=smtp',
        {"src_ip": "192.0.2.1", "sender": '"x h=[6.6.6.6] y"@b.example'},
        id="quoted-sender",
    ),
    pytest.param(
        "<= a@b.example H=h.example [::ffff:192.0.2.1] A=cram_md5:u@x S=1 id=q@h for C@d.example e@f",
        {"src_ip": "192.0.2.1", "login": "u@x", "recipients": ["c@d.example", "e@f"]},
        id="recipients-logged",
    ),
]


@pytest.mark.parametrize(("line", "expected"), ARRIVALS)
@pytest.mark.parametrize("uid", [OLD, NEW], ids=["old-id", "new-id"])
def test_a_message_without_an_outcome_is_a_row_without_a_status(
    tmp_path: Path, line: str, expected: dict[str, Any], uid: str
) -> None:
    (row,), rejects = read(source_of(tmp_path, f"{AT} {uid} {line}\n"))
    assert not rejects
    assert (row["uid"], row["status"], row["reason"]) == (uid, None, None)
    assert {name: row[name] for name in expected} == expected


DELIVERIES = [
    pytest.param(
        "=> amy <Amy@b.example> R=local_user T=mail_spool", "sent", "amy@b.example", id="local"
    ),
    pytest.param("=> /var/mail/x <x@b.example> R=r T=t", "sent", "x@b.example", id="file"),
    pytest.param("=> |/bin/p a b <x@b.example> R=r T=t", "sent", "x@b.example", id="pipe"),
    pytest.param("=> :blackhole: <x@b.example> R=r", "sent", "x@b.example", id="blackhole"),
    pytest.param(
        "=> new@c.example <x@b.example> F=<> R=r T=t", "sent", "new@c.example", id="alias"
    ),
    pytest.param(
        ">> x@b.example R=r T=t H=h [192.0.2.1]:25", "sent", "x@b.example", id="cutthrough"
    ),
    pytest.param("** x@b.example: Unrouteable address", "bounced", "x@b.example", id="unrouteable"),
    pytest.param(
        "** x@b.example <y@b.example>: Unknown user", "bounced", "x@b.example", id="parent"
    ),
    pytest.param("== x@b.example R=r T=t defer (-53)", "deferred", "x@b.example", id="no-words"),
]


@pytest.mark.parametrize(("line", "status", "recipient"), DELIVERIES)
def test_a_delivery_is_to_the_final_address(
    tmp_path: Path, line: str, status: str, recipient: str
) -> None:
    (row,), _ = read(source_of(tmp_path, f"{AT} {OLD} {line}\n"))
    assert (row["status"], row["recipients"]) == (status, [recipient])


REFUSALS = [
    pytest.param(
        "H=(friend) [192.0.2.9]:4444 F=<X@y.example> A=login:bob rejected RCPT <Z@b.example>: relay not permitted",
        {
            "src_ip": "192.0.2.9",
            "src_port": 4444,
            "helo": "friend",
            "sender": "x@y.example",
            "recipients": ["z@b.example"],
            "reason": "relay not permitted",
            "login": "bob",
            "uid": "mainlog:1",
        },
        id="rcpt",
    ),
    pytest.param(
        "H=h.example [192.0.2.9] F=<> temporarily rejected RCPT <z@b.example>: greylisted",
        {"helo": None, "sender": "", "recipients": ["z@b.example"], "reason": "greylisted"},
        id="temporarily",
    ),
    pytest.param(
        f"{OLD} H=h.example (me) [192.0.2.9] F=<x@y> rejected after DATA: scored 12 points",
        {"uid": OLD, "helo": "me", "recipients": None, "reason": "scored 12 points"},
        id="after-data",
    ),
    pytest.param(
        "H=[192.0.2.9] rejected EHLO or HELO localhost: no",
        {"src_ip": "192.0.2.9", "sender": None, "reason": "no"},
        id="helo",
    ),
]


@pytest.mark.parametrize(("line", "expected"), REFUSALS)
def test_a_refusal_is_a_row(tmp_path: Path, line: str, expected: dict[str, Any]) -> None:
    source = source_of(tmp_path, f"{AT} [991] {line}\n")
    assert exim.recognises(source)
    (row,), _ = read(source)
    assert row["status"] == "rejected"
    assert {name: row[name] for name in expected} == expected


TIMES = [
    pytest.param(
        "2024-05-01 10:00:00", datetime(2024, 5, 1, 1, tzinfo=UTC), id="zone-of-the-options"
    ),
    pytest.param(
        "2024-05-01 10:00:00 -0330", datetime(2024, 5, 1, 13, 30, tzinfo=UTC), id="own-zone"
    ),
    pytest.param(
        "2024-05-01 10:00:00.250 [12]",
        datetime(2024, 5, 1, 1, 0, 0, 250_000, tzinfo=UTC),
        id="millis",
    ),
    pytest.param(
        "May  1 10:00:00 h exim[12]: 2024-05-01 10:00:00",
        datetime(2024, 5, 1, 1, tzinfo=UTC),
        id="through-syslog",
    ),
]


@pytest.mark.parametrize(("stamp", "expected"), TIMES)
def test_each_form_of_time_is_known(tmp_path: Path, stamp: str, expected: datetime) -> None:
    source = source_of(tmp_path, f"{stamp} {OLD} <= a@b U=root P=local S=1\n")
    assert exim.recognises(source)
    (row,), _ = read(source, "Asia/Tokyo")
    assert row["ts"] == expected


def test_lines_about_no_message_give_nothing_and_others_are_refused(tmp_path: Path) -> None:
    text = (
        f"{AT} Start queue run: pid=1\n{AT} {OLD} Message is frozen\n\n{AT} H=(x) [192.0.2.1] sender"
        " verify fail for <a@b>: response: rejected\ngarbage\n2024-02-30 10:00:00 x\nunfinished"
    )
    rows, rejects = read(source_of(tmp_path, text))
    assert not rows
    assert [(r.line, r.tail) for r in rejects] == [(5, False), (6, False), (7, True)]


@pytest.mark.parametrize(
    "head",
    ["", f"{AT} Start queue run: pid=1\n", "2024-05-01 10:00:00 GET /1qABCD-000123-4x => x\n"],
    ids=["empty", "no-message", "another-log"],
)
def test_other_content_is_not_recognised(tmp_path: Path, head: str) -> None:
    assert not exim.recognises(source_of(tmp_path, head))


ODD = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda a, b: f"{AT} {a}{b}\n".encode(),
        st.sampled_from([f"{OLD} <= ", f"{OLD} => ", f"{NEW} ** ", "H=(", "H=[1.2.3.4] rejected "]),
        st.text(alphabet='<>[]():=" aTHSé\r\\', max_size=40),
    ),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(ODD, max_size=6).map(b"\n".join))
def test_any_bytes_give_rows_or_rejects(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, rejects = read(source_of(Path(folder), data))
    lines = [line for line in data.split(b"\n") if line.rstrip(b"\r")]
    assert len(rows) + len(rejects) <= len(lines)
