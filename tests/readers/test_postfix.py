from __future__ import annotations

import gzip
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Rows, Source, postfix, schema_of

REAL = Path(__file__).parents[2].parent / "shared/data/network/mail-postfix-kdent"
AT = "Oct 22 02:12:45 conch postfix/"
IN_2015 = Options(year=2015)

MESSAGE = f"""\
{AT}smtpd[1]: connect from mx.example.net[192.0.2.9]
{AT}smtpd[1]: A63ED24324: client=mx.example.net[192.0.2.9], sasl_method=PLAIN, sasl_username=amy@x.example
{AT}cleanup[2]: A63ED24324: message-id=<m1@example.net>
{AT}qmgr[3]: A63ED24324: from=<Amy@example.net>, size=7559, nrcpt=3 (queue active)
{AT}smtp[4]: A63ED24324: to=<Bob@example.org>, relay=mx.example.org[203.0.113.5]:25, delay=3.1, delays=0.35/0.01/2.2/0.54, dsn=2.0.0, status=sent (250 OK id=1)
{AT}smtp[4]: A63ED24324: to=<carol@example.org>, orig_to=<c@example.net>, relay=mx.example.org[203.0.113.5]:25, conn_use=2, delay=3.1, delays=1/1/1/1, dsn=2.0.0, status=sent (250 OK id=2)
{AT}smtp[4]: A63ED24324: to=<dan@example.com>, relay=none, delay=9, delays=9/0/0/0, dsn=4.4.1, status=deferred (connect to example.com[203.0.113.6]:25: Connection refused)
Oct 22 02:30:45 conch postfix/smtp[4]: A63ED24324: to=<dan@example.com>, relay=none, delay=99, delays=9/0/0/0, dsn=4.4.1, status=deferred (timed out)
Oct 22 03:30:45 conch postfix/smtp[4]: A63ED24324: to=<dan@example.com>, relay=mx.example.com[2001:db8::1]:25, delay=99, delays=9/0/0/0, dsn=5.1.1, status=bounced (host said: 550 (no) such user)
Oct 22 03:30:45 conch postfix/qmgr[3]: A63ED24324: removed
"""


def source_of(folder: Path, text: str | bytes, changed: datetime | None = None) -> Source:
    path = folder / "mail.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if changed:
        os.utime(path, (changed.timestamp(), changed.timestamp()))
    return Source(path, name="mail.log")


def read(source: Source, options: Options = IN_2015) -> tuple[list[dict[str, Any]], list[Reject]]:
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for part in postfix.read(source, options):
        if isinstance(part, Rows):
            assert part.table == "mail"
            assert part.batch.schema == schema_of("mail")
            rows += part.batch.to_pylist()
        else:
            rejects.append(part)
    return rows, rejects


def test_a_message_is_one_row_per_outcome_with_what_its_lines_say(tmp_path: Path) -> None:
    rows, rejects = read(source_of(tmp_path, MESSAGE))
    assert not rejects
    assert [
        (r["status"], r["recipients"], r["dst_ip"], r["dst_port"], r["reason"]) for r in rows
    ] == [
        ("sent", ["bob@example.org", "carol@example.org"], "203.0.113.5", 25, "250 OK id=2"),
        ("deferred", ["dan@example.com"], None, None, "timed out"),
        ("bounced", ["dan@example.com"], "2001:db8::1", 25, "host said: 550 (no) such user"),
    ]
    shared = {
        (r["uid"], r["src_ip"], r["sender"], r["message_id"], r["size"], r["login"]) for r in rows
    }
    assert shared == {
        ("A63ED24324", "192.0.2.9", "amy@example.net", "<m1@example.net>", 7559, "amy@x.example")
    }
    assert [r["ts"].hour for r in rows] == [2, 2, 3]
    assert {r["helo"] for r in rows} == {None}


