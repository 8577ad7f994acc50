from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Rows, Source, exchange, schema_of

FIELDS = (
    "date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,"
    "event-id,internal-message-id,message-id,network-message-id,recipient-address,recipient-status,"
    "total-bytes,recipient-count,related-recipient-address,reference,message-subject,sender-address,"
    "return-path,message-info,directionality,tenant-id,original-client-ip,original-server-ip,custom-data"
)
HEAD = (
    "\ufeff#Software: Microsoft Exchange Server\r\n#Version: 15.02.1118.000\r\n"
    "#Log-type: Message Tracking Log\r\n#Date: 2024-05-01T00:00:00.000Z\r\n"
)
PLAIN = {
    "date-time": "2024-05-01T10:00:00.123Z",
    "source": "SMTP",
    "event-id": "SEND",
    "network-message-id": "08dc-1",
    "message-id": "<a@pc7>",
    "recipient-address": "Bob@example.net;carol@example.net",
    "sender-address": "Amy@example.org",
}


def line_of(fields: str = FIELDS, **values: str) -> str:
    said = PLAIN | {name.replace("_", "-"): value for name, value in values.items()}
    return ",".join(said.get(name, "") for name in fields.split(",")) + "\r\n"


def source_of(folder: Path, *lines: str, head: str = f"{HEAD}#Fields: {FIELDS}\r\n") -> Source:
    path = folder / "MSGTRK.LOG"
    path.write_bytes((head + "".join(lines)).encode())
    return Source(path, name="MSGTRK.LOG")


def read(source: Source) -> tuple[list[dict[str, Any]], list[Reject]]:
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    for part in exchange.read(source, Options()):
        if isinstance(part, Rows):
            assert part.table == "mail"
            assert part.batch.schema == schema_of("mail")
            rows += part.batch.to_pylist()
        else:
            rejects.append(part)
    return rows, rejects


def test_an_outcome_is_a_row_with_the_logs_fields(tmp_path: Path) -> None:
    line = line_of(
        client_ip="198.51.100.2",
        original_client_ip="192.0.2.7",
        server_ip="2001:DB8:0::5",
        message_subject='"Hello, ""you"""',
        total_bytes="4567",
        recipient_status="250 2.1.5 Recipient OK",
    )
    source = source_of(tmp_path, line)
    assert exchange.recognises(source)
    (row,), rejects = read(source)
    assert not rejects
    assert {k: v for k, v in row.items() if v is not None} == {
        "ts": datetime(2024, 5, 1, 10, 0, 0, 123_000, tzinfo=UTC),
        "uid": "08dc-1",
        "src_ip": "192.0.2.7",
        "dst_ip": "2001:db8::5",
        "sender": "amy@example.org",
        "recipients": ["bob@example.net", "carol@example.net"],
        "subject": 'Hello, "you"',
        "message_id": "<a@pc7>",
        "size": 4567,
        "status": "sent",
        "reason": "250 2.1.5 Recipient OK",
    }


@pytest.mark.parametrize(
    ("event", "source", "status"),
    [
        ("SEND", "SMTP", ["sent"]),
        ("SENDEXTERNAL", "SMTP", ["sent"]),
        ("DELIVER", "STOREDRIVER", ["sent"]),
        ("FAIL", "ROUTING", ["bounced"]),
        ("DEFER", "SMTP", ["deferred"]),
        ("RECEIVE", "SMTP", [None]),
        ("RECEIVE", "STOREDRIVER", []),
        ("SUBMIT", "STOREDRIVER", []),
        ("EXPAND", "ROUTING", []),
        ("AGENTINFO", "AGENT", []),
        ("HAREDIRECT", "SMTP", []),
    ],
)
def test_a_message_counts_once_per_outcome(
    tmp_path: Path, event: str, source: str, status: list[str | None]
) -> None:
    rows, rejects = read(source_of(tmp_path, line_of(event_id=event, source=source)))
    assert not rejects
    assert [r["status"] for r in rows] == status


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"return_path": "<>"}, {"sender": ""}, id="null-sender"),
        pytest.param({"return_path": "B@x"}, {"sender": "b@x"}, id="envelope-before-header"),
        pytest.param({"network_message_id": ""}, {"uid": "<a@pc7>"}, id="before-2013"),
        pytest.param(
            {"network_message_id": "", "message_id": ""},
            {"uid": "MSGTRK.LOG:6", "message_id": None},
            id="no-id",
        ),
        pytest.param({"client_ip": "fe80::1%12"}, {"src_ip": "fe80::1"}, id="zone-id"),
        pytest.param({"client_ip": "ex01"}, {"src_ip": None}, id="no-address"),
        pytest.param({"recipient_address": ""}, {"recipients": None}, id="no-recipients"),
        pytest.param(
            {"event_id": "FAIL", "recipient_status": "'550 5.1.1 not found; x'"},
            {"reason": "550 5.1.1 not found; x"},
            id="reason",
        ),
    ],
)
def test_odd_values(tmp_path: Path, values: dict[str, str], expected: dict[str, Any]) -> None:
    (row,), _ = read(source_of(tmp_path, line_of(**values)))
    assert {name: row[name] for name in expected} == expected


