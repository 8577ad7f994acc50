"""Shadowserver's daily reports as CSV: every published type, new types and new columns too.

Which type a report is of says what its addresses are accused of and how that is known; it follows
from the columns, and where types share them from the file's name, in which Shadowserver writes it
(`2026-01-31-event4_sinkhole_http-example-asn.csv`). Columns without a place in the table are kept as
JSON in `extra`; columns that the schema does not have, or no longer has, give a warning.
Source: shadowserver.org, network reporting; The-Shadowserver-Foundation/report_schema.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._abuse import as_extra, domain, meaning
from sakimori.readers._columns import (
    UTC_TIME,
    Check,
    addresses,
    after_header,
    by_value,
    clean,
    flat,
    sift,
    times,
    whole,
)
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import in_threads
from sakimori.readers._flows import protocol
from sakimori.readers._records import cut_records, whole_records
from sakimori.readers._shadowserver import ReportType, load_schema, looks_like, match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "shadowserver"
TITLE = "Shadowserver reports (CSV)"
WRITES = ("event",)
GROWS = False  # a report is finished when it is sent, and a record may be of several lines
MAY_BE_EMPTY = True  # a day without events is a header alone

_BLOCK = 512 * 1024  # less than usual: a row becomes many times as large in memory
_NAMES = ("http_host", "ssl_servername", "query", "domain", "request", "beacon_host", "website")
_URLS = ("http_url", "url", "payload_url", "leak_site_url", "source_url")
_FAMILIES = ("family", "infection", "ransomware")
_COUNTS = ("count", "number_of_connections")
_ESTABLISHED = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class _Layout:
    """`theirs` maps our columns to the file's, of which the first with a value counts.

    `texts` are all of the file's columns, in order.
    """

    texts: tuple[str, ...]
    delimiter: str
    theirs: Mapping[str, tuple[str, ...]]
    extra: tuple[str, ...]
    type: ReportType
    name: str


def recognises(source: Source) -> bool:
    """Whether the first line is a header of Shadowserver's."""
    header, _ = _header(source.head)
    return looks_like(header)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a report as event rows. Times are UTC, as Shadowserver writes them.

    Raises SourceError when `options.shadowserver_schema` is no schema, or there is no timestamp.
    """
    layout = _layout(source, options)
    by_time = layout.texts[:1] == layout.theirs.get("ts")

    def parse(block: Block) -> Parsed:
        return _parse(clean(block), layout, by_time=by_time)

    blocks = (block for found in source.blocks(_BLOCK) if (block := after_header(found)))
    yield from in_threads(whole_records(blocks, by_time=by_time), parse, options.threads)


def _header(head: bytes) -> tuple[tuple[str, ...], str]:
    """Return the column names of the first line, and the delimiter."""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    if b"\x00" in line:
        return (), ","
    text = line.decode("utf-8", errors="replace")
    delimiter = max(",;\t", key=text.count)
    try:
        rows = list(csv.reader([text], delimiter=delimiter))
    except csv.Error:
        return (), delimiter
    return tuple(cell.strip() for cell in rows[0]) if rows else (), delimiter


def _layout(source: Source, options: Options) -> _Layout:
    header, delimiter = _header(source.head)
    schema = load_schema(options.shadowserver_schema) if options.shadowserver_schema else None
    found = match(header, source.name, schema)
    for warning in found.warnings:
        if warning not in source.warnings:
            source.warnings.append(warning)
    texts = tuple(
        name if name and header.index(name) == at else f"{name or 'column'} ({at + 1})"
        for at, name in enumerate(header)
    ) or ("column (1)",)
    there = {name.lower(): name for name in reversed(texts)}
    theirs = _chosen(there, found.type.name)
    if "ts" not in theirs:
        raise SourceError(
            "the header has no timestamp",
            where=f"{source.name}:1",
            hint="a report of Shadowserver's begins with a line of column names",
        )
    used = {names[0] for names in theirs.values()}  # what a later one holds is kept in extra too
    extra = tuple(name for name in texts if name not in used)
    return _Layout(texts, delimiter, theirs, extra, found.type, source.name)


def _chosen(there: Mapping[str, str], report: str) -> dict[str, tuple[str, ...]]:
    """Return which of their columns fill each of ours."""
    subject = _subject(there, report)
    other = "src_" if subject == "dst_" else "dst_"
    wanted: dict[str, Sequence[str]] = {
        "ts": ("timestamp",),
        "uid": ("event_id",),
        "proto": ("protocol",),
        "severity": ("severity",),
        "name": _NAMES,
        "url": _URLS,
        "family": _FAMILIES,
        "count": _COUNTS,
        "dst_ip": (f"{other}ip",),
        "dst_port": (f"{other}port",),
        "country": (f"{subject}geo",),
        "src_ip": (f"{subject}ip",),
        "src_port": (f"{subject}port",),
        "asn": (f"{subject}asn",),
        "hostname": (f"{subject}hostname",),
    }
    found = {
        ours: tuple(there[name] for name in names if name in there)
        for ours, names in wanted.items()
    }
    return {ours: names for ours, names in found.items() if names}


def _subject(there: Mapping[str, str], report: str) -> str:
    """Return what the columns about the address concerned begin with."""
    if report == "event4_honeypot_ddos_target" and "dst_ip" in there:
        return "dst_"
    if "ip" in there:  # in spam_url the sender is src_ip, the page's host is ip
        return ""
    return next((p for p in ("src_", "http_referer_", "dst_") if f"{p}ip" in there), "")


def _parse(block: Block, layout: _Layout, *, by_time: bool) -> Parsed:
    cut = cut_records(block, layout.texts, layout.delimiter, by_time=by_time)
    out: Parsed = [*cut.rejects]
    if not len(cut.lines):
        return out
    read = {name: flat(cut.table[name]) for name in layout.texts}
    values = _values(read, layout)
    good, rejects = sift(block, cut.lines, values.checks)
    out += [reject for reject in rejects if not _is_header(reject, layout)]
    extra = {name: read[name] for name in layout.extra} | values.lost
    lines, ours = cut.lines, values.ours
    if not pc.all(good).as_py():
        lines = lines.filter(good)
        ours = {name: flat(column).filter(good) for name, column in ours.items()}
        extra = {name: column.filter(good) for name, column in extra.items()}
    if not len(lines):
        return out
    ours |= _constants(layout, ours, len(lines))
    ours["extra"] = as_extra(extra, len(lines))
    place = pc.binary_join_element_wise(layout.name, lines.cast(pa.string()), ":")
    ours["uid"] = pc.coalesce(ours["uid"], place) if "uid" in ours else place
    out.append(Rows("event", conform("event", ours, len(lines))))
    return out


def _is_header(reject: Reject, layout: _Layout) -> bool:
    """Whether a refused line is the header again, as in reports joined end to end."""
    header, _ = _header(reject.text.encode())
    return header == layout.texts


@dataclass(frozen=True, slots=True)
class _Values:
    """Our columns, what must hold of each row, and the texts that became nothing, by their name."""

    ours: dict[str, pa.Array]
    checks: list[Check]
    lost: dict[str, pa.Array]


def _values(read: Mapping[str, pa.Array], layout: _Layout) -> _Values:
    found = _Values({}, [], {})
    for name, theirs in layout.theirs.items():
        text = pc.coalesce(*(read[column] for column in theirs))
        value, noun = _value(name, text)
        found.ours[name] = value
        if noun:
            found.checks.append(Check(theirs[0], text, value, noun, name == "ts"))
        elif value.null_count > text.null_count:
            nothing = pa.scalar(None, pa.string())
            found.lost[theirs[0]] = pc.if_else(pc.is_null(value), text, nothing)
    return found


def _value(name: str, text: pa.Array) -> tuple[pa.Array, str]:
    """Return a column's values and, where a text may not be none, what it should be."""
    convert, noun = _KINDS.get(name, (flat, ""))
    return convert(text), noun