REFUSALS = [
    pytest.param(
        "smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 Blocked; see [192.0.2.1];"
        " from=<A@x.example> to=<B@y.example> proto=ESMTP helo=<[10.0.0.1]>",
        {
            "src_ip": "192.0.2.1",
            "sender": "a@x.example",
            "recipients": ["b@y.example"],
            "helo": "[10.0.0.1]",
            "reason": "554 5.7.1 Blocked; see [192.0.2.1]",
            "uid": "mail.log:1",
        },
        id="smtpd",
    ),
    pytest.param(
        "postscreen[1]: NOQUEUE: reject: RCPT from [2001:DB8::1]:40123: 550 5.7.1 Service unavailable;"
        " from=<>, to=<b@y.example>, proto=ESMTP, helo=<h>",
        {"src_ip": "2001:db8::1", "src_port": 40123, "sender": "", "helo": "h"},
        id="postscreen",
    ),
    pytest.param(
        "smtpd[1]: NOQUEUE: reject: MAIL from h.example[IPv6:2001:db8::2]: 452 4.3.1 Full; proto=SMTP",
        {"src_ip": "2001:db8::2", "sender": None, "recipients": None, "helo": None},
        id="no-sender-no-helo",
    ),
    pytest.param(
        "smtpd[1]: NOQUEUE: reject: RCPT from unknown[unknown]: 450 no; from=<a>b@x.example>"
        " to=<c@y.example> proto=ESMTP helo=<x>y> sasl_username=<amy>",
        {"src_ip": None, "sender": "a>b@x.example", "helo": "x>y", "login": "amy"},
        id="brackets-in-addresses",
    ),
    pytest.param(
        "cleanup[1]: A63ED24324: milter-reject: END-OF-MESSAGE from h.example[192.0.2.3]: 5.7.1 Spam;"
        " from=<a@x.example> to=<b@y.example> proto=ESMTP helo=<h>",
        {"src_ip": "192.0.2.3", "uid": "A63ED24324", "reason": "5.7.1 Spam"},
        id="milter",
    ),
    pytest.param(
        "cleanup[1]: A63ED24324: reject: header Subject: buy from us now from h.example[192.0.2.4];"
        " from=<a@x.example> to=<b@y.example> proto=ESMTP helo=<h>: 5.7.1 no adverts",
        {"src_ip": "192.0.2.4", "subject": "buy from us now", "reason": "5.7.1 no adverts"},
        id="header-check",
    ),
]


@pytest.mark.parametrize(("line", "expected"), REFUSALS)
def test_a_refusal_is_a_row(tmp_path: Path, line: str, expected: dict[str, Any]) -> None:
    (row,), rejects = read(source_of(tmp_path, f"{AT}{line}\n"))
    assert not rejects
    assert row["status"] == "rejected"
    assert {name: row[name] for name in expected} == expected


NOT_MAIL = [
    "anvil[1]: statistics: max connection rate 3/60s for (smtp:192.0.2.1) at Oct 22 02:04:14",
    "smtpd[1]: disconnect from unknown[192.0.2.1]",
    "smtpd[1]: warning: 192.0.2.1: address not listed for hostname h.example",
    "smtpd[1]: NOQUEUE: client=h.example[192.0.2.1]",
    "smtpd[1]: NOQUEUE: reject_warning: RCPT from h.example[192.0.2.1]: 450 x; from=<> to=<a> proto=SMTP",
    "smtpd[1]: A63ED24324: client=h.example[192.0.2.1]",
    "smtp[1]: A63ED24324: to=<a@b>, relay=none, delay=1, delays=1/0/0/0, dsn=2, status=deliverable (ok)",
]


@pytest.mark.parametrize("line", NOT_MAIL)
def test_lines_about_no_message_are_neither_rows_nor_rejects(tmp_path: Path, line: str) -> None:
    other = "Oct 22 02:12:45 conch sshd[1]: A63ED24324: to=<a@b>, relay=x, status=sent (x)\n"
    again = "Oct 22 02:12:46 conch last message repeated 2 times\n"
    assert read(source_of(tmp_path, f"{AT}{line}\n{other}{again}\n")) == ([], [])


def test_what_is_no_syslog_line_is_refused_and_the_rest_kept(tmp_path: Path) -> None:
    text = f"\x00\x00 {AT}\n{MESSAGE}Oct 32 02:12:45 h postfix/smtpd[1]: x\n".encode() + b"\xff\xfe"
    rows, rejects = read(source_of(tmp_path, text))
    assert len(rows) == 3
    assert [(r.line, r.tail) for r in rejects] == [(1, False), (12, False), (13, True)]


