"""`notify`, `notices`, `contacts`: tell providers, follow up, and look up whom to tell."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, Lang, app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.app.mailing import Entry, Outbox, Sent
    from sakimori.app.notifying import Directory, Plan
    from sakimori.config import Settings
    from sakimori.takedown.notify.message import Notice

_COLUMNS = (
    "provider",
    "mail",
    "kind",
    "wave",
    "ips",
    "events",
    "tlp",
    "state",
    "note",
    "reference",
)
_STYLES = {"held": "yellow", "refused": "bold red", "bounced": "bold red", "uncertain": "yellow"}

Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder of the outbox and its ledger.")]
Send = Annotated[bool, typer.Option("--send", help="Send; without it nothing leaves.")]
Approver = Annotated[str, typer.Option("--approved-by", help="Who said yes to these messages.")]
Proposal = Annotated[
    str, typer.Option("--proposal", help="What was approved, as the dry run printed it.")
]
Resend = Annotated[
    bool, typer.Option("--resend-uncertain", help="Send again what may have arrived already.")
]


@app.command(
    epilog="Example: sakimori notify events.csv --contacts contacts.csv --out notices --lang ja"
)
def notify(  # noqa: PLR0913, PLR0917 - one parameter per option
    events: Annotated[Path, typer.Argument(help="CSV: time,ip,port,seen,established and more.")],
    folder: Folder,
    contacts: Annotated[
        Path | None, typer.Option(help="CSV: match,mail,name,key,lang,country.")
    ] = None,
    rdap: Annotated[
        bool, typer.Option("--rdap", help="Ask the registries where the file knows nobody.")
    ] = False,
    no_mail: Annotated[
        Path | None, typer.Option(help="Mailboxes and @domains never to write to, one a line.")
    ] = None,
    unconfirmed: Annotated[
        bool, typer.Option(help="Also tell of events without a completed handshake.")
    ] = False,
    only_new: Annotated[bool, typer.Option(help="Leave out events that were sent before.")] = False,
    waves: Annotated[int, typer.Option(min=0, help="Tell in this many waves, by lot.")] = 0,
    seed: Annotated[str, typer.Option(help="Of the lot; it is recorded.")] = "",
    wave: Annotated[int, typer.Option(min=0, help="Only this wave, from 1.")] = 0,
    send: Send = False,
    approved_by: Approver = "",
    proposal: Proposal = "",
    resend_uncertain: Resend = False,
    lang: In = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Write one notice per provider with all of its events; send them when approved."""
    from sakimori.app import mailing, notifying  # noqa: PLC0415 - slow to import
    from sakimori.takedown.notify.events import Policy  # noqa: PLC0415

    settings = _settings(config)
    sender = notifying.sender_of(settings.mail)
    read = notifying.events_from(events, Policy(unconfirmed=unconfirmed))
    with mailing.Outbox(folder) as outbox:
        if only_new:
            read = _without(read, outbox)
        with _directory(settings, contacts, no_mail, rdap=rdap) as place:
            order = (waves, seed, outbox.schedule() if waves else None)
            plan = notifying.plan(read, _finder(place, lang), sender, _now(), order)
        if plan.schedule:
            outbox.keep_schedule(plan.schedule)
        plan = plan.of_wave(wave) if wave else plan
        lot = plan.schedule.wave_of if plan.schedule else lambda _: 0
        entries = mailing.prepare(
            outbox, plan.notices, _now(), keyring=settings.mail.keyring, wave_of=lot
        )
        yes = (approved_by, proposal or plan.proposal, resend_uncertain)
        sent = _sent(outbox, plan.notices, settings, yes) if send else None
        entries = [found for e in entries if (found := outbox.entry(e.digest))]
        _print(plan, entries, sent, form)
    _end(sent)


@contextmanager
def _directory(
    settings: Settings, contacts: Path | None, no_mail: Path | None, *, rdap: bool
) -> Iterator[Directory]:
    """Open the contacts; rows that cannot be used are told on stderr."""
    from sakimori.app import notifying  # noqa: PLC0415 - slow to import
    from sakimori.hostile import visible  # noqa: PLC0415

    book, rejects = notifying.book_from(contacts, no_mail)
    for reject in rejects:
        out.say(f"warning: {contacts}:{reject.line}: {visible(reject.reason)}; row not used")
    with notifying.directory(book, settings.rdap if rdap else None) as place:
        yield place


def _finder(place: Directory, lang: Lang | None) -> Any:
    """Return the search, with the language of every notice set where one was asked for."""
    if lang is None:
        return place.of_event
    return lambda event: replace(place.of_event(event), lang=lang.value)


