"""A case's victims: who called the sinkhole or stands in abuse reports, told to their providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.app import mailing, notifying
from sakimori.app.case_sinkhole import names_of
from sakimori.errors import RefusedError
from sakimori.takedown.notify.approval import Approval
from sakimori.takedown.notify.events import Policy, Read, VictimEvent, admit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sakimori.app.cases import Case
    from sakimori.app.mailing import Entry, Sent
    from sakimori.config import Mail
    from sakimori.intel.contacts import Contact

# One event per address, name, port and day: a provider needs the day's first call, not each.
_SINKHOLE = """
SELECT min(ts) AS ts, src_ip, arg_min(src_port, ts) AS src_port, name, dst_port, proto,
       bool_or(established) AS established
FROM sinkhole WHERE service <> 'dns' AND src_ip IS NOT NULL
GROUP BY src_ip, name, dst_port, proto, date_trunc('day', ts) ORDER BY ts, src_ip
"""
_EVENT = """
SELECT min(ts) AS ts, src_ip, arg_min(src_port, ts) AS src_port, name, dst_ip, dst_port, proto, asn,
       family, how, bool_or(established) AS established
FROM event WHERE category = 'bot' AND src_ip IS NOT NULL
GROUP BY src_ip, name, dst_ip, dst_port, proto, asn, family, how, date_trunc('day', ts)
ORDER BY ts, src_ip
"""
_SEEN = {"sinkhole": "sinkhole", "c2-log": "cnc_log", "crawler": "crawler", "honeypot": "honeypot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How victims are told. `find` names the contact of an event; `waves` 0: all at once."""

    find: Callable[[VictimEvent], Contact]
    mail: Mail
    waves: int = 0
    seed: str = ""
    wave: int = 0
    more: Read = field(default_factory=Read)
    families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it: the notices, the proposal that stands for exactly these, what was sent."""

    plan: notifying.Plan
    entries: tuple[Entry, ...]
    proposal: int
    sent: Sent | None = None


def events_of(case: Case, families: Sequence[str] = ()) -> Read:
    """Return the victims in the lake: completed calls to the case's sinkhole, and abuse reports.

    Sinkhole hits count when they ask for a name of the case, or for none (a bare port). Reports
    count when their family is among `families`, or all of them where none is named.
    """
    return admit(
        [*_from_sinkhole(case), *_from_reports(case, {f.lower() for f in families})], Policy()
    )


def _from_sinkhole(case: Case) -> Iterable[VictimEvent]:
    names = names_of(case)
    for row in case.ws.sql(_SINKHOLE).to_pylist():
        if row["name"] and not _of_case(row["name"], names):
            continue
        yield VictimEvent(
            time=row["ts"], ip=row["src_ip"], port=row["src_port"], seen="sinkhole",
            established=row["established"], proto=row["proto"] or "tcp", botnet=case.name,
            controller=row["name"] or "", controller_port=row["dst_port"], evidence=case.name,
            tlp=case.record.tlp.lower(),
        )  # fmt: skip


def _of_case(name: str, names: Sequence[str]) -> bool:
    return any(name == known or name.endswith(f".{known}") for known in names)


def _from_reports(case: Case, families: set[str]) -> Iterable[VictimEvent]:
    for row in case.ws.sql(_EVENT).to_pylist():
        if families and str(row["family"] or "").lower() not in families:
            continue
        yield VictimEvent(
            time=row["ts"], ip=row["src_ip"], port=row["src_port"],
            seen=_SEEN.get(row["how"] or "", "report"), established=row["established"],
            asn=row["asn"], proto=row["proto"] or "tcp", botnet=case.name,
            family=row["family"] or "", controller=row["name"] or row["dst_ip"] or "",
            controller_port=row["dst_port"], evidence=case.name, tlp=case.record.tlp.lower(),
        )  # fmt: skip


def notify(case: Case, telling: Telling, *, send: bool = False) -> Told:
    """Write one notice per provider into the case's outbox and propose them; send when approved.

    Raises RefusedError when `send` is asked for and exactly these notices are not approved.
    """
    case.check_open()
    own = events_of(case, telling.families)
    read = Read((*own.events, *telling.more.events), (*own.refused, *telling.more.refused))
    now = datetime.now(UTC)
    with mailing.Outbox(case.folder / "notices") as outbox:
        order = (telling.waves, telling.seed, outbox.schedule() if telling.waves else None)
        plan = notifying.plan(read, telling.find, notifying.sender_of(telling.mail), now, order)
        if plan.schedule:
            outbox.keep_schedule(plan.schedule)
        plan = plan.of_wave(telling.wave) if telling.wave else plan
        lot = plan.schedule.wave_of if plan.schedule else _no_wave
        entries = mailing.prepare(
            outbox, plan.notices, now, keyring=telling.mail.keyring, wave_of=lot
        )
        number = _proposed(case, plan)
        sent = _send(case, plan, outbox, telling.mail) if send else None
        ended = [outbox.entry(e.digest) or e for e in entries]
    if sent is not None:
        _record(case, number, sent)
    return Told(plan, tuple(ended), number, sent)


def _no_wave(_provider: str) -> int:
    return 0


def _proposed(case: Case, plan: notifying.Plan) -> int:
    """Return the id of the proposal that stands for exactly these notices."""
    what = {"notices": len(plan.notices), "proposal": plan.proposal}
    made = case.propose([("notify", what)], "tell the providers of victims") if plan.notices else []
    if made:
        return made[0].id
    same = [s.proposal.id for s in case.proposals()
            if s.proposal.what.get("proposal") == plan.proposal]  # fmt: skip
    return same[-1] if same else 0


def _send(case: Case, plan: notifying.Plan, outbox: Any, mail: Mail) -> Sent:
    ready = [s for s in case.ready("notify") if s.proposal.what.get("proposal") == plan.proposal]
    if not ready:
        raise RefusedError(
            "exactly these notices are not approved", hint=f"sakimori case proposals {case.name}"
        )
    shown = ready[-1]
    yes = Approval(
        ", ".join(shown.standing.by), datetime.now(UTC), plan.proposal, shown.proposal.expires
    )
    ways = mailing.Ways(now=lambda: datetime.now(UTC))
    return mailing.send(outbox, plan.notices, mail, yes, ways)


def _record(case: Case, number: int, sent: Sent) -> None:
    """Record each message with what became of it; the bytes that left are kept as objects."""
    for entry in sent.tried:
        path = case.folder / "notices" / "outbox" / f"{entry.reference}.eml"
        case.evidence.record(
            "message",
            {"reference": entry.reference, "to": entry.mail, "provider": entry.provider,
             "state": entry.state, "note": entry.last_note, "ips": entry.ips,
             "events": entry.events, "proposal": number},
            [path] if path.is_file() else (),
        )  # fmt: skip
    if number and not sent.problem:
        case.done([number])