TIMES = [
    pytest.param("Oct  2 02:12:45 h postfix/qmgr[1]: ", "2015-10-02T02:12:45", id="bsd"),
    pytest.param("<22>Oct 22 02:12:45 h postfix/qmgr[1]: ", "2015-10-22T02:12:45", id="priority"),
    pytest.param(
        "2024-05-01T10:00:00.123456+02:00 h postfix/qmgr[1]: ",
        "2024-05-01T08:00:00.123456",
        id="iso",
    ),
    pytest.param(
        "2024-05-01T10:00:00-0330 h postfix/qmgr[1]: ", "2024-05-01T13:30:00", id="journalctl"
    ),
    pytest.param(
        '<22>1 2024-05-01T10:00:00Z h postfix/qmgr 1 - [a b="\\]\\""] ',
        "2024-05-01T10:00:00",
        id="5424",
    ),
    pytest.param(
        "<22>1 2024-05-01T10:00:00Z h postfix/qmgr 1 - - ", "2024-05-01T10:00:00", id="nil"
    ),
    pytest.param(
        "Oct 22 02:12:45 h postfix-out/submission/qmgr[1]: [ID 197553 mail.info] ",
        "2015-10-22T02:12:45",
        id="instance-and-solaris",
    ),
]


@pytest.mark.parametrize(("start", "expected"), TIMES)
def test_each_form_of_syslog_line_is_known(tmp_path: Path, start: str, expected: str) -> None:
    source = source_of(
        tmp_path, f"{start}4bZx0K1Qz5z9rXm: from=<a@b>, size=1, nrcpt=1 (queue active)\n"
    )
    assert postfix.recognises(source)
    (row,), rejects = read(source)
    assert not rejects
    assert row["ts"].isoformat().removesuffix("+00:00") == expected
    assert (row["status"], row["sender"], row["size"]) == (None, "a@b", 1)


def test_times_without_a_zone_are_in_the_given_one(tmp_path: Path) -> None:
    source = source_of(
        tmp_path, f"{AT}qmgr[1]: A63ED24324: from=<>, size=1, nrcpt=1 (queue active)\n"
    )
    (row,), _ = read(source, Options(year=2015, timezone="Asia/Tokyo"))
    assert row["ts"] == datetime(2015, 10, 21, 17, 12, 45, tzinfo=UTC)
    assert row["sender"] == ""


def test_an_unknown_zone_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Mars/Olympus"):
        read(source_of(tmp_path, MESSAGE), Options(timezone="Mars/Olympus"))


def on_days(*days: str) -> str:
    return "".join(
        f"{day} 01:00:00 h postfix/qmgr[1]: AAAAA{n}: from=<>, size=1, nrcpt=1 (queue active)\n"
        for n, day in enumerate(days)
    )


YEARS = [
    pytest.param(("Dec 31", "Jan  1"), None, [2023, 2024], id="over-new-year"),
    pytest.param(("Jan  1", "Dec 31", "Jan  1"), None, [2024, 2023, 2024], id="a-late-line"),
    pytest.param(("Dec 30", "Dec 31"), None, [2023, 2023], id="copied-after-new-year"),
    pytest.param(("Jan  8",), None, [2024], id="this-year"),
    pytest.param(("Dec 31", "Jan  1"), 2019, [2019, 2020], id="year-given"),
]


@pytest.mark.parametrize(("days", "year", "expected"), YEARS)
def test_the_year_comes_from_the_option_or_the_files_last_change(
    tmp_path: Path, days: tuple[str, ...], year: int | None, expected: list[int]
) -> None:
    source = source_of(tmp_path, on_days(*days), datetime(2024, 1, 9, tzinfo=UTC))
    rows, rejects = read(source, Options(year=year))
    assert not rejects
    assert [r["ts"].year for r in rows] == expected


def test_the_year_is_carried_from_block_to_block(tmp_path: Path) -> None:
    filling = "Dec 31 01:00:00 h x: filling the block\n" * 250_000
    text = on_days("Dec 31") + filling + on_days("Jan  1").replace("AAAAA0", "BBBBB0")
    rows, _ = read(source_of(tmp_path, text), Options(year=2019))
    assert [r["ts"].year for r in rows] == [2019, 2020]


def test_a_day_that_the_year_lacks_is_refused(tmp_path: Path) -> None:
    rows, rejects = read(source_of(tmp_path, on_days("Feb 28", "Feb 29")), Options(year=2015))
    assert len(rows) == 1
    assert [r.line for r in rejects] == [2]


REUSE = [
    pytest.param("Oct 22 04:00:00 h postfix/qmgr[1]: AAAAA1: removed\n", id="after-removed"),
    pytest.param("", id="a-new-client"),
]