def test_bad_lines_are_refused_and_the_others_kept(tmp_path: Path) -> None:
    rows, rejects = read(
        source_of(
            tmp_path,
            line_of(message_subject='"open'),
            "a,b\r\n",
            "\r\n",
            line_of(date_time="2024-02-30T10:00:00Z"),
            line_of(message_subject="kept"),
            line_of(message_subject='a"b'),
            "2024-05-01T10",
        )
    )
    assert [r["subject"] for r in rows] == ["kept"]
    assert sorted((r.line, r.tail) for r in rejects) == [
        (6, False),
        (7, False),
        (9, False),
        (11, False),
        (12, True),
    ]


def test_columns_are_found_by_name_and_a_new_header_holds_from_there_on(tmp_path: Path) -> None:
    older = "date-time,event-id,source,message-id,client-ip"
    text = [line_of(client_ip="192.0.2.1"), HEAD.lstrip("\ufeff"), f"#Fields: {older}\r\n"]
    rows, rejects = read(source_of(tmp_path, *text, line_of(older, client_ip="192.0.2.2")))
    assert not rejects
    assert [(r["src_ip"], r["uid"], r["sender"]) for r in rows] == [
        ("192.0.2.1", "08dc-1", "amy@example.org"),
        ("192.0.2.2", "<a@pc7>", None),
    ]


def test_a_grown_files_new_part_is_read_alone(tmp_path: Path) -> None:
    first, second = line_of(message_subject="first"), line_of(message_subject="second")
    source = source_of(tmp_path, first, second, line_of(message_subject="tail").rstrip("\r\n"))
    seen = source.path.read_bytes().index(second.encode())
    source.begin_at(seen, 7, source.digest_of(seen))
    parts = [p for p in exchange.read(source, Options()) if isinstance(p, Rows)]
    assert [(p.batch["subject"].to_pylist(), p.tail) for p in parts] == [
        (["second"], False),
        (["tail"], True),
    ]


def test_a_log_without_its_columns_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="date-time"):
        read(source_of(tmp_path, head=HEAD))


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (HEAD, True),
        (f"#Fields: {FIELDS}\r\n", True),
        ("#Fields: date-time,event-id,x\r\n", False),
        (
            "#Log-type: SMTP Receive Protocol Log\r\n#Fields: date-time,connector-id,session-id\r\n",
            False,
        ),
        ("", False),
    ],
    ids=["log-type", "fields", "other-fields", "protocol-log", "empty"],
)
def test_the_head_tells_the_format(tmp_path: Path, head: str, known: bool) -> None:
    assert exchange.recognises(source_of(tmp_path, head=head)) is known


ODD = st.one_of(
    st.text(alphabet='",#;\r\n aé<>\x00', max_size=60),
    st.builds(lambda text: line_of(message_subject=text), st.text(alphabet='", a\r', max_size=8)),
    st.builds(
        lambda text: f"#Fields: {text}\r\n", st.sampled_from(["", "x", "date-time,x", FIELDS])
    ),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(ODD, max_size=6).map("".join))
def test_any_text_gives_rows_or_rejects(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, rejects = read(source_of(Path(folder), text))
    assert len(rows) + len(rejects) <= text.count("\n") + 1
