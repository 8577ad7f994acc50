"""Sending approved notices: each once, whatever breaks in between.

Nothing leaves without an approval of exactly these messages. What was taken is never sent again;
what was put off is tried in the next run; what is not known is left to a person.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.app import _smtp
from sakimori.app._outbox import Entry, Outbox
from sakimori.errors import ConfigError, RefusedError
from sakimori.takedown.notify import approval as approving
from sakimori.takedown.notify.crypto import seal
from sakimori.takedown.notify.message import POLICY
from sakimori.takedown.notify.tracking import Reply, Step, read_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.config import Mail
    from sakimori.takedown.notify.approval import Approval
    from sakimori.takedown.notify.message import Notice

__all__ = ["Entry", "Outbox", "Sent", "prepare", "record_replies", "send"]

_DONE = ("sent", "refused")  # as said by a server: never tried again


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run did. `problem`: why it ended early; what is left is tried in the next run."""

    tried: tuple[Entry, ...]  # in the order of sending, with what came of each
    skipped: int = 0  # done in an earlier run
    problem: str = ""
    hint: str = ""

    def count(self, state: str) -> int:
        """How many of the tried are in a state now."""
        return sum(entry.steps[-1].state == state for entry in self.tried if entry.steps)


@dataclass(frozen=True, slots=True)
class Ways:
    """How a run of sending goes."""

    now: Callable[[], datetime]
    resend_uncertain: bool = False  # a person looked and says: it did not arrive


def prepare(
    outbox: Outbox,
    notices: Sequence[Notice],
    now: datetime,
    *,
    keyring: Path | None = None,
    wave_of: Callable[[str], int] = lambda _: 0,
) -> list[Entry]:
    """Write notices to the outbox and try to seal those that have a key. Nothing is sent.

    Doing it again with the same notices changes nothing. Returns their entries in the same order.
    """
    with outbox.together():
        for notice in notices:
            outbox.put(notice, wave_of(notice.provider), notice.occasion.answers_to, now)
    for notice in notices:
        if notice.contact.key:
            _sealed(outbox, notice, keyring, now)
    found = {entry.digest: entry for entry in outbox.entries()}
    return [found[notice.digest] for notice in notices]


def _sealed(outbox: Outbox, notice: Notice, keyring: Path | None, now: datetime) -> bytes | None:
    """Return the bytes to send, or None when the message must be held; the ledger says why."""
    was_held = outbox.last_state(notice.digest) == "held"
    try:
        data = seal(notice, keyring, now).as_bytes(policy=POLICY)
    except RefusedError as error:
        if not was_held:
            outbox.record(Step(notice.digest, "held", now, f"{error}; {error.hint}"))
        return None
    if was_held:
        outbox.record(Step(notice.digest, "prepared", now, "its key can be used now"))
    return data


def send(
    outbox: Outbox,
    notices: Sequence[Notice],
    settings: Mail,
    approval: Approval | None,
    ways: Ways,
) -> Sent:
    """Send what was approved and is not done yet, one by one, and write down each end.

    `approval` must cover exactly `notices`. Raises RefusedError without one, StateError when
    another process is sending. A server that fails ends the run with `problem`; nothing is lost.
    """
    if not settings.host:
        raise ConfigError(
            "no mail server is set", hint="set host in section [mail] of the settings"
        )
    covered = approving.check(approval, (n.digest for n in notices), ways.now())
    with outbox.alone():
        prepare(outbox, notices, ways.now(), keyring=settings.keyring)
        _settle(outbox, ways.now())
        todo = [n for n in notices if _to_send(outbox, n.digest, ways)]
        _approved(outbox, todo, covered, ways.now())
        tried, error = _run(outbox, todo, settings, ways)
    entries = {entry.digest: entry for entry in outbox.entries()}
    return Sent(
        tuple(entries[digest] for digest in tried),
        len(notices) - len(todo),
        str(error) if error else "",
        error.hint if error else "",
    )


def _approved(outbox: Outbox, todo: Sequence[Notice], approval: Approval, now: datetime) -> None:
    """Write down who said yes to each message, and to which proposal, once."""
    note = f"{approval.by}, {approval.at.isoformat()}, proposal {approval.proposal[:16]}"
    with outbox.together():
        for notice in todo:
            if not outbox.has(notice.digest, ("approved",)):
                outbox.record(Step(notice.digest, "approved", now, note))


