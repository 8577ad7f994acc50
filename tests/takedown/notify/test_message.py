from __future__ import annotations

import csv
import email
import io
import json
import zipfile
from dataclasses import replace
from email import policy
from typing import TYPE_CHECKING, Any

import pytest
import xarf
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError, RefusedError
from sakimori.intel.contacts import Contact, mail_address
from sakimori.takedown.notify import approval, attachments
from sakimori.takedown.notify.group import Group
from sakimori.takedown.notify.message import Sender, compose, reference_of, shown
from sakimori.takedown.notify.words import Occasion, cold

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from email.message import EmailMessage

    from syrupy.assertion import SnapshotAssertion

    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.message import Notice

Make = "Callable[..., VictimEvent]"


@pytest.fixture
def three(event: Callable[..., VictimEvent]) -> Group:
    return Group(
        "abuse@isp.example",
        (
            event(),
            event(5, ip="2001:db8::7", port=40000, seen="cnc_log", controller="http://evil.example/a"),
            event(6, port=None, established=False, family="=1+1", controller="203.0.113.5", tlp="green"),
        ),
    )  # fmt: skip


def received(notice: Notice) -> EmailMessage:
    """What the other side reads."""
    mail: Any = email.message_from_bytes(notice.mail.as_bytes(), policy=policy.default)
    return mail


def attachment(mail: EmailMessage, name: str) -> bytes:
    found = [part for part in mail.iter_attachments() if part.get_filename() == name]
    data: Any = found[0].get_payload(decode=True)
    return bytes(data)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_notice_reads_as_it_did(
    three: Group, contact: Contact, sender: Sender, now: datetime, lang: str,
    snapshot: SnapshotAssertion,
) -> None:  # fmt: skip
    notice = compose(three, replace(contact, lang=lang), sender, now)
    mail = received(notice)
    assert f"Subject: {mail['Subject'].strip()}\n\n{shown(notice)}" == snapshot


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("kind", ["reminder", "escalation"])
def test_a_reminder_reads_as_it_did(
    three: Group, contact: Contact, sender: Sender, now: datetime, snapshot: SnapshotAssertion,
    lang: str, kind: str,
) -> None:  # fmt: skip
    occasion = Occasion(kind, 2, "isp.example", now, "<first@cert.example>")
    notice = compose(three, replace(contact, lang=lang), sender, now, occasion)
    mail = received(notice)
    assert mail["In-Reply-To"] == "<first@cert.example>"
    start = "\n".join(shown(notice).split("\n")[:4])
    assert f"Subject: {mail['Subject'].strip()}\n\n{start}" == snapshot


def test_the_csv_and_the_reports_read_as_they_did(
    three: Group, contact: Contact, sender: Sender, now: datetime, snapshot: SnapshotAssertion
) -> None:
    mail = received(compose(three, contact, sender, now))
    assert attachment(mail, "events.csv").decode() == snapshot(name="csv")
    assert json.loads(attachment(mail, "xarf.json")) == snapshot(name="xarf")


def test_headers_say_what_machines_need(
    three: Group, contact: Contact, sender: Sender, now: datetime
) -> None:
    notice = compose(three, contact, sender, now)
    mail = received(notice)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-XARF"] == "BULK"
    assert mail["Message-ID"] == f"<{notice.digest[:40]}@cert.example>"
    assert mail["X-Sakimori-Reference"] == reference_of(notice.digest) == notice.reference
    assert notice.tlp == "amber"
    assert mail["Subject"].strip().startswith("[TLP:AMBER]")


def test_the_same_events_make_the_same_message_whatever_the_day(
    three: Group, contact: Contact, sender: Sender, now: datetime
) -> None:
    first, second = (compose(three, contact, sender, day) for day in (now, now.replace(day=9)))
    assert first.digest == second.digest
    del first.mail["Date"], second.mail["Date"]
    assert first.mail.as_bytes() == second.mail.as_bytes()
    other = compose(three, replace(contact, mail="other@isp.example"), sender, now)
    assert other.digest != first.digest


def test_every_report_is_valid_and_says_whether_the_handshake_was_done(
    three: Group, contact: Contact, sender: Sender, now: datetime
) -> None:
    mail = received(compose(three, contact, sender, now))
    reports = json.loads(attachment(mail, "xarf.json"))
    for report, done in zip(reports, ("yes", "yes", "no"), strict=True):
        parsed = xarf.parse(report)
        assert parsed.errors == []
        assert type(parsed.report).__name__ == "BotnetReport"
        assert f"handshake completed: {done}" in report["compromise_evidence"]
    assert reports[0]["source_port"] == 51234
    assert "source_port" not in reports[2]


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"source_port": 0}, {"report_id": "x"}, {"reporter": {"org": "x"}}, {"tags": ["A B"]},
        {"compromise_evidence": None}, {"c2_protocol": "smoke"}, {"evidence": [{}]},
        {"type": "other"}, {"malware_family": "x" * 300}, {"xarf_version": "3.0.0"},
    ],
)  # fmt: skip
def test_our_check_of_a_report_says_what_the_package_says(
    event: Callable[..., VictimEvent], sender: Sender, changes: dict[str, Any]
) -> None:
    report = {**attachments.xarf_of(event(), sender), **changes}
    ours = [e.message for e in attachments._schema().iter_errors(report)]
    assert bool(ours) == bool(changes)
    assert bool(ours) == bool(xarf.schema_validator.validate(report))


