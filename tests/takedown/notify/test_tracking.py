from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import ConfigError, SourceError
from sakimori.takedown.notify.reminders import CERTS, Policy, Told, due, read_certs
from sakimori.takedown.notify.tracking import STATES, Step, cleanup, read_reply, state_of

DIGEST = "ab12cd34ef56" + "0" * 52
ID = f"<{DIGEST[:40]}@cert.example>"
KNOWN = {ID: DIGEST}
START = datetime(2026, 3, 1, tzinfo=UTC)


def report(action: str, status: str, returned: str, in_reply: str = "") -> bytes:
    return f"""From: mailer@isp.example
To: cert@cert.example
Subject: Delivery status
{in_reply}Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

A message of yours.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.isp.example

Final-Recipient: rfc822; abuse@isp.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user
\x1b[31m
--b
{returned}
--b--
""".replace("\n\x1b[31m", "").encode()


WHOLE = f"Content-Type: message/rfc822\n\nMessage-ID: {ID}\nSubject: x\n\nbody\n"
HEADERS = f"Content-Type: text/rfc822-headers\n\nMessage-ID: {ID}\nSubject: x\n"


@pytest.mark.parametrize("returned", [WHOLE, HEADERS])
@pytest.mark.parametrize(
    ("action", "state"),
    [("failed", "bounced"), ("delayed", "delayed"), ("delivered", "delivered"),
     ("relayed", "delivered"), ("nonsense", "bounced")],
)  # fmt: skip
def test_a_server_s_report_says_what_became_of_it(action: str, state: str, returned: str) -> None:
    found = read_reply(report(action, "5.1.1", returned), KNOWN)
    assert (found.digest, found.state) == (DIGEST, state)
    if action != "nonsense":
        assert found.note == "5.1.1 smtp; 550 no such user"


@pytest.mark.parametrize(
    ("head", "body", "state"),
    [
        (f"In-Reply-To: {ID}", "done", "answered"),
        (f"References: <x@y.example> {ID}", "done", "answered"),
        ("Subject: Re: [TLP:AMBER] SAKIMORI-AB12CD34EF56", "done", "answered"),
        ("Subject: x", "ticket for SAKIMORI-AB12CD34EF56", "answered"),
        (f"In-Reply-To: {ID}\nAuto-Submitted: auto-replied", "away", "acknowledged"),
        (f"In-Reply-To: {ID}\nAuto-Submitted: no", "done", "answered"),
    ],
)
def test_an_answer_is_known_by_what_it_refers_to(head: str, body: str, state: str) -> None:
    found = read_reply(f"From: a@isp.example\n{head}\n\n{body}\n".encode(), KNOWN)
    assert (found.digest, found.state) == (DIGEST, state)


@given(st.binary(max_size=300))
def test_any_mail_can_be_read(raw: bytes) -> None:
    assert read_reply(raw, KNOWN).digest in ("", DIGEST)


def test_a_stranger_s_mail_belongs_to_no_notice() -> None:
    assert read_reply(b"Subject: hello\n\nSAKIMORI-000000000000\n", KNOWN).digest == ""


def steps(*states: tuple[str, float]) -> list[Step]:
    return [Step(DIGEST, state, START + timedelta(days=day)) for state, day in states]


@given(st.permutations([s for s in STATES if s not in ("cleaned", "returned")]))
def test_what_servers_and_people_answer_counts_whatever_the_order(order: list[str]) -> None:
    assert state_of(steps(*((s, 0) for s in order))) == "answered"
    assert state_of([]) == "prepared"


def test_before_it_leaves_a_notice_is_in_the_state_of_its_last_step() -> None:
    assert state_of(steps(("prepared", 0), ("approved", 1), ("held", 2))) == "held"
    assert state_of(steps(("held", 0), ("prepared", 1))) == "prepared"
    assert state_of(steps(("uncertain", 0), ("deferred", 1))) == "deferred"
    assert state_of(steps(("sent", 0), ("uncertain", 1))) == "sent"


@pytest.mark.parametrize(
    ("history", "day", "kind", "number"),
    [
        ([], 30, None, 0),
        ([("sent", 0)], 6, None, 0),
        ([("sent", 0)], 7, "reminder", 1),
        ([("sent", 0)], 100, "reminder", 1),
        ([("sent", 0), ("acknowledged", 1)], 7, "reminder", 1),
        ([("sent", 0), ("reminded", 7)], 8, None, 0),
        ([("sent", 0), ("reminded", 7)], 14, "reminder", 2),
        ([("sent", 0), ("reminded", 7), ("reminded", 14)], 20, None, 0),
        ([("sent", 0), ("reminded", 7), ("reminded", 14)], 21, "escalation", 2),
        ([("sent", 0), ("bounced", 0.1)], 1, "escalation", 0),
        ([("sent", 0), ("answered", 3)], 50, None, 0),
        ([("sent", 0), ("bounced", 0.1), ("escalated", 1)], 50, None, 0),
        ([("sent", 0), ("cleaned", 20)], 50, None, 0),
        ([("refused", 0)], 50, None, 0),
    ],
)
def test_who_is_due(
    history: list[tuple[str, float]], day: float, kind: str | None, number: int
) -> None:
    told = [Told(DIGEST, "isp", "JP", steps(*history))]
    found = due(told, Policy(), START + timedelta(days=day))
    assert [(d.kind, d.number) for d in found] == ([(kind, number)] if kind else [])
    if kind == "escalation":
        assert found[0].cert is not None
        assert found[0].cert.name == "JPCERT/CC"


def test_where_no_cert_is_listed_it_is_said() -> None:
    told = [Told(DIGEST, "isp", "XX", steps(("sent", 0), ("bounced", 1)))]
    (found,) = due(told, Policy(), START + timedelta(days=2))
    assert found.cert is None
    assert "XX" in found.note


def test_every_built_in_cert_names_its_source() -> None:
    assert {c.source[:8] for c in CERTS.values()} == {"https://"}
    assert all(country == cert.country for country, cert in CERTS.items())


def test_a_table_of_certs_is_read_or_refused_with_its_line() -> None:
    head = "country,name,mail,lang"
    assert read_certs([head, "jp,Team,a@b.example,ja"])["JP"].lang == "ja"
    for row, why in (("J,x,a@b.example,", "two letters"), ("JP,x,nobody,", "no mail address")):
        with pytest.raises(SourceError, match=rf"c\.csv:2: .*{why}"):
            read_certs([head, row], "c.csv")
    with pytest.raises(SourceError, match="no column"):
        read_certs(["x"], "c.csv")


def test_days_must_grow() -> None:
    with pytest.raises(ConfigError, match="do not grow"):
        Policy(remind_days=(7, 7))


def test_not_seen_again_is_a_share_and_only_after_two_weeks() -> None:
    told = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]
    later = [
        ("192.0.2.1", START + timedelta(days=3)),
        ("192.0.2.1", START + timedelta(days=4)),
        ("192.0.2.2", START + timedelta(hours=3)),  # grace: nobody cleans at once
        ("192.0.2.3", START - timedelta(days=1)),
        ("192.0.2.99", START + timedelta(days=3)),
    ]
    found = cleanup(told, later, START, START + timedelta(days=20))
    assert (found.told, found.seen_again, found.share) == (4, 1, 0.75)
    assert cleanup(told, later, START, START + timedelta(days=5)).share is None
    assert cleanup([], later, START, START + timedelta(days=20)).share is None
