from __future__ import annotations

import asyncio
import email
import socket
import ssl
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sakimori.app import _smtp, following, mailing, notifying
from sakimori.app.mailing import Outbox, Ways, send
from sakimori.config import Mail
from sakimori.errors import ConfigError, RefusedError, StateError
from sakimori.intel.contacts import Contact, read_book
from sakimori.takedown.notify.approval import Approval, proposal_of
from sakimori.takedown.notify.events import Policy, Read, VictimEvent, read
from sakimori.takedown.notify.group import Group
from sakimori.takedown.notify.message import Notice, Sender, compose
from sakimori.takedown.notify.tracking import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SENDER = Sender("cert@cert.example", "Example CERT")


class Handler:
    """Answers by the first word of the receiver's mailbox; keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.tried: list[str] = []

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: SMTP, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.tried.append(address)
        kind = address.partition("@")[0].split("-")[0]
        if kind == "drop" and self.tried.count(address) == 1:
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return {"no": "550 5.1.1 no such user", "later": "451 4.7.1 try again later"}.get(
            kind, "250 OK"
        )

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Any, envelope: Any
    ) -> str:
        (to,) = envelope.rcpt_tos
        if to.startswith("spam"):
            return "554 5.7.1 refused \x1b[31m"
        self.taken.append((to, envelope.content))
        if to.startswith("vanish"):  # taken, but the answer is lost
            server.transport.abort()
        return "250 OK"

    @property
    def receivers(self) -> list[str]:
        return [to for to, _ in self.taken]


@contextmanager
def server(
    handler: Handler, context: ssl.SSLContext | None = None, kind: type[SMTP] = SMTP, **options: Any
) -> Iterator[int]:
    """A real SMTP server on loopback; gives its port."""
    loop = asyncio.new_event_loop()

    def factory() -> SMTP:
        with warnings.catch_warnings():  # it warns of logins without TLS of its own
            warnings.simplefilter("ignore")
            return kind(handler, hostname="mx.example", loop=loop, **options)

    listening = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(finish(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def finish() -> None:
    """Let connections that are closing come to their end, and end the rest."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if others:
        _, still = await asyncio.wait(others, timeout=0.3)
        for task in still:
            task.cancel()
        await asyncio.gather(*still, return_exceptions=True)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Handler, int]]:
    """One server for all tests that need no encryption: starting one takes a third of a second."""
    handler = Handler()
    with server(handler) as port:
        yield handler, port


@pytest.fixture
def handler(running: tuple[Handler, int]) -> Handler:
    found, _ = running
    found.taken.clear()
    found.tried.clear()
    return found


@pytest.fixture
def plain(running: tuple[Handler, int], handler: Handler) -> Mail:
    return Mail(sender=SENDER.mail, organisation="x", host="127.0.0.1", port=running[1],
                tls="none", timeout=5.0)  # fmt: skip


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "out") as box:
        yield box


def notice(mail: str, minutes: int = 0, **contact: Any) -> Notice:
    event = VictimEvent(
        time=START + timedelta(minutes=minutes), ip="192.0.2.10", seen="sinkhole",
        established=True, controller="evil.example",
    )  # fmt: skip
    told = Contact(mail=mail, name="x", country="JP", **contact)
    return compose(Group(mail, (event,)), told, SENDER, START)


def yes(*notices: Notice) -> Approval:
    return Approval("A. Person", START, proposal_of(n.digest for n in notices))


def ways(**options: Any) -> Ways:
    return Ways(lambda: datetime(2026, 3, 2, tzinfo=UTC), **options)


def states(outbox: Outbox) -> dict[str, str]:
    return {e.mail: e.steps[-1].state for e in outbox.entries()}