def _times(text: pa.Array) -> pa.Array:
    """Return times; those written the usual way, which is nearly all, at once."""
    try:
        return text.cast(pa.timestamp("us")).cast(UTC_TIME)
    except pa.ArrowInvalid:
        return times(text, "UTC")


def _numbers(text: pa.Array, most: int) -> pa.Array:
    try:
        number = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return whole(text, most)
    fits = pc.and_(pc.greater_equal(number, 0), pc.less_equal(number, most))
    return pc.if_else(fits, number, pa.scalar(None, pa.int64()))


_KINDS: dict[str, tuple[Callable[[pa.Array], pa.Array], str]] = {
    "ts": (_times, "a time"),
    "src_ip": (addresses, "an IP address"),
    "dst_ip": (addresses, ""),
    "src_port": (lambda text: _numbers(text, 65535), "a port"),
    "dst_port": (lambda text: _numbers(text, 65535), "a port"),
    "count": (lambda text: _numbers(text, 10**18 - 1), ""),
    "asn": (lambda text: meaning("asn", text), ""),
    "country": (lambda text: meaning("country", text), ""),
    "proto": (lambda text: by_value(text, protocol, pa.string()), ""),
    "name": (domain, ""),
    "hostname": (domain, ""),
}


def _constants(layout: _Layout, ours: Mapping[str, pa.Array], length: int) -> dict[str, pa.Array]:
    """Return what the type of report says of every row."""
    kind = layout.type
    if kind.established == "tcp" and "proto" in ours:
        yes = pa.scalar(True, pa.bool_())
        established = pc.if_else(pc.equal(ours["proto"], "tcp"), yes, pa.scalar(None, pa.bool_()))
    else:
        established = pa.repeat(pa.scalar(_ESTABLISHED.get(kind.established), pa.bool_()), length)
    texts = {
        "category": kind.category,
        "how": kind.how,
        "feed": "shadowserver",
        "report": kind.name,
        "reference": kind.reference,
    }
    return {
        "established": established,
        **{name: pa.repeat(pa.scalar(text, pa.string()), length) for name, text in texts.items()},
    }