def _settle(outbox: Outbox, now: datetime) -> None:
    """What was being sent when an earlier run was cut off may have arrived: nobody knows."""
    for digest in outbox.broken_off():
        outbox.record(Step(digest, "uncertain", now, "an earlier run was cut off while sending"))


def _to_send(outbox: Outbox, digest: str, ways: Ways) -> bool:
    if outbox.has(digest, _DONE):
        return False
    return ways.resend_uncertain or not outbox.has(digest, ("uncertain",))


@dataclass
class _Line:
    """The connection, made when first needed and again after it broke."""

    settings: Mail
    smtp: smtplib.SMTP | None = field(default=None)

    def open(self) -> smtplib.SMTP:
        if self.smtp is None or self.smtp.sock is None:
            self.smtp = _smtp.connect(self.settings)
        return self.smtp

    def end(self) -> None:
        """Take leave of the server."""
        if self.smtp is not None and self.smtp.sock is not None:
            try:
                self.smtp.quit()
            except (smtplib.SMTPException, OSError):
                self.cut()

    def cut(self) -> None:
        """Hang up at once: in the middle of a message, words of leave would become its text."""
        if self.smtp is not None:
            self.smtp.close()


def _run(
    outbox: Outbox, todo: Sequence[Notice], settings: Mail, ways: Ways
) -> tuple[list[str], _smtp.ServerError | None]:
    line = _Line(settings)
    tried: list[str] = []
    try:
        for notice in todo:
            data = _sealed(outbox, notice, settings.keyring, ways.now())
            tried.append(notice.digest)
            if data is not None:
                _one(outbox, line.open(), notice, data, (settings, ways))
    except _smtp.ServerError as error:
        tried.pop()  # it was not begun
        return tried, error
    except BaseException:
        line.cut()
        raise
    line.end()
    return tried, None


def _one(
    outbox: Outbox, smtp: smtplib.SMTP, notice: Notice, data: bytes, by: tuple[Mail, Ways]
) -> None:
    settings, ways = by
    begin = Step(notice.digest, "sending", ways.now())
    outcome = _smtp.deliver(
        smtp, settings.sender, notice.contact.mail, data, lambda: outbox.record(begin)
    )
    outbox.record(Step(notice.digest, outcome.state, ways.now(), outcome.note))
    if outcome.state == "sent" and notice.occasion.kind != "notice":
        state = "reminded" if notice.occasion.kind == "reminder" else "escalated"
        first = _digest_of(outbox, notice.occasion.answers_to)
        if first:
            outbox.record(Step(first, state, ways.now(), f"{notice.reference}"))


def _digest_of(outbox: Outbox, message_id: str) -> str:
    return next((e.digest for e in outbox.entries() if e.message_id == message_id), "")


def record_replies(outbox: Outbox, mails: Iterable[bytes], now: datetime) -> list[Reply]:
    """Read mails from the mailbox of answers and write down what they say of our notices.

    An answer to a reminder counts for the first notice. The same mail read again changes nothing.
    Mails that belong to no notice are returned with an empty digest, and left alone.
    """
    entries = {entry.digest: entry for entry in outbox.entries()}
    by_id = {entry.message_id: entry.digest for entry in entries.values()}
    replies = [read_reply(raw, by_id) for raw in mails]
    known = {(s.digest, s.state, s.note) for e in entries.values() for s in e.steps}
    for reply in replies:
        for digest in _concerned(reply, entries, by_id):
            if (digest, reply.state, reply.note) not in known:
                outbox.record(Step(digest, reply.state, now, reply.note))
                known.add((digest, reply.state, reply.note))
    return replies


def _concerned(reply: Reply, entries: dict[str, Entry], by_id: dict[str, str]) -> list[str]:
    entry = entries.get(reply.digest)
    if entry is None:
        return []
    first = by_id.get(entry.first, "")
    answers = reply.state in ("acknowledged", "answered") and entry.kind == "reminder"
    return [reply.digest, first] if answers and first else [reply.digest]