def test_what_is_approved_arrives_whole(outbox: Outbox, plain: Mail, handler: Handler) -> None:
    one = notice("abuse@isp.example")
    done = send(outbox, [one], plain, yes(one), ways())
    assert (done.count("sent"), done.problem) == (1, "")
    ((to, data),) = handler.taken
    assert to == "abuse@isp.example"
    assert email.message_from_bytes(data)["Message-ID"] == one.message_id
    assert data.replace(b"\r\n", b"\n") == one.mail.as_bytes().replace(b"\r\n", b"\n")
    (entry,) = outbox.entries()
    assert [s.state for s in entry.steps] == ["prepared", "approved", "sent"]
    assert entry.steps[1].note.startswith("A. Person, ")


def test_nothing_is_sent_without_an_approval_of_exactly_this(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    one, two = notice("a@isp.example"), notice("b@isp.example")
    for approval in (None, yes(one), Approval("", START, proposal_of([one.digest, two.digest]))):
        with pytest.raises(RefusedError):
            send(outbox, [one, two], plain, approval, ways())
    assert handler.tried == []


def test_preparing_sends_nothing_and_again_changes_nothing(
    outbox: Outbox, handler: Handler
) -> None:
    one = notice("a@isp.example")
    first = mailing.prepare(outbox, [one], START)
    assert mailing.prepare(outbox, [one], START) == first
    path = outbox.path_of(one.reference)
    assert path.read_bytes() == one.mail.as_bytes()
    assert list(path.parent.iterdir()) == [path]
    assert handler.tried == []


def test_each_message_is_sent_once(outbox: Outbox, plain: Mail, handler: Handler) -> None:
    both = [notice("a@isp.example"), notice("b@isp.example")]
    send(outbox, both, plain, yes(*both), ways())
    again = send(outbox, both, plain, yes(*both), ways())
    assert (again.tried, again.skipped) == ((), 2)
    assert handler.receivers == ["a@isp.example", "b@isp.example"]


def test_refusals_and_delays_are_written_down_and_do_not_stop_the_others(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    names = ("no@a.example", "later@b.example", "spam@c.example", "ok@d.example")
    notices = [notice(name) for name in names]
    done = send(outbox, notices, plain, yes(*notices), ways())
    assert states(outbox) == dict(
        zip(names, ("refused", "deferred", "refused", "sent"), strict=True)
    )
    notes = [e.last_note for e in done.tried]
    assert notes[0] == "550 5.1.1 no such user"
    assert "\x1b" not in notes[2]
    again = send(outbox, notices, plain, yes(*notices), ways())
    assert [e.mail for e in again.tried] == ["later@b.example"]
    assert handler.receivers == ["ok@d.example"]


def test_a_connection_that_breaks_before_the_end_is_tried_again(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    notices = [notice("drop@a.example"), notice("ok@b.example")]
    send(outbox, notices, plain, yes(*notices), ways())
    assert states(outbox) == {"drop@a.example": "deferred", "ok@b.example": "sent"}
    send(outbox, notices, plain, yes(*notices), ways())
    assert states(outbox) == {"drop@a.example": "sent", "ok@b.example": "sent"}
    assert sorted(handler.receivers) == ["drop@a.example", "ok@b.example"]


def test_a_lost_answer_is_uncertain_and_only_a_person_sends_it_again(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    one = notice("vanish@a.example")
    send(outbox, [one], plain, yes(one), ways())
    assert states(outbox) == {"vanish@a.example": "uncertain"}
    assert send(outbox, [one], plain, yes(one), ways()).skipped == 1
    assert handler.receivers == ["vanish@a.example"]
    send(outbox, [one], plain, yes(one), ways(resend_uncertain=True))
    assert len(handler.taken) == 2


@pytest.mark.parametrize("last", [b".\r\n", b"data"])
def test_a_run_that_is_cut_off_goes_on_without_sending_twice(
    outbox: Outbox, plain: Mail, handler: Handler, monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    """The process ends right before the last dot, or before the text: the next run knows which."""
    notices = [notice(f"{n}@isp.example") for n in "abc"]
    true, seen = _smtp.smtplib.SMTP.send, [0]

    def cut(self: Any, data: Any) -> None:
        here = data == last if last == b".\r\n" else isinstance(data, bytes) and len(data) > 900
        seen[0] += here
        if here and seen[0] == 2:
            raise KeyboardInterrupt
        true(self, data)

    monkeypatch.setattr("smtplib.SMTP.send", cut)
    with pytest.raises(KeyboardInterrupt):
        send(outbox, notices, plain, yes(*notices), ways())
    monkeypatch.setattr("smtplib.SMTP.send", true)
    send(outbox, notices, plain, yes(*notices), ways())
    middle = "uncertain" if last == b".\r\n" else "sent"
    assert states(outbox) == {
        "a@isp.example": "sent", "b@isp.example": middle, "c@isp.example": "sent",
    }  # fmt: skip
    assert len(handler.receivers) == len(set(handler.receivers))


def test_a_server_that_is_not_there_loses_nothing(outbox: Outbox, plain: Mail) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = notice("a@isp.example")
    done = send(outbox, [one], replace(plain, port=port), yes(one), ways())
    assert "cannot be reached" in done.problem
    assert "nothing is lost" in done.hint
    assert done.tried == ()
    assert send(outbox, [one], plain, yes(one), ways()).count("sent") == 1


def test_without_a_server_in_the_settings_nothing_begins(outbox: Outbox) -> None:
    one = notice("a@isp.example")
    with pytest.raises(ConfigError, match="no mail server"):
        send(outbox, [one], Mail(sender=SENDER.mail, organisation="x"), yes(one), ways())
    assert outbox.entries() == []


def test_a_key_that_cannot_be_used_holds_one_message_and_no_other(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    notices = [notice("a@isp.example", key="A" * 40), notice("b@isp.example")]
    for _ in range(2):
        send(outbox, notices, plain, yes(*notices), ways())
    assert states(outbox) == {"a@isp.example": "held", "b@isp.example": "sent"}
    assert handler.receivers == ["b@isp.example"]
    assert "no keyring" in outbox.entries()[0].last_note
    assert outbox.entries()[0].state == "held"


def test_a_message_that_was_held_goes_on_when_its_key_can_be_used(
    outbox: Outbox, plain: Mail, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = notice("a@isp.example", key="A" * 40)
    assert mailing.prepare(outbox, [one], START)[0].state == "held"
    monkeypatch.setattr(mailing, "seal", lambda notice, *_: notice.mail)
    assert mailing.prepare(outbox, [one], START)[0].state == "prepared"
    assert send(outbox, [one], plain, yes(one), ways()).count("sent") == 1
    assert outbox.entries()[0].state == "sent"


def test_two_processes_do_not_send_from_one_folder(outbox: Outbox, plain: Mail) -> None:
    one = notice("a@isp.example")
    with outbox.alone(), Outbox(outbox.folder) as other, pytest.raises(StateError, match="another"):
        send(other, [one], plain, yes(one), ways())


class Reporting(SMTP):
    """A server that offers delivery reports, which aiosmtpd itself does not know."""

    asked: ClassVar[list[str]] = []

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_MAIL(self.noted(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_RCPT(self.noted(arg))

    def noted(self, arg: str | None) -> str:
        address, _, options = str(arg).partition("> ")
        self.asked.append(options)
        return f"{address.rstrip('>')}>"


class Offering(Handler):
    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]


def test_a_server_that_can_report_delivery_is_asked_to(outbox: Outbox, plain: Mail) -> None:
    one, offering = notice("a@isp.example"), Offering()
    Reporting.asked.clear()
    with server(offering, kind=Reporting) as port:
        done = send(outbox, [one], replace(plain, port=port), yes(one), ways())
    assert done.count("sent") == 1
    assert Reporting.asked == ["RET=HDRS", "NOTIFY=SUCCESS,FAILURE,DELAY"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself: (certificate, key)."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        ).sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "c.pem", folder / "k.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return paths


@pytest.fixture(scope="module")
def context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    return made


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_travels_encrypted_and_logs_in(
    outbox: Outbox, plain: Mail, handler: Handler, context: ssl.SSLContext,
    certificate: tuple[Path, Path], tls: str, tmp_path: Path,
) -> None:  # fmt: skip
    asked: list[tuple[bytes, bytes]] = []

    def check(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        asked.append((data.login, data.password))
        return AuthResult(success=data.password == b"open sesame", handled=False)

    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    options: dict[str, Any] = {"authenticator": check, "auth_required": True}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        options |= {"auth_require_tls": False}  # the whole connection is TLS already
    one = notice("a@isp.example")
    with server(handler, context if tls == "tls" else None, **options) as port:
        mail = replace(
            plain, port=port, tls=tls, ca_file=certificate[0], user="me", password_file=secret
        )
        assert send(outbox, [one], mail, yes(one), ways()).problem == ""
        secret.write_text("wrong\n")
        two = notice("b@isp.example")
        assert "refuses the login" in send(outbox, [two], mail, yes(two), ways()).problem
    assert asked[0] == (b"me", b"open sesame")
    assert handler.receivers == ["a@isp.example"]


def test_a_certificate_that_nobody_vouches_for_stops_the_run(
    outbox: Outbox, plain: Mail, handler: Handler, context: ssl.SSLContext
) -> None:
    one = notice("a@isp.example")
    with server(handler, tls_context=context) as port:
        done = send(outbox, [one], replace(plain, port=port, tls="starttls"), yes(one), ways())
    assert "cannot be trusted" in done.problem
    assert handler.tried == []


def test_a_server_without_tls_gets_nothing_in_clear(
    outbox: Outbox, plain: Mail, handler: Handler
) -> None:
    one = notice("a@isp.example")
    done = send(outbox, [one], replace(plain, tls="starttls"), yes(one), ways())
    assert "no encryption" in done.problem
    assert handler.tried == []


def test_the_settings_refuse_mail_in_clear_and_half_a_login() -> None:
    with pytest.raises(ConfigError, match="in clear"):
        Mail(host="mx.example", tls="none")
    with pytest.raises(ConfigError, match="without password_file"):
        Mail(host="mx.example", user="me")
    with pytest.raises(ConfigError, match="tls is"):
        Mail(tls="maybe")


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"a\n.b\r\n..c\rd", b"a\r\n..b\r\n...c\r\nd\r\n"),
        (b".\r\nMAIL FROM:<x@y>\r\n", b"..\r\nMAIL FROM:<x@y>\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_no_line_can_end_a_message_early(data: bytes, sent: bytes) -> None:
    assert _smtp._stuffed(data) == sent


def test_a_full_disk_is_told_and_the_message_is_not_called_sent(
    outbox: Outbox, plain: Mail, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, true = notice("a@isp.example"), Outbox.record

    def full(self: Outbox, step: Step) -> None:
        if step.state == "sending":
            raise StateError("the ledger cannot be written: database or disk is full")
        true(self, step)

    monkeypatch.setattr(Outbox, "record", full)
    with pytest.raises(StateError, match="disk is full"):
        send(outbox, [one], plain, yes(one), ways())
    assert handler.taken == []
    monkeypatch.setattr(Outbox, "record", true)
    send(outbox, [one], plain, yes(one), ways())
    assert handler.receivers == ["a@isp.example"]


def test_a_disk_that_fills_up_in_the_ledger_is_one_error_and_nothing_half_done(
    outbox: Outbox,
) -> None:
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    many = [notice(f"a{n}@isp.example") for n in range(30)]
    with pytest.raises(StateError, match="ledger cannot be used: database or disk is full"):
        mailing.prepare(outbox, many, START)
    outbox._db.execute("PRAGMA max_page_count = 100000")
    assert outbox.entries() == []
    assert len(mailing.prepare(outbox, many, START)) == 30


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="outbox cannot be used"):
        Outbox(tmp_path / "file" / "out")


# Following up


@pytest.fixture
def told(outbox: Outbox, plain: Mail) -> Notice:
    """One notice that was sent on 2026-03-02."""
    one = notice("abuse@isp.example")
    send(outbox, [one], plain, yes(one), ways())
    return one


def test_answers_are_written_down_once(outbox: Outbox, told: Notice) -> None:
    mails = [f"In-Reply-To: {told.message_id}\n\ndone".encode(), b"Subject: buy\n\nnow"]
    for _ in range(2):
        replies = mailing.record_replies(outbox, mails, START)
    assert [r.state for r in replies if r.digest] == ["answered"]
    assert [s.state for s in outbox.entries()[0].steps].count("answered") == 1


def test_reminders_go_to_the_provider_then_help_is_asked_of_the_cert(
    outbox: Outbox, told: Notice, plain: Mail, handler: Handler
) -> None:
    kinds = []
    for day in (9, 16, 23, 60):
        later = START + timedelta(days=day)
        found = following.follow(outbox, later)
        written, notes = following.follow_up(outbox, found.due, SENDER, later)
        assert notes == []
        send(outbox, written, plain, yes(*written), Ways(lambda at=later: at))  # type: ignore[misc]
        kinds += [(n.occasion.kind, n.contact.mail) for n in written]
    assert kinds == [
        ("reminder", "abuse@isp.example"), ("reminder", "abuse@isp.example"),
        ("escalation", "info@jpcert.or.jp"),
    ]  # fmt: skip
    first = next(e for e in outbox.entries() if e.digest == told.digest)
    assert first.state == "escalated"
    assert all(
        email.message_from_bytes(data)["In-Reply-To"] == told.message_id
        for _, data in handler.taken[1:]
    )


def test_an_answer_to_a_reminder_counts_for_the_first_notice(
    outbox: Outbox, told: Notice, plain: Mail
) -> None:
    later = START + timedelta(days=9)
    (reminder,), _ = following.follow_up(outbox, following.follow(outbox, later).due, SENDER, later)
    send(outbox, [reminder], plain, yes(reminder), ways())
    answer = f"In-Reply-To: {reminder.message_id}\n\ndone".encode()
    mailing.record_replies(outbox, [answer], later)
    first = next(e for e in outbox.entries() if e.digest == told.digest)
    assert first.state == "answered"
    assert following.follow(outbox, later + timedelta(days=90)).due == ()


def test_addresses_not_seen_again_are_cleaned_with_the_doubt_said(
    outbox: Outbox, told: Notice
) -> None:
    now = START + timedelta(days=20)
    seen = [replace(told.events[0], time=START + timedelta(days=5))]
    found = following.follow(outbox, now, (), (seen, now))
    assert found.cleanups[told.digest].share == 0
    assert found.entries[0].state == "sent"
    found = following.follow(outbox, now, (), ([], now))
    assert found.entries[0].state == "cleaned"
    assert "not proof" in found.entries[0].last_note
    for _ in range(2):
        found = following.follow(outbox, now, (), (seen, now))
    assert found.entries[0].state == "returned"
    assert [s.state for s in found.entries[0].steps].count("returned") == 1


def test_where_nobody_can_be_asked_it_is_said(outbox: Outbox, told: Notice) -> None:
    later = START + timedelta(days=3)
    outbox.record(Step(told.digest, "bounced", later))
    found = following.follow(outbox, later, certs={})
    written, notes = following.follow_up(outbox, found.due, SENDER, later)
    assert written == []
    assert "no national CERT is listed for JP" in notes[0]


def test_addresses_are_forgotten_and_what_was_done_is_kept(outbox: Outbox, told: Notice) -> None:
    assert outbox.forget(START) == 0
    assert outbox.told_events() == {told.events[0].id}
    later = START + timedelta(days=100)
    assert outbox.forget(later) == 1
    assert outbox.forget(later) == 0
    outbox.close()
    kept = b"".join(p.read_bytes() for p in outbox.folder.rglob("*") if p.is_file())
    assert b"192.0.2.10" not in kept
    with Outbox(outbox.folder) as again:
        (entry,) = again.entries()
        assert (entry.state, entry.ips, again.told_events()) == ("sent", 1, frozenset())
        found = following.follow(again, later, (), ([], later))
        assert found.cleanups == {}
        written, notes = following.follow_up(again, found.due, SENDER, later)
        assert (written, "forgotten" in notes[0]) == ([], True)


# Planning


def planned(rows: list[str], contacts: list[str], find: Callable[..., Any] | None = None) -> Any:
    header = "time,ip,asn,seen,established,provider"
    told = read([header, *rows], Policy())
    book, _ = read_book(["match,mail,name,country", *contacts])
    directory = notifying.Directory(book)
    return notifying.plan(told, find or directory.of_event, SENDER, START, (2, "7", None))


def test_one_message_a_mailbox_and_the_others_are_listed() -> None:
    plan = planned(
        [
            "2026-03-01,192.0.2.1,64500,sinkhole,yes,", "2026-03-01,192.0.2.2,64500,sinkhole,yes,",
            "2026-03-01,198.51.100.1,64501,sinkhole,yes,", "2026-03-01,203.0.113.1,,sinkhole,yes,",
            "2026-03-01,203.0.113.2,64502,sinkhole,yes,", "2026-03-01,203.0.113.2,,dns,,",
        ],
        ["192.0.2.1/32,a@isp.example,One,", "AS64500,A@isp.example,Two,",
         "AS64501,b@net.example,Net,", "AS64502,,Silent,"],
    )  # fmt: skip
    assert [(n.provider, len(n.events)) for n in plan.notices] == [
        ("a@isp.example", 2), ("b@net.example", 1),
    ]  # fmt: skip
    assert {n.name: n.why for n in plan.no_contact} == {
        "203.0.113.1": "not in the contacts file, and look-ups are off",
        "Silent": "the contacts file says: nobody to tell",
    }
    assert len(plan.refused) == 1
    assert sorted(p for wave in plan.schedule.waves for p in wave) == [
        "a@isp.example", "b@net.example",
    ]  # fmt: skip
    assert [len(plan.of_wave(w).notices) for w in (1, 2)] == [1, 1]
    with pytest.raises(ConfigError, match="no wave 3"):
        plan.of_wave(3)


def test_the_registry_is_asked_and_the_country_s_entry_comes_last() -> None:
    book, _ = read_book(["match,mail,name,country", "country:JP,last@cert.example,x,JP"])
    answers = {
        "192.0.2.1": Contact(mail="abuse@isp.example", country="JP"),
        "192.0.2.2": Contact(mail="hostmaster@apnic.net", country="JP"),
        "192.0.2.3": Contact(country="JP", why="none"),
        "192.0.2.4": Contact(country="XX", why="none"),
        "AS64500": Contact(mail="as@isp.example"),
    }

    class Client:
        def lookup(self, text: str, _now: float) -> Any:
            return type("Found", (), {"contact": answers[text]})

    client: Any = Client()
    place = notifying.Directory(book, client)
    assert place.of("192.0.2.1").mail == "abuse@isp.example"
    assert place.of("192.0.2.2", 64500).mail == "as@isp.example"
    assert place.of("192.0.2.2").mail == "last@cert.example"
    assert place.of("192.0.2.3").mail == "last@cert.example"
    assert place.of("192.0.2.4").why == "none"


def test_nothing_to_tell_is_a_plan_as_well() -> None:
    plan = notifying.plan(Read(), lambda _: Contact(), SENDER, START)
    assert (plan.notices, plan.schedule) == ((), None)
