"""When a proposal may become a deed: authority for all it touches, enough approvals, not expired.

Nothing here acts. `app` asks `standing` before it carries anything out, and refuses otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sakimori.takedown.known import plain_form

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sakimori.state import Approval, Authority, Proposal

AUTHORITIES = ("own-network", "agreement", "court-order")
NEEDS_AUTHORITY = ("block", "sinkhole", "request")  # telling victims needs none of its own
ALL = "*"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a proposal stands. `state`: proposed, approved, done, undone, rejected or expired.

    `missing`: how many more people must approve; `lacking`: values without authority.
    """

    state: str
    by: tuple[str, ...]
    missing: int
    lacking: tuple[str, ...]

    @property
    def may_act(self) -> bool:
        """Whether it may be carried out (again)."""
        return self.state in ("approved", "done") and not self.lacking


def standing(
    proposal: Proposal,
    approvals: Sequence[Approval],
    authorities: Sequence[Authority],
    needed: int,
    now: datetime,
) -> Standing:
    """Return where a proposal stands at a time. One person's approvals count once."""
    people = {person(a.by): a.by for a in approvals if a.proposal == proposal.id}
    missing = max(0, needed - len(people))
    lacking: tuple[str, ...] = ()
    if proposal.kind in NEEDS_AUTHORITY:
        lacking = tuple(v for v in touched(proposal) if covering(v, authorities, now) is None)
    state = proposal.state
    if state in ("proposed", "done") and proposal.expires is not None and proposal.expires <= now:
        state = "expired"
    elif state == "proposed" and not missing:
        state = "approved"
    return Standing(state, tuple(people.values()), missing, lacking)


def person(name: str) -> str:
    """Return a name as it is compared: one person with other capitals is not two."""
    return " ".join(name.split()).casefold()


def touched(proposal: Proposal) -> list[str]:
    """Return the values that an act touches."""
    entries = proposal.what.get("entries") or ()
    return [str(entry["value"]) for entry in entries] + [
        str(name) for name in proposal.what.get("names") or ()
    ]


def covering(value: str, authorities: Sequence[Authority], now: datetime) -> Authority | None:
    """Return the first authority in force that covers a value, or None."""
    for authority in authorities:
        if authority.expires is not None and authority.expires <= now:
            continue
        if any(covers(scope, value) for scope in authority.covers):
            return authority
    return None


def covers(scope: str, value: str) -> bool:
    """Whether a scope covers a value: itself, names below a name, addresses of a CIDR, "*" all.

    A URL is covered through its host. Names are compared in lower case without a final dot.
    """
    scope, value = plain_form(scope), plain_form(value)
    if "://" in value and scope != value:
        value = plain_form(urlsplit(value).hostname or "")
    if scope in (ALL, value):
        return True
    try:
        return ip_address(value) in ip_network(scope, strict=False)
    except ValueError:
        return bool(scope) and value.endswith(f".{scope}")
