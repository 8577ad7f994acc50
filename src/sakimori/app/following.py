"""After the notices: who answered, who is due for a reminder, who has cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.app.mailing import record_replies
from sakimori.app.notifying import notice_object, opened
from sakimori.errors import SourceError
from sakimori.takedown.notify.group import Group
from sakimori.takedown.notify.message import Notice, Sender, compose
from sakimori.takedown.notify.reminders import CERTS, Due, Policy, Told, due, read_certs
from sakimori.takedown.notify.tracking import CAVEAT, Cleanup, Step, cleanup
from sakimori.takedown.notify.words import Occasion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.app._outbox import Entry, Outbox
    from sakimori.intel.contacts import Contact
    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.tracking import Reply

_LARGEST_MAIL = 20_000_000


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of all notices now."""

    entries: tuple[Entry, ...]
    due: tuple[Due, ...]
    cleanups: Mapping[str, Cleanup]  # by digest
    strangers: int = 0  # mails that belong to no notice


def follow(
    outbox: Outbox,
    now: datetime,
    replies: Sequence[Reply] = (),
    later: tuple[Sequence[VictimEvent], datetime] | None = None,
    certs: Mapping[str, Contact] = CERTS,
) -> Followed:
    """Return the state of every notice. `later`: all events seen since, and until when was watched.

    A provider whose addresses were not seen again, two weeks or more, is written down as cleaned.
    """
    cleanups = dict(_cleanups(outbox, later, now)) if later else {}
    entries = outbox.entries()
    told = [Told(e.digest, e.provider, e.country, e.steps) for e in entries if e.kind == "notice"]
    strangers = sum(not reply.digest for reply in replies)
    return Followed(tuple(entries), tuple(due(told, Policy(), now, certs)), cleanups, strangers)


def _cleanups(
    outbox: Outbox, later: tuple[Sequence[VictimEvent], datetime], now: datetime
) -> Iterator[tuple[str, Cleanup]]:
    events, until = later
    seen = [(event.ip, event.time) for event in events]
    for entry in outbox.entries():
        sent = [s.at for s in entry.steps if s.state == "sent"]
        told = outbox.told(entry.digest)
        if not sent or entry.kind != "notice" or told is None:
            continue
        ips = {event.ip for event in told[1]}
        found = cleanup(ips, seen, min(sent), until)
        if found.share == 1 and entry.state != "cleaned":
            note = f"none of {found.told} seen again in {found.quiet_days:.0f} days; {CAVEAT}"
            outbox.record(Step(entry.digest, "cleaned", now, note))
        if found.seen_again and entry.state == "cleaned":
            note = f"{found.seen_again} of {found.told} seen again"
            outbox.record(Step(entry.digest, "returned", now, note))
        yield entry.digest, found


def follow_up(
    outbox: Outbox, items: Iterable[Due], sender: Sender, now: datetime
) -> tuple[list[Notice], list[str]]:
    """Write the reminders and escalations that are due, with the events of the first notice.

    Returns them, and a line for each that cannot be written: no national CERT is listed, or its
    events were forgotten.
    """
    written: list[Notice] = []
    notes: list[str] = []
    for item in items:
        entry = outbox.entry(item.digest)
        told = outbox.told(item.digest)
        if told is None or entry is None:
            notes.append(f"{item.provider}: its events were forgotten; it cannot be reminded")
            continue
        contact, events = told
        receiver = contact if item.kind == "reminder" else item.cert
        if receiver is None:
            notes.append(f"{item.provider}: {item.note}")
            continue
        occasion = Occasion(
            item.kind, item.number, item.provider, item.first_told, entry.message_id
        )
        written.append(compose(Group(item.provider, events), receiver, sender, now, occasion))
    return written, notes


def read_answers(outbox: Outbox, paths: Iterable[Path], now: datetime) -> list[Reply]:
    """Read mails (.eml files, or folders of them such as a Maildir) that came back.

    Raises SourceError when a path cannot be read.
    """
    return record_replies(outbox, _mails(paths), now)


def _mails(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            try:
                with file.open("rb") as mail:
                    yield mail.read(_LARGEST_MAIL)
            except OSError as error:
                raise SourceError(error.strerror or "cannot be read", where=str(file)) from error


def certs_from(path: Path | None) -> dict[str, Contact]:
    """Read the table of national CERTs; without a file, the few that are built in."""
    if path is None:
        return CERTS
    with opened(path) as lines:
        return read_certs(lines, str(path))


def as_object(followed: Followed, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON of `notices --format json`; its schema is `schemas/notices.schema.json`."""
    return {
        "schema": "1",
        "notices": [
            {**notice_object(e), "cleanup": _cleanup_object(followed.cleanups.get(e.digest))}
            for e in followed.entries
        ],
        "due": [
            {"provider": d.provider, "kind": d.kind, "number": d.number,
             "to": d.cert.mail if d.cert else None, "note": d.note}
            for d in followed.due
        ],
        "strangers": followed.strangers,
        "caveat": CAVEAT,
        "notes": list(notes),
    }  # fmt: skip


def _cleanup_object(found: Cleanup | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "told": found.told,
        "seen_again": found.seen_again,
        "quiet_days": round(found.quiet_days, 2),
        "share": None if found.share is None else round(found.share, 4),
    }
