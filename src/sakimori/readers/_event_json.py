"""JSON objects to event rows: which keys fill which column, and what is left as `extra`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._abuse import MEANINGS, domain, meaning
from sakimori.readers._columns import addresses, by_value, flat, times, whole
from sakimori.readers._contract import Reject, Rows, conform
from sakimori.readers._flows import protocol
from sakimori.readers._json_records import records
from sakimori.readers._jsonl import Cell, Lines, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sakimori.readers._source import Source

_PORTS = ("src_port", "dst_port")
_ADDRESSES = ("src_ip", "dst_ip")
_NOUNS = {"ts": "a time", "src_ip": "an IP address", "src_port": "a port", "dst_port": "a port"}
_NOTHING = pa.scalar(None, pa.string())


@dataclass(frozen=True, slots=True)
class Shape:
    """How a feed's objects become events.

    `cells` maps our columns to the JSON paths that may hold them. `taken` are the top-level keys
    that then need not be kept in `extra`: those that go over as they are. `then` is SQL over the
    view `cells`, which may give more rows than one for an object. `finish` may change the columns.
    """

    feed: str
    cells: Mapping[str, tuple[str, ...]]
    taken: tuple[str, ...] = ()
    then: str = "SELECT * FROM cells"
    finish: Callable[[dict[str, pa.Array], int], dict[str, pa.Array]] = field(
        default=lambda columns, _length: columns
    )


def keys(*names: str) -> tuple[str, ...]:
    """Return the JSON paths of dotted keys, each as one key and nested."""
    paths = []
    for name in names:
        paths.append(path_of(name))
        if "." in name:
            paths.append(path_of(*name.split(".")))
    return tuple(paths)


def read_events(source: Source, shape: Shape) -> Iterator[Rows | Reject]:
    """Read a stream of JSON objects as event rows; what cannot be one is a reject."""
    for lines, rejects in records(source):
        yield from rejects
        if not lines.table.num_rows:
            continue
        parts, refused = _jsonl.split(lines, ("$.__never__",), ("",))
        yield from refused
        if "" in parts:
            yield from rows_of(parts[""], shape, source.name)


def rows_of(lines: Lines, shape: Shape, name: str) -> Iterator[Rows | Reject]:
    """Return the events of lines that are JSON objects; `name` is the source's."""
    cells = {ours: Cell(paths) for ours, paths in shape.cells.items()}
    found = _jsonl.extract(lines, cells, f"SELECT * FROM ({shape.then}) ORDER BY number")
    read = {ours: flat(found[ours]) for ours in found.column_names}
    numbers = read.pop("number")
    columns = {ours: _value(ours, text) for ours, text in read.items()}
    bad = _bad(read, columns)
    yield from _refused(lines, numbers, bad)
    columns["extra"] = _extra(lines, numbers, shape.taken)
    columns["feed"] = pc.coalesce(
        columns.get("feed", pa.nulls(len(numbers), pa.string())), pa.scalar(shape.feed)
    )
    place = pc.binary_join_element_wise(name, numbers.cast(pa.string()), ":")
    columns["uid"] = pc.coalesce(columns["uid"], place) if "uid" in columns else place
    columns = shape.finish(columns, len(numbers))
    good = pc.is_null(bad)
    kept = {ours: flat(column).filter(good) for ours, column in columns.items()}
    length = len(kept["uid"])
    if length:
        yield Rows("event", conform("event", kept, length))


def _value(name: str, text: pa.Array) -> pa.Array:
    convert = _KINDS.get(name)
    if convert:
        return convert(text)
    return meaning(name, text) if name in MEANINGS else text


_KINDS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "ts": lambda text: times(text, "UTC"),
    "src_ip": addresses,
    "dst_ip": addresses,
    "src_port": lambda text: whole(text, 65535),
    "dst_port": lambda text: whole(text, 65535),
    "count": whole,
    "proto": lambda text: by_value(text, protocol, pa.string()),
    "name": domain,
    "hostname": domain,
}


def _bad(read: Mapping[str, pa.Array], columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return what is wrong with each row, or null."""
    found: Any = pa.nulls(len(read["ts"]), pa.string())
    for name, noun in _NOUNS.items():
        if name not in read:
            continue
        text, value = read[name], columns[name]
        shown = pc.utf8_slice_codeunits(text, 0, 40)
        reason = pc.binary_join_element_wise(f"{name} is '", shown, f"', not {noun}", "")
        wrong = pc.and_(pc.is_null(value), pc.is_valid(text))
        found = pc.coalesce(found, pc.if_else(wrong, reason, _NOTHING))
    missing = pc.if_else(pc.is_null(read["ts"]), pa.scalar("it has no time"), _NOTHING)
    return pc.coalesce(found, missing)


def _refused(lines: Lines, numbers: pa.Array, bad: pa.Array) -> Iterator[Reject]:
    for reason in pc.unique(bad).drop_null().to_pylist():
        where = numbers.filter(pc.equal(bad, reason))
        yield from lines.refused(pc.is_in(lines.table["number"], value_set=where), reason)


def _extra(lines: Lines, numbers: pa.Array, taken: tuple[str, ...]) -> pa.Array:
    """Return each row's object without the keys that went over as they are."""
    patch = json.dumps(dict.fromkeys(taken)).replace("'", "''")
    found = _jsonl.query(
        lines, f"SELECT number, json_merge_patch(line, '{patch}')::VARCHAR AS extra FROM lines"
    )
    at = pc.index_in(numbers, value_set=flat(found["number"]))
    extra = flat(found["extra"]).take(at)
    return pc.if_else(pc.equal(extra, "{}"), _NOTHING, extra)
