"""How large a botnet is, from a sinkhole's hits: for `size`, and for a case."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.app._hits_csv import Read, read_hits
from sakimori.app.telling import Block, Told
from sakimori.i18n import Translator
from sakimori.takedown.size import DEFINITIONS, Sizing, size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sakimori.takedown.size import Note

QUANTITIES = ("footprint", "daily_active", "peak_at_once")
QUANTITY_WORDS = {
    "footprint": "footprint", "daily_active": "daily active", "peak_at_once": "peak at once",
}  # fmt: skip
REASON_WORDS = {
    "unreadable": "rows without a readable time or address",
    "resolver": "DNS questions: they come from resolvers, not from bots",
    "no_handshake": "connections without a completed handshake",
    "scanner": "calls of scanners and researchers",
}


@dataclass(frozen=True, slots=True)
class Sized:
    """A size, and what was read for it."""

    sizing: Sizing
    read: Read


def size_files(
    first: Path,
    second: Path | None = None,
    *,
    established: Sequence[str] = (),
    scanners: Sequence[str] = (),
    seed: int = 0,
) -> Sized:
    """Read one or two sinkholes' hits and return the size of the botnet behind them.

    Raises SourceError where a file cannot be read or nothing in it counts.
    """
    files = [first] if second is None else [first, second]
    read = read_hits(files, established, scanners)
    other = read.hits[1] if second is not None else None
    return Sized(size(read.hits[0], other, seed), read)


def as_object(sized: Sized) -> dict[str, Any]:
    """Return the JSON object that `schemas/size.schema.json` describes."""
    sizing = sized.sizing
    low, high = sizing.daily_range
    return {
        "schema": "1",
        **{name: asdict(getattr(sizing, name)) for name in QUANTITIES},
        "daily_range": {"low": low, "high": high},
        "definitions": dict(DEFINITIONS),
        "window": {"first": _time(sizing.first), "last": _time(sizing.last)},
        "counted": {
            "rows": sized.read.rows,
            "hits": sizing.hits,
            "addresses": sizing.addresses,
            "identifiers": sizing.identifiers,
        },
        "excluded": dict(sized.read.excluded),
        "per_asn": [asdict(row) for row in sizing.per_asn],
        "warnings": [*(str(note) for note in sizing.notes), *_unreadable(sized.read)],
    }


def rows(sized: Sized) -> list[dict[str, Any]]:
    """Return a row for each quantity."""
    return [
        {"quantity": name, **asdict(getattr(sized.sizing, name)), "definition": DEFINITIONS[name]}
        for name in QUANTITIES
    ]


def _unreadable(read: Read) -> list[str]:
    return [f"{where}: {reason}: left out" for where, reason in read.unreadable]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def tell(sized: Sized, lang: str) -> Told:
    """Return a size as blocks to print."""
    say = Translator(lang)
    blocks = (_three(sized, say), _definitions(say), _churn(sized, say), _left_out(sized, say))
    return Told(tuple(block for block in blocks if block.rows or block.lines))


def _three(sized: Sized, say: Translator) -> Block:
    sizing = sized.sizing
    columns = tuple(say.tr(t) for t in ("quantity", "estimate", "95 % interval", "method"))
    given = []
    for name in QUANTITIES:
        part = getattr(sizing, name)
        span = f"{part.low:,} - {part.high:,}" + (say.tr(" or more") if part.lower_bound else "")
        given.append(
            (say.tr(QUANTITY_WORDS[name]), f"{part.estimate:,}", span, say.tr(part.method))
        )
    return Block(
        title=say.tr("How many bots"),
        columns=columns,
        rows=tuple(dict(zip(columns, row, strict=True)) for row in given),
        lines=(
            say.tr("from {hits} calls of {addresses} addresses and {identifiers} identifiers, {first} - {last}",
                   hits=sizing.hits, addresses=sizing.addresses, identifiers=sizing.identifiers,
                   first=_time(sizing.first), last=_time(sizing.last)),
        ),
    )  # fmt: skip


def _definitions(say: Translator) -> Block:
    lines = [f"{say.tr(QUANTITY_WORDS[name])}: {say.tr(DEFINITIONS[name])}" for name in QUANTITIES]
    return Block(lines=tuple(lines))


def _churn(sized: Sized, say: Translator) -> Block:
    columns = tuple(
        say.tr(t) for t in ("ASN", "calls", "addresses", "a day", "shared", "an address stays (h)")
    )
    return Block(
        title=say.tr("Addresses by provider"),
        columns=columns,
        rows=tuple(
            dict(zip(columns, (
                row.asn, row.hits, row.addresses, round(row.daily_addresses), row.shared_addresses,
                say.tr("longer than the window") if row.lease_hours is None else row.lease_hours,
            ), strict=True))
            for row in sized.sizing.per_asn[:15]
        ),
    )  # fmt: skip


def _left_out(sized: Sized, say: Translator) -> Block:
    lines = [
        say.tr("left out: {count} {reason}", count=count, reason=say.tr(REASON_WORDS[reason]))
        for reason, count in sized.read.excluded.items()
        if count
    ]
    lines += [_unread(where, reason, say) for where, reason in sized.read.unreadable]
    lines += [say.tr("Warning: {warning}", warning=_said(n, say)) for n in sized.sizing.notes]
    return Block(lines=tuple(lines))


def _unread(where: str, reason: str, say: Translator) -> str:
    return say.tr("such as {where}: {reason}", where=where, reason=reason)


def _said(note: Note, say: Translator) -> str:
    return say.tr(note.message, **note.values)
