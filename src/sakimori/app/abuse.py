"""Abuse events and passive DNS of a workspace: as tables for other parts, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError
from sakimori.tables import CATEGORIES, EVENT, PDNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from sakimori.app.workspace import Workspace

# What events can be counted by, and the columns that say it.
COUNTED_BY: dict[str, str] = {
    "category": "category",
    "how": "how",
    "family": "family",
    "asn": "asn",
    "country": "country",
    "feed": "feed",
    "report": "report",
    "day": "strftime(ts, '%Y-%m-%d')",
}
# What makes two rows the same event: the same in two reports that overlap counts once.
_SAME = tuple(c.name for c in EVENT.stored if c.name not in ("uid", "source_id"))


def events(
    ws: Workspace,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    categories: Sequence[str] = (),
) -> pa.Table:
    """Return the abuse events (table `event` without what is derived), oldest first, each once.

    From `since`, up to but not including `until`; only these categories, where some are given.
    An event that two overlapping reports hold is one row. Raises ConfigError for an unknown
    category.
    """
    return ws.sql(f"{_once(since, until, categories)} ORDER BY ts, uid")


def counted(
    ws: Workspace,
    by: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    categories: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return events counted by one of COUNTED_BY, the most addresses first.

    Each row: `by` (null: not said), category, events (observations, as the source counts them),
    addresses (distinct), first, last. Categories are never added up: a resolver is no bot.
    Raises ConfigError when it cannot be counted so.
    """
    if by not in COUNTED_BY:
        raise ConfigError(
            f"events cannot be counted by {by!r}", hint=f"one of {', '.join(COUNTED_BY)}"
        )
    rows = ws.sql(
        f"SELECT {COUNTED_BY[by]} AS key, category, sum(coalesce(count, 1))::BIGINT AS events,"  # noqa: S608 - our own words
        " count(DISTINCT src_ip) AS addresses, min(ts) AS first, max(ts) AS last"
        f" FROM ({_once(since, until, categories)}) GROUP BY ALL"
        " ORDER BY addresses DESC, events DESC, key NULLS LAST, category"
    ).to_pylist()
    return [{by: row.pop("key"), **row} for row in rows]


def passive_dns(ws: Workspace) -> pa.Table:
    """Return the passive DNS records (table `pdns`), one row per name, type, data and origin.

    Records of several sources are joined: first and last seen are the widest, counts add up.
    """
    kept = ", ".join(c.name for c in PDNS.stored if c.name in ("name", "rrtype", "rdata", "origin"))
    return ws.sql(
        f"SELECT {kept}, min(coalesce(first_seen, ts)) AS first_seen, max(ts) AS last_seen,"  # noqa: S608 - our own words
        f" sum(count)::BIGINT AS count FROM pdns GROUP BY {kept} ORDER BY {kept}"
    )


def _once(since: datetime | None, until: datetime | None, categories: Sequence[str]) -> str:
    """Return the SQL of events without those that are the same in two reports."""
    for word in categories:
        if word not in CATEGORIES:
            raise ConfigError(
                f"no category is named {word!r}", hint=f"one of {', '.join(CATEGORIES)}"
            )
    where = [
        f"ts {sign} TIMESTAMPTZ '{time.isoformat()}'"
        for sign, time in ((">=", since), ("<", until))
        if time is not None
    ]
    if categories:
        where.append(f"category IN ({', '.join(repr(word) for word in categories)})")
    same = ", ".join(f'"{name}"' for name in _SAME)
    return (
        f"SELECT min(uid) AS uid, {same}, min(source_id) AS source_id FROM event"  # noqa: S608 - our own words
        f" WHERE {' AND '.join(where) or 'true'} GROUP BY {same}"
    )
