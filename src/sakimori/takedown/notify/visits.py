"""Counting who opened the page of their letter, as Japan's Cyber Clean Center did.

Kept per token: how often, first and last. Never an address or a browser: whoever reads the count
must not learn more than that the letter worked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.takedown.notify.tokens import SHAPE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# The combined log format of Apache and nginx: host ident user [time] "request" status ...
_LINE = re.compile(
    r'^\S+ \S+ .{0,100}?\[(?P<time>[^\]]{20,40})\] "(?P<method>[A-Z]{3,7}) (?P<path>\S{1,2000})'
    r'(?: HTTP/[0-9.]+)?" (?P<status>[0-9]{3}) '
)
_LAST_PART = re.compile(rf"/({SHAPE})/?(?:\?.*)?$")
_LONGEST = 16_384


@dataclass(frozen=True, slots=True)
class Visit:
    """How often one letter's page was opened."""

    token: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Visits:
    """What a log says. `issued` is the number of letters, when the list was given."""

    visits: tuple[Visit, ...]
    unknown: int  # page loads with a token that was never issued: guesses and mistakes
    unread: int  # lines that are no log lines
    issued: int | None = None

    @property
    def share(self) -> float | None:
        """Share of the letters whose page was opened at least once."""
        return len(self.visits) / self.issued if self.issued else None


def count(lines: Iterable[str], issued: Collection[str] | None = None) -> Visits:
    """Count page loads by token from an access log (combined format). Only answered GETs count.

    Counted anew from the whole log each time, so that nothing counts twice. With `issued`, other
    tokens only add to `unknown`.
    """
    known = frozenset(issued) if issued is not None else None
    seen: dict[str, list[datetime]] = {}
    unknown = unread = 0
    for line in lines:
        match = _LINE.match(line[:_LONGEST])
        at = _time(match["time"]) if match else None
        if match is None or at is None:
            unread += bool(line.strip())
            continue
        token = _token(match)
        if token and known is not None and token not in known:
            unknown += 1
        elif token:
            seen.setdefault(token, []).append(at)
    visits = tuple(
        Visit(token, len(times), min(times), max(times)) for token, times in sorted(seen.items())
    )
    return Visits(visits, unknown, unread, None if known is None else len(known))


def _token(match: re.Match[str]) -> str:
    """Return the token of a page that was shown, or ""."""
    if match["method"] != "GET" or match["status"] not in ("200", "304"):
        return ""
    found = _LAST_PART.search(match["path"])
    return found[1] if found else ""


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{4})")


def _time(text: str) -> datetime | None:
    """Read 01/Mar/2026:10:00:00 +0900 whatever the locale; None when it is no time."""
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    month = _MONTHS.index(match[2]) + 1
    try:
        at = datetime.fromisoformat(f"{match[3]}-{month:02}-{match[1]}T{match[4]}{match[5]}")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