def test_a_sender_that_makes_no_valid_report_is_named(
    three: Group, contact: Contact, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender("cert@cert.example", "x")
    monkeypatch.setattr(Sender, "domain", property(lambda _: "not a host"))
    report = attachments.xarf_of(three.events[0], sender)
    report["reporter"] = {"org": "x"}
    monkeypatch.setattr(attachments, "xarf_of", lambda *_: report)
    with pytest.raises(ConfigError, match="no valid XARF report"):
        compose(three, contact, sender, now)


def test_large_attachments_are_packed_always_the_same() -> None:
    data = b"a,b\r\n" * 300_000
    name, kind, packed = attachments.packed("events.csv", data)
    assert (name, kind) == ("events.csv.zip", "application/zip")
    assert zipfile.ZipFile(io.BytesIO(packed)).read("events.csv") == data
    assert attachments.packed("events.csv", data)[2] == packed
    assert len(packed) < 10_000


def test_the_text_shows_thirty_events_and_counts_the_rest(
    event: Callable[..., VictimEvent], contact: Contact, sender: Sender, now: datetime
) -> None:
    group = Group("x", tuple(event(n, port=n + 1) for n in range(35)))
    text = shown(compose(group, contact, sender, now))
    assert "and 5 more" in text
    assert text.count("evil[.]example") == 30


HOSTILE = st.text(max_size=80) | st.sampled_from(
    ["x\r\nBcc: evil@example.org", "\r\n\r\n<script>", "\u202egnp.exe", "=cmd|'/c calc'!A0",
     "@SUM(1)", "http://evil.example/x", "\ud800", "a" * 5000, "\x00", '"; rm', "hTTps://e.example"]
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(name=HOSTILE, family=HOSTILE, controller=HOSTILE, about=HOSTILE)
def test_hostile_text_adds_no_header_no_formula_and_no_link(
    event: Callable[..., VictimEvent], now: datetime,
    name: str, family: str, controller: str, about: str,
) -> None:  # fmt: skip
    told = event(family=family, controller=controller, botnet=about)
    sender = Sender("cert@cert.example", "Example CERT")
    notice = compose(Group("x", (told,)), Contact(mail="abuse@isp.example", name=name), sender, now)
    mail = received(notice)
    assert mail["Bcc"] is None
    assert [a.addr_spec for a in mail["To"].addresses] == ["abuse@isp.example"]
    assert len(mail.get_all("Subject")) == 1
    assert len(list(mail.iter_attachments())) == 2
    text = shown(notice)
    assert not {"http://", "https://"} & {w[:8].lower().rstrip("/") + "//" for w in text.split("/")}
    assert "http://" not in text.lower()
    assert "\u202e" not in text
    for row in csv.reader(io.StringIO(attachment(mail, "events.csv").decode())):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@"))]
        assert len(row) == len(attachments.COLUMNS)
    for line in notice.mail.as_bytes().split(b"\r\n"):
        assert len(line) <= 998
        assert line.isascii()


@pytest.mark.parametrize(
    "text",
    ["x", "a@b", "a b@c.example", "a@b.example\r\nBcc: c@d.example", "a@b.example>", "<a@b.example>",
     "a@b..example", ".a@b.example", "名@b.example", "a@" + "b" * 260 + ".example", "", "a@-b.example",
     "a,b@c.example"],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no mail address"):
        mail_address(text)
    with pytest.raises(ConfigError):
        Sender(text, "x")


def test_a_notice_needs_a_mailbox_events_and_a_sender_with_a_name(
    three: Group, contact: Contact, sender: Sender, now: datetime
) -> None:
    with pytest.raises(ConfigError, match="no mailbox"):
        compose(three, Contact(name="x", why="nobody"), sender, now)
    with pytest.raises(ConfigError, match="nothing to tell"):
        compose(Group("x", ()), contact, sender, now)
    with pytest.raises(ConfigError, match="no name"):
        Sender("cert@cert.example", " ")


def test_cold_text_has_no_name_that_a_program_would_link() -> None:
    assert cold("http://evil.example/x") == "hxxp://evil[.]example/x"


def test_an_approval_covers_these_messages_and_no_others(now: datetime) -> None:
    yes = approval.Approval("A. Person", now, approval.proposal_of(["a", "b"]))
    assert approval.check(yes, ["b", "a"], now) is yes
    for given_, digests in ((None, ["a"]), (yes, ["a"]), (replace(yes, by=" "), ["a", "b"]),
                            (replace(yes, expires=now), ["a", "b"])):  # fmt: skip
        with pytest.raises(RefusedError):
            approval.check(given_, digests, now)