def _without(read: Any, outbox: Outbox) -> Any:
    told = outbox.told_events()
    left = tuple(event for event in read.events if event.id not in told)
    out.say(f"{len(read.events) - len(left):,} events were sent before; {len(left):,} are new")
    return replace(read, events=left)


def _sent(
    outbox: Outbox, notices: Sequence[Notice], settings: Settings, yes: tuple[str, str, bool]
) -> Sent:
    from sakimori.app import mailing  # noqa: PLC0415 - slow to import
    from sakimori.takedown.notify.approval import Approval  # noqa: PLC0415

    by, proposal, again = yes
    approval = Approval(by, _now(), proposal)
    return mailing.send(
        outbox, notices, settings.mail, approval, mailing.Ways(_now, resend_uncertain=again)
    )


def _print(plan: Plan, entries: Sequence[Entry], sent: Sent | None, form: Format) -> None:
    from sakimori.app import notifying  # noqa: PLC0415 - slow to import

    if form is Format.json:
        out.print_json(notifying.as_object(plan, entries, sent, ()))
    else:
        _print_entries(entries, form)
    _tell(plan, sent)


def _print_entries(entries: Sequence[Entry], form: Format) -> None:
    rows = [
        {"provider": e.provider, "mail": e.mail, "kind": e.kind, "wave": e.wave or None,
         "ips": e.ips, "events": e.events, "tlp": e.tlp, "state": e.state, "note": e.last_note,
         "reference": e.reference}
        for e in entries
    ]  # fmt: skip
    if form is Format.table:
        out.print_table(rows, _COLUMNS, styles=_STYLES)
    else:
        out.print_rows(rows, form, _COLUMNS)


def _tell(plan: Plan, sent: Sent | None) -> None:
    """Say on stderr what the table does not show: who cannot be told, what was put aside."""
    from collections import Counter  # noqa: PLC0415

    from sakimori.hostile import visible  # noqa: PLC0415

    for none in plan.no_contact:
        shown = ", ".join(none.ips[:3]) + (" ..." if len(none.ips) > 3 else "")
        out.say(f"no contact: {visible(none.name)} ({shown}): {visible(none.why)}")
    for reason, count in Counter(r.reason for r in plan.refused).most_common():
        lines = [str(r.line) for r in plan.refused if r.reason == reason][:5]
        out.say(f"put aside: {count:,} rows: {visible(reason)} (lines {', '.join(lines)})")
    if plan.repeated:
        out.say(f"{plan.repeated:,} events were given more than once and count once")
    if sent is None:
        out.say(f"nothing was sent. To send: --send --approved-by NAME --proposal {plan.proposal}")


def _end(sent: Sent | None) -> None:
    """Say how sending went; an exit code that is not 0 when something did not leave."""
    from sakimori.errors import PartFailedError  # noqa: PLC0415

    if sent is None:
        return
    states = ("sent", "refused", "deferred", "uncertain", "held")
    told = ", ".join(f"{n} {state}" for state in states if (n := sent.count(state)))
    out.say(f"{told or 'nothing was sent'}; {sent.skipped} were done before")
    if sent.problem:
        raise PartFailedError(sent.problem, hint=sent.hint)
    if any(sent.count(state) for state in states[1:]):
        raise PartFailedError(
            "some messages did not leave, see their notes",
            hint="what was deferred is tried again when the same command runs again",
        )


