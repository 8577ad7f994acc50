"""What became of a notice: from prepared to cleaned, by what servers and people answered."""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from email import policy
from email.message import Message
from typing import TYPE_CHECKING

from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

# By how far a notice has come. Until a server takes it, its state is what happened last; afterwards
# it is the furthest, so the order in which reports and answers arrive does not matter.
STATES = (
    "prepared",  # written, nobody has approved it
    "held",  # must not leave as it is: its key cannot be used
    "approved",  # a person said yes
    "deferred",  # the server said "not now"; it is tried again
    "uncertain",  # the connection broke before the server's yes or no; not sent again by itself
    "refused",  # the server said no
    "sent",  # a server took it
    "delayed",  # a server still tries
    "delivered",  # a server put it into the mailbox
    "acknowledged",  # a machine answered, which is no answer
    "reminded",
    "bounced",  # it did not arrive
    "escalated",  # the national CERT was asked to help
    "answered",  # a person answered
    "cleaned",  # its addresses are not seen any more, see `Cleanup`
    "returned",  # called cleaned, and then seen again
)
RANK = {state: rank for rank, state in enumerate(STATES)}
_REFERENCE = re.compile(r"SAKIMORI-([0-9A-F]{12})\b")
_ID = re.compile(r"<[^<>\s]{3,250}>")
_MOST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a notice."""

    digest: str
    state: str  # one of STATES
    at: datetime
    note: str = ""


def state_of(steps: Sequence[Step]) -> str:
    """Return the state after these steps, in the order they were written; "prepared" for none."""
    watched = [s.state for s in steps if s.state in ("cleaned", "returned")]
    if watched:
        return watched[-1]
    gone = [s.state for s in steps if RANK[s.state] >= RANK["sent"]]
    if gone:
        return max(gone, key=RANK.__getitem__)
    return steps[-1].state if steps else "prepared"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail that came back says. `digest` "" : it belongs to no notice of ours."""

    digest: str
    state: str  # delivered, delayed, bounced, acknowledged or answered
    note: str = ""


def read_reply(raw: bytes, digests: Mapping[str, str]) -> Reply:
    """Read a mail from the mailbox of answers: a report of a server (RFC 3464) or an answer.

    `digests`: Message-ID to digest of every notice sent. The content is not kept, only what it
    says of delivery. Anything can be read; a mail of nobody's gives a Reply without digest.
    """
    mail = email.message_from_bytes(raw[:_MOST_BYTES], policy=policy.compat32)
    reports = [part for part in mail.walk() if part.get_content_type() == "message/delivery-status"]
    digest = _digest(mail, digests)
    if reports:
        state, note = _delivery(reports[0])
        return Reply(digest, state, note)
    automatic = str(mail.get("Auto-Submitted", "no")).split(";")[0].strip().lower() != "no"
    return Reply(digest, "acknowledged" if automatic else "answered")


def _digest(mail: Message, digests: Mapping[str, str]) -> str:
    """Find the notice: by the Message-IDs it refers to or carries, else by the reference."""
    texts = list(_texts(mail))
    for found in (m for text in texts for m in _ID.findall(text)):
        if found in digests:
            return digests[found]
    short = {digest[:12].upper(): digest for digest in digests.values()}
    for mark in (m for text in texts for m in _REFERENCE.findall(text)):
        if mark in short:
            return short[mark]
    return ""


def _texts(mail: Message) -> Iterator[str]:
    """Give the places that name a notice: headers, returned headers, plain text."""
    for name in ("In-Reply-To", "References", "Subject", "X-Sakimori-Reference"):
        yield str(mail.get(name, ""))
    for part in mail.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers", "text/plain"):
            yield _plain(part)


def _plain(part: Message) -> str:
    inner = part.get_payload()
    if isinstance(inner, list):  # message/rfc822: the notice comes back
        first = inner[0] if inner else None
        return str(first.get("Message-ID", "")) if isinstance(first, Message) else ""
    data = part.get_payload(decode=True)
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else ""


_ACTIONS = {"failed": "bounced", "delayed": "delayed", "delivered": "delivered",
            "relayed": "delivered", "expanded": "delivered"}  # fmt: skip


def _delivery(report: Message) -> tuple[str, str]:
    """Return state and reason from the groups of a delivery status; the worst action counts."""
    groups = report.get_payload()
    found = [("bounced", "the report names no action")]
    for group in groups if isinstance(groups, list) else ():
        if not isinstance(group, Message):
            continue
        action = str(group.get("Action", "")).strip().lower()
        if action in _ACTIONS:
            code = visible(str(group.get("Status", "")).strip(), 20)
            why = visible(str(group.get("Diagnostic-Code", "")).strip(), 160)
            found.append((_ACTIONS[action], f"{code} {why}".strip()))
    return max(found[1:] or found, key=lambda f: RANK[f[0]])


@dataclass(frozen=True, slots=True)
class Cleanup:
    """How many of the told addresses fell silent. Not seen is not the same as clean."""

    told: int
    seen_again: int
    quiet_days: float  # from the telling to the last moment that was watched
    enough: bool  # watched long enough to say anything

    @property
    def share(self) -> float | None:
        """Share of the addresses not seen any more; None where nothing can be said."""
        if not self.enough or not self.told:
            return None
        return 1 - self.seen_again / self.told


# An address goes to another customer, a machine is off, a sensor fails: all look like a clean-up.
CAVEAT = "not seen any more is not proof of cleaning: addresses change hands and sensors fail"
LEAST_DAYS = 14.0


def cleanup(
    told: Iterable[str],
    later: Iterable[tuple[str, datetime]],
    told_at: datetime,
    watched_until: datetime,
) -> Cleanup:
    """Compare addresses that a provider was told of with what was seen afterwards.

    `later`: (address, time) of all later events of the same botnet from sensors that ran all
    through; those after `told_at` count. The first day is a grace: nobody cleans at once. Sources:
    Cetin et al. 2019 watched two weeks.
    """
    ips = frozenset(told)
    days = (watched_until - told_at).total_seconds() / 86_400
    again = {ip for ip, at in later if ip in ips and (at - told_at).total_seconds() > 86_400}
    return Cleanup(len(ips), len(again), max(0.0, days), days >= LEAST_DAYS)
