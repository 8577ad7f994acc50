"""From events to notices: find each provider's contact, write one message each, draw the order."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, SourceError
from sakimori.intel.contacts import Book, Contact, read_book
from sakimori.takedown.notify import events as telling
from sakimori.takedown.notify.approval import proposal_of
from sakimori.takedown.notify.group import Group, Schedule, group, randomise
from sakimori.takedown.notify.message import Notice, Sender, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.app.mailing import Entry, Sent
    from sakimori.config import Mail, Rdap
    from sakimori.intel.rdap import Client, Found
    from sakimori.takedown.notify.events import Refused, VictimEvent


@dataclass(frozen=True, slots=True)
class NoContact:
    """Addresses that nobody can be told of, and why. They are listed, never dropped."""

    name: str
    ips: tuple[str, ...]
    events: tuple[VictimEvent, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would be told, before anyone approved it."""

    notices: tuple[Notice, ...]
    no_contact: tuple[NoContact, ...] = ()
    refused: tuple[Refused, ...] = ()
    repeated: int = 0
    schedule: Schedule | None = None

    @property
    def proposal(self) -> str:
        """The name of exactly these messages, for the approval."""
        return proposal_of(n.digest for n in self.notices)

    def of_wave(self, wave: int) -> Plan:
        """Return the part of one wave. Raises ConfigError when there is no such wave."""
        if self.schedule is None or not 1 <= wave <= len(self.schedule.waves):
            raise ConfigError(f"there is no wave {wave}", hint="set --waves and --seed as before")
        inside = frozenset(self.schedule.waves[wave - 1])
        kept = tuple(n for n in self.notices if n.provider in inside)
        return Plan(kept, self.no_contact, self.refused, self.repeated, self.schedule)


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds whom to tell: the local file, then the registries, then the country's entry."""

    book: Book = field(default_factory=Book)
    client: Client | None = None
    now: float = 0.0  # Unix seconds, for the age of the cache

    def of_event(self, event: VictimEvent) -> Contact:
        """Return the contact for an event; without a mail, `why` says why."""
        return self.of(event.ip, event.asn, event.provider)

    def of(self, ip: str, asn: int | None = None, provider: str = "") -> Contact:
        """Return the contact for an address; its AS number is asked where the address says nothing."""
        known = self.book.find(ip, asn, provider)
        if known:
            return self.book.checked(known)
        if self.client is None:
            name = provider or (f"AS{asn}" if asn else ip)
            return Contact(name=name, why="not in the contacts file, and look-ups are off")
        asked = self.book.checked(self.client.lookup(ip, self.now).contact)
        if not asked.mail and asn is not None:
            other = self.book.checked(self.client.lookup(f"AS{asn}", self.now).contact)
            asked = other if other.mail else asked
        if not asked.mail and asked.country in self.book.countries:
            return self.book.checked(self.book.countries[asked.country])
        return asked


@contextmanager
def directory(book: Book, rdap: Rdap | None, cache: Path | None = None) -> Iterator[Directory]:
    """Open a directory; `rdap` None: the local file only. `cache` None: where the settings say."""
    now = time.time()
    if rdap is None:
        yield Directory(book, None, now)
        return
    from sakimori.intel._rdap_cache import Cache  # noqa: PLC0415 - only when asked for
    from sakimori.intel.rdap import Client, http_client  # noqa: PLC0415

    place = (cache or rdap.cache).expanduser()
    with Cache(place) as kept, http_client(rdap) as http:
        yield Directory(book, Client(rdap, kept, http), now)


def look_up(words: Iterable[str], rdap: Rdap, cache: Path | None = None) -> list[tuple[str, Found]]:
    """Look up addresses, AS numbers and names. Raises ConfigError for a word that is none."""
    from sakimori.intel.rdap import query_of  # noqa: PLC0415

    asked = list(words)
    for word in asked:
        query_of(word)
    with directory(Book(), rdap, cache) as place:
        assert place.client is not None  # noqa: S101 - rdap was given
        found = [(word, place.client.lookup(word, place.now)) for word in asked]
        return [(word, replace(f, contact=place.book.checked(f.contact))) for word, f in found]