@app.command(
    epilog="Example: sakimori notices --out notices --answers maildir --later new-events.csv"
)
def notices(  # noqa: PLR0913, PLR0917 - one parameter per option
    folder: Folder,
    answers: Annotated[
        list[Path] | None, typer.Option(help="Mail that came back: .eml or a folder of them.")
    ] = None,
    later: Annotated[
        Path | None, typer.Option(help="CSV of all events since, to see who has cleaned.")
    ] = None,
    until: Annotated[
        str, typer.Option(help="Until when was watched, ISO 8601; default: the last event.")
    ] = "",
    certs: Annotated[
        Path | None, typer.Option(help="CSV of national CERTs: country,name,mail,key,lang.")
    ] = None,
    remind: Annotated[
        bool, typer.Option(help="Write the reminders and escalations that are due.")
    ] = False,
    forget_days: Annotated[
        int, typer.Option(min=0, help="Delete the addresses of notices quiet for so long; 0: no.")
    ] = 0,
    send: Send = False,
    approved_by: Approver = "",
    proposal: Proposal = "",
    resend_uncertain: Resend = False,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Show what became of each notice, and remind those who have not answered."""
    from sakimori.app import following, mailing, notifying  # noqa: PLC0415 - slow to import

    settings = _settings(config)
    sent: Sent | None = None
    with mailing.Outbox(_existing(folder)) as outbox:
        replies = following.read_answers(outbox, answers or [], _now())
        seen = _watched(later, until) if later else None
        found = following.follow(outbox, _now(), replies, seen, following.certs_from(certs))
        notes: list[str] = []
        if remind:
            sender = notifying.sender_of(settings.mail)
            written, notes = following.follow_up(outbox, found.due, sender, _now())
            mailing.prepare(outbox, written, _now(), keyring=settings.mail.keyring)
            name = notifying.Plan(tuple(written)).proposal
            yes = (approved_by, proposal or name, resend_uncertain)
            sent = _sent(outbox, written, settings, yes) if send else None
            out.say(f"{len(written)} reminders and escalations, proposal {name}")
            found = replace(found, entries=tuple(outbox.entries()))
        if forget_days:
            count = outbox.forget(_now() - timedelta(days=forget_days))
            out.say(f"the addresses of {count:,} notices were deleted")
        _print_followed(found, notes, form)
    _end(sent)


def _existing(folder: Path) -> Path:
    from sakimori.errors import SourceError  # noqa: PLC0415

    if not (folder / "notices.sqlite").exists():
        raise SourceError("there are no notices here", where=str(folder),
                          hint="write some: sakimori notify EVENTS.csv --out DIR")  # fmt: skip
    return folder


def _watched(later: Path, until: str) -> Any:
    """Return the later events (all of them, also those not to be told) and the end of watching."""
    from sakimori.app import notifying  # noqa: PLC0415 - slow to import
    from sakimori.errors import ConfigError  # noqa: PLC0415
    from sakimori.takedown.notify.events import Policy, parse_time  # noqa: PLC0415

    read = notifying.events_from(later, Policy(unconfirmed=True, most="red", private=True))
    try:
        end = parse_time(until) if until else max((e.time for e in read.events), default=None)
    except ValueError as error:
        raise ConfigError(f"--until: {error}") from error
    if end is None:
        raise ConfigError("nothing was seen since: say until when was watched", hint="--until")
    if end > _now():
        raise ConfigError("nobody has watched until then: it is in the future", hint="--until")
    return read.events, end


def _print_followed(found: Any, notes: Sequence[str], form: Format) -> None:
    from sakimori.app import following  # noqa: PLC0415 - slow to import
    from sakimori.hostile import visible  # noqa: PLC0415
    from sakimori.takedown.notify.tracking import CAVEAT  # noqa: PLC0415

    if form is Format.json:
        out.print_json(following.as_object(found, notes))
    else:
        _print_entries(found.entries, form)
    for item in found.due:
        to = f" to {item.cert.name}" if item.cert else ""
        out.say(f"due: {item.kind}{to} for {visible(item.provider)} {visible(item.note)}".rstrip())
    for entry in found.entries:
        clean = found.cleanups.get(entry.digest)
        if clean:
            share = (
                "too early to say" if clean.share is None else f"{clean.share:.0%} not seen again"
            )
            out.say(f"{visible(entry.provider)}: {clean.told} addresses, {share}")
    if found.cleanups:
        out.say(f"note: {CAVEAT}")
    for note in notes:
        out.say(f"note: {visible(note, 400)}")
    if found.strangers:
        out.say(f"{found.strangers} mails belong to no notice")


@app.command(epilog="Example: sakimori contacts 192.0.2.1 AS64500 example.net --format json")
def contacts(
    words: Annotated[list[str], typer.Argument(metavar="IP|ASN|NAME...", help="Whose contact.")],
    cache: Annotated[Path | None, typer.Option(help="File that keeps answers.")] = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Look up the abuse contact of an address, AS number or domain by RDAP."""
    from sakimori.app import notifying  # noqa: PLC0415 - slow to import
    from sakimori.errors import PartFailedError  # noqa: PLC0415

    found = notifying.look_up(words, _settings(config).rdap, cache)
    rows = [
        {"asked": word, "mail": f.contact.mail, "name": f.contact.name,
         "country": f.contact.country, "source": f.contact.source, "first": f.first,
         "last": f.last, "age_days": round(f.age_days, 1), "why": f.contact.why}
        for word, f in found
    ]  # fmt: skip
    out.print_rows(rows, form, tuple(rows[0]))
    missing = [word for word, f in found if not f.contact.mail]
    if missing:
        raise PartFailedError(f"no contact for {', '.join(missing)}", hint="see the column why")


def _settings(config: Path | None) -> Settings:
    from sakimori.config import load  # noqa: PLC0415

    return load(config)


def _now() -> datetime:
    return datetime.now(UTC)
