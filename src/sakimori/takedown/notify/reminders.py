"""Who has not answered and is due for a reminder, and when the national CERT is asked to help."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError, SourceError
from sakimori.intel.contacts import Contact, mail_address
from sakimori.intel.rows import read_rows
from sakimori.takedown.notify.tracking import RANK, Step, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

# Teams whose address for reports is published by themselves; `source` is where. Check before use:
# a file of your own replaces every row.
CERTS: dict[str, Contact] = {
    "DE": Contact(mail="certbund@bsi.bund.de", name="CERT-Bund", country="DE",  # codespell:ignore
                  source="https://www.bsi.bund.de"),  # codespell:ignore
    "FR": Contact(mail="cert-fr@ssi.gouv.fr", name="CERT-FR", country="FR",
                  source="https://www.cert.ssi.gouv.fr"),
    "JP": Contact(mail="info@jpcert.or.jp", name="JPCERT/CC", lang="ja", country="JP",
                  source="https://www.jpcert.or.jp"),
    "NL": Contact(mail="cert@ncsc.nl", name="NCSC-NL", country="NL",
                  source="https://www.ncsc.nl"),
}  # fmt: skip


def read_certs(lines: Iterable[str], where: str = "") -> dict[str, Contact]:
    """Read a table of national CERTs: a CSV with country, name, mail and, if known, key and lang.

    Raises SourceError with the line of the first row that cannot be used: whom to ask for help is
    worth a look by hand.
    """
    found = {}
    for row in read_rows(lines, ("country", "name", "mail"), where):
        cell, here = row.cells, f"{where}:{row.line}"
        if row.problem:
            raise SourceError(row.problem, where=here)
        country = cell["country"].upper()
        if len(country) != 2 or not country.isalpha():
            raise SourceError("country is not two letters", where=here)
        try:
            mail = mail_address(cell["mail"])
        except ValueError as error:
            raise SourceError(str(error), where=here) from error
        found[country] = Contact(
            mail=mail, name=cell["name"], key=cell.get("key", ""), country=country,
            lang="ja" if cell.get("lang") == "ja" else "en", source=where,
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When to write again. Raises ConfigError for days that do not grow."""

    remind_days: tuple[int, ...] = (7, 14)  # after the first notice
    escalate_days: int = 21

    def __post_init__(self) -> None:
        days = (0, *self.remind_days, self.escalate_days)
        if any(a >= b for a, b in pairwise(days)):
            raise ConfigError(f"days {days[1:]} do not grow")


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that was sent, and what came of it."""

    digest: str
    provider: str
    country: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Due:
    """Something to write now. `note` says why nobody can be asked where `cert` is None."""

    digest: str
    provider: str
    kind: str  # reminder, escalation
    number: int  # of the reminder; for an escalation, how many there were
    first_told: datetime
    cert: Contact | None = None
    note: str = ""


def due(
    told: Iterable[Told], policy: Policy, now: datetime, certs: Mapping[str, Contact] = CERTS
) -> list[Due]:
    """Return what is due now, by provider. Who answered is left alone; what bounced is escalated.

    One step at a time: after a long pause a provider gets one reminder, not all that were missed.
    """
    found = (_due(one, policy, now, certs) for one in sorted(told, key=lambda t: t.provider))
    return [item for item in found if item]


def _due(told: Told, policy: Policy, now: datetime, certs: Mapping[str, Contact]) -> Due | None:
    sent = [s.at for s in told.steps if s.state == "sent"]
    state = state_of(told.steps)
    if not sent or RANK[state] >= RANK["escalated"]:
        return None
    days = (now - min(sent)).total_seconds() / 86_400
    reminders = sum(s.state == "reminded" for s in told.steps)
    if any(s.state == "bounced" for s in told.steps) or (
        reminders >= len(policy.remind_days) and days >= policy.escalate_days
    ):
        return _escalation(told, reminders, min(sent), certs)
    if reminders < len(policy.remind_days) and days >= policy.remind_days[reminders]:
        return Due(told.digest, told.provider, "reminder", reminders + 1, min(sent))
    return None


def _escalation(told: Told, reminders: int, first: datetime, certs: Mapping[str, Contact]) -> Due:
    cert = certs.get(told.country.upper())
    country = told.country or "an unknown country"
    note = "" if cert else f"no national CERT is listed for {country}: find one by hand"
    return Due(told.digest, told.provider, "escalation", reminders, first, cert, note)