@pytest.mark.parametrize("between", REUSE)
def test_a_queue_id_used_again_is_another_message(tmp_path: Path, between: str) -> None:
    def message(hour: int, client: int) -> str:
        at = f"Oct 22 {hour:02}:00:00 h postfix/"
        return (
            f"{at}smtpd[1]: AAAAA1: client=c.example[192.0.2.{client}]\n"
            f"{at}smtp[1]: AAAAA1: to=<u{client}@x>, relay=r[203.0.113.1]:25, delay=1, status=sent (ok)\n"
        )

    rows, _ = read(source_of(tmp_path, message(3, 1) + between + message(5, 2)))
    assert [(r["src_ip"], r["recipients"]) for r in rows] == [
        ("192.0.2.1", ["u1@x"]),
        ("192.0.2.2", ["u2@x"]),
    ]


def test_five_days_of_silence_part_two_messages(tmp_path: Path) -> None:
    to = "h postfix/smtp[1]: AAAAA1: to=<u@x>, relay=r[203.0.113.1]:25, delay=1, status=sent (ok)\n"
    rows, _ = read(source_of(tmp_path, f"Oct 10 01:00:00 {to}Oct 20 01:00:00 {to}"))
    assert [r["ts"].day for r in rows] == [10, 20]


def test_two_hosts_logs_in_one_file_are_kept_apart(tmp_path: Path) -> None:
    text = MESSAGE + MESSAGE.replace("conch", "whelk").replace("192.0.2.9", "192.0.2.10")
    lines = text.splitlines(keepends=True)
    mixed = "".join(a + b for a, b in zip(lines[:10], lines[10:], strict=True))
    rows, _ = read(source_of(tmp_path, mixed))
    assert sorted((r["src_ip"], r["status"]) for r in rows) == sorted(
        (ip, status)
        for ip in ("192.0.2.10", "192.0.2.9")
        for status in ("sent", "deferred", "bounced")
    )


def test_a_message_that_expires_is_bounced(tmp_path: Path) -> None:
    text = f"{AT}qmgr[1]: AAAAA1: from=<a@b>, status=expired, returned to sender\n"
    (row,), _ = read(source_of(tmp_path, text))
    assert (row["status"], row["reason"]) == ("bounced", "expired, returned to sender")


def test_a_subject_logged_by_header_checks_is_kept(tmp_path: Path) -> None:
    subject = (
        f"{AT}cleanup[2]: A63ED24324: warning: header Subject: hi from you from mx.example.net"
        "[192.0.2.9]; from=<amy@example.net> to=<b@c> proto=ESMTP helo=<pc7>\n"
    )
    rows, _ = read(source_of(tmp_path, subject + MESSAGE.split("\n", 2)[2]))
    assert {(r["subject"], r["helo"]) for r in rows} == {("hi from you", "pc7")}


@pytest.mark.parametrize(
    "head",
    ["", "Oct 22 02:12:45 h sshd[1]: postfix/smtpd[1]: x\n", '{"a": "postfix/smtpd[1]: x"}\n'],
    ids=["empty", "another-program", "json"],
)
def test_other_content_is_not_recognised(tmp_path: Path, head: str) -> None:
    assert not postfix.recognises(source_of(tmp_path, head))


ODD = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda a, b: f"Oct 22 02:12:45 h postfix/smtpd[1]: AAAAA1: {a}{b}\n".encode(),
        st.sampled_from(
            ["to=<", "from=<", "client=", "reject: RCPT from x[", "uid=", "message-id="]
        ),
        st.text(alphabet="<>[]:;,= aé\r\\'\"", max_size=40),
    ),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(ODD, max_size=6).map(b"\n".join))
def test_any_bytes_give_rows_or_rejects(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, rejects = read(source_of(Path(folder), data))
    lines = [line for line in data.split(b"\n") if line.rstrip(b"\r")]
    assert len(rows) + len(rejects) <= len(lines)


def test_every_client_that_the_real_server_blocked_is_found() -> None:
    if not REAL.exists():
        pytest.skip(f"no real mail log in {REAL}")
    rows, rejects = read(Source(REAL / "input/mail.log.gz"))
    truth = json.loads((REAL / "truth/spamhaus_zen_rejections.json").read_text())
    blocked = [
        r["src_ip"] for r in rows if r["status"] == "rejected" and "zen.spamhaus" in r["reason"]
    ]
    assert not rejects
    assert {ip: blocked.count(ip) for ip in set(blocked)} == {
        ip: said["rejects"] for ip, said in truth.items()
    }
    said = gzip.decompress((REAL / "input/mail.log.gz").read_bytes())
    assert sum(len(r["recipients"]) for r in rows if r["status"] == "sent") == said.count(
        b"status=sent"
    )