def plan(
    read: telling.Read,
    find: Callable[[VictimEvent], Contact],
    sender: Sender,
    now: datetime,
    order: tuple[int, str, Schedule | None] = (0, "", None),
) -> Plan:
    """Write one notice per mailbox that can be told, and draw the order of telling.

    `order` is (waves, seed, what was drawn before); 0 waves: no order.
    A provider is asked for once per address. Events of nobody are grouped by why.
    """
    contacts: dict[str, Contact] = {}
    told: list[tuple[str, VictimEvent]] = []
    asked: dict[tuple[str, int | None, str], Contact] = {}
    for event in read.events:
        key = (event.ip, event.asn, event.provider)
        contact = asked[key] if key in asked else asked.setdefault(key, find(event))
        name = contact.provider if contact.mail else f"\0{contact.name}\0{contact.why}"
        contacts.setdefault(name, contact)
        told.append((name, event))
    groups = group(told)
    reachable = [g for g in groups if contacts[g.provider].mail]
    notices = tuple(compose(g, contacts[g.provider], sender, now) for g in reachable)
    sizes = {g.provider: len(g.ips) for g in reachable}
    waves, seed, before = order
    return Plan(
        notices=notices,
        no_contact=tuple(
            _nobody(g, contacts[g.provider]) for g in groups if not contacts[g.provider].mail
        ),
        refused=read.refused,
        repeated=sum(g.repeated for g in groups),
        schedule=randomise(sizes, waves, seed, sizes, before) if waves else None,
    )


def _nobody(group: Group, contact: Contact) -> NoContact:
    return NoContact(contact.name or "unknown", group.ips, group.events, contact.why)


def sender_of(mail: Mail) -> Sender:
    """Return who writes, from the settings. Raises ConfigError when that is not said."""
    return Sender(mail.sender, mail.organisation, mail.about)


def events_from(path: Path, policy: telling.Policy | None = None) -> telling.Read:
    """Read a CSV of events. Raises SourceError when it cannot be read."""
    with opened(path) as lines:
        return telling.read(lines, policy or telling.Policy(), str(path))


def book_from(path: Path | None, no_mail: Path | None = None) -> tuple[Book, list[Any]]:
    """Read the contacts file and the do-not-mail list, where given; returns what was refused too."""
    unwanted: list[str] = []
    if no_mail is not None:
        with opened(no_mail) as lines:
            unwanted = list(lines)
    if path is None:
        return read_book(["match,mail"], "", unwanted)
    with opened(path) as lines:
        return read_book(lines, str(path), unwanted)


@contextmanager
def opened(path: Path) -> Iterator[Iterable[str]]:
    """Open a text file of the user's, line by line. Raises SourceError when that cannot be done."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            yield file
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error


SCHEMA_VERSION = "1"


def as_object(plan: Plan, entries: Sequence[Entry], sent: Sent | None, notes: Sequence[str]) -> Any:
    """Return the JSON of `notify --format json`; its schema is `schemas/notify.schema.json`."""
    waves = plan.schedule
    return {
        "schema": SCHEMA_VERSION,
        "proposal": plan.proposal,
        "notices": [notice_object(e) for e in entries],
        "no_contact": [
            {"name": n.name, "ips": list(n.ips), "events": len(n.events), "why": n.why}
            for n in plan.no_contact
        ],
        "refused": [{"line": r.line, "reason": r.reason, "text": r.text} for r in plan.refused],
        "repeated": plan.repeated,
        "seed": waves.seed if waves else None,
        "waves": [list(w) for w in waves.waves] if waves else None,
        "sent": sent is not None,
        "problem": sent.problem if sent else "",
        "notes": list(notes),
    }


def notice_object(entry: Entry) -> dict[str, Any]:
    """Return one notice and what came of it."""
    return {
        "reference": entry.reference,
        "digest": entry.digest,
        "kind": entry.kind,
        "provider": entry.provider,
        "mail": entry.mail,
        "country": entry.country,
        "ips": entry.ips,
        "events": entry.events,
        "tlp": entry.tlp,
        "wave": entry.wave or None,
        "state": entry.state,
        "note": entry.last_note,
        "steps": [
            {"state": s.state, "at": s.at.isoformat().replace("+00:00", "Z"), "note": s.note}
            for s in entry.steps
        ],
    }
