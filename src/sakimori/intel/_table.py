"""Indicators to rows of table `indicator`, column by column: defaults, validity, no doubles."""

from __future__ import annotations

from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.intel._fields import TLP
from sakimori.tables import INDICATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sakimori.intel._contract import Indicator, Options

VALID_DAYS: dict[str, int] = {
    # Hosting providers give an address to the next customer within weeks.
    "address": 30,
    "cidr": 30,
    # A page on a broken-into site is cleaned long before the site's name expires.
    "url": 30,
    # A name is rented for a year; controllers' names are seized or dropped well before its end.
    "name": 180,
    "mail": 180,
    # md5, sha1, sha256, ja3, ja4: the same content stays what it is, so they never expire.
}
_DAY = 86_400_000_000
_BATCH = 65_536
_TIME = pa.timestamp("us", "UTC")
_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("value", pa.string()),
        ("port", pa.int32()),
        ("source", pa.string()),
        ("family", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float64()),
        ("sinkhole", pa.bool_()),
        ("first_seen", _TIME),
        ("expires", _TIME),
        ("tlp", pa.string()),
        ("last_seen", _TIME),
    ]
)
_KEY = ["kind", "value", "port", "source"]
_SINKHOLE = r"(?i)sink[ _-]?hol(e|ing)"


def table_of(found: Iterable[Indicator], options: Options, now: datetime) -> pa.Table:
    """Return rows of table `indicator`, one per kind, value, port and source.

    Doubles become one row: earliest first_seen, latest expiry (never is later than any), highest
    confidence, strictest TLP, first family and label that are there, sinkhole if one says so.
    """
    raw = pa.Table.from_batches(_batches(iter(found)), schema=_SCHEMA)
    return _once(_filled(raw, options, now)).cast(INDICATOR.arrow())


def storable(text: str) -> str:
    """Return the text with lone surrogates (JSON can hold them) as "?"."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _batches(found: Iterator[Indicator]) -> Iterator[pa.RecordBatch]:
    cells = attrgetter(*_SCHEMA.names)
    while rows := list(map(cells, islice(found, _BATCH))):
        columns = zip(*rows, strict=True)
        arrays = [_array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def _array(column: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if column.count(None) == len(column):
        return pa.nulls(len(column), kind)
    try:
        return pa.array(column, kind)
    except UnicodeEncodeError:
        return pa.array([None if text is None else storable(text) for text in column], kind)


def _filled(raw: pa.Table, options: Options, now: datetime) -> pa.Table:
    """Put the user's word, and ours, where the source is silent."""
    columns = {name: raw[name] for name in raw.column_names}
    columns["source"] = pc.fill_null(raw["source"], options.source)
    if options.family is not None:
        columns["family"] = pc.fill_null(raw["family"], options.family)
    sure = 0.5 if options.confidence is None else options.confidence
    columns["confidence"] = pc.fill_null(raw["confidence"], sure)
    for told in ("label", "family"):
        says = pc.fill_null(pc.match_substring_regex(columns[told], _SINKHOLE), False)
        columns["sinkhole"] = pc.or_(columns["sinkhole"], says)
    columns["sinkhole"] = pc.or_(columns["sinkhole"], pa.scalar(options.sinkhole))
    columns["expires"] = _expires(raw, options, now)
    return pa.table({name: columns[name] for name in INDICATOR.types})


def _expires(raw: pa.Table, options: Options, now: datetime) -> pa.ChunkedArray:
    """Return the source's expiry, else days after it was last (or first) seen, else after `now`.

    A time to come counts as `now`: a wrong clock must not make an indicator live for ever.
    """
    moment = pa.scalar(now, _TIME)
    seen = pc.coalesce(raw["last_seen"], raw["first_seen"], moment).cast(pa.int64())
    base = pc.min_element_wise(seen, moment.cast(pa.int64()))
    days = VALID_DAYS if options.valid_days is None else {}
    wanted = pa.array(days.values(), pa.int64())
    lasts = (
        pc.take(wanted, pc.index_in(raw["kind"], value_set=pa.array(days)))
        if options.valid_days is None
        else pa.scalar(options.valid_days, pa.int64())
    )
    default = pc.add(base, pc.multiply(lasts, _DAY)).cast(_TIME)
    return pc.coalesce(raw["expires"], default)


def _once(rows: pa.Table) -> pa.Table:
    ranks = pc.index_in(rows["tlp"], value_set=pa.array(TLP))
    rows = rows.set_column(rows.column_names.index("tlp"), "tlp", ranks)
    only_null = pc.CountOptions(mode="only_null")
    found = rows.group_by(_KEY, use_threads=False).aggregate(
        [
            ("family", "first"),
            ("label", "first"),
            ("confidence", "max"),
            ("sinkhole", "any"),
            ("first_seen", "min"),
            ("expires", "max"),
            ("expires", "count", only_null),
            ("tlp", "max"),
        ]
    )
    never = pc.greater(found["expires_count"], 0)
    columns = {
        "family": found["family_first"],
        "label": found["label_first"],
        "confidence": found["confidence_max"],
        "sinkhole": found["sinkhole_any"],
        "first_seen": found["first_seen_min"],
        "expires": pc.if_else(never, pa.scalar(None, _TIME), found["expires_max"]),
        "tlp": pc.take(pa.array(TLP), found["tlp_max"]),
    } | {name: found[name] for name in _KEY}
    return pa.table({name: columns[name] for name in INDICATOR.types})
