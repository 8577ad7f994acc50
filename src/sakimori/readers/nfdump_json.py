"""NetFlow and IPFIX as `nfdump -o json` (a pretty-printed array) and `-o ndjson` print it.

Known are the keys of nfdump 1.6 (`t_first`) and 1.7 (`first`). Records are flat, so that a line
that opens with a brace begins one; the engine then takes one record a line.
Trap: some 1.7 releases write the packets into ndjson's `in_bytes`; prefer csv or json there.
Source: nfdump(1); nfdump 1.7.1 run; output_json.c and output_ndjson.c of nfdump 1.7.

Two one-way flows become one row as in `nfdump_csv`, a block of 8 MiB at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers._columns import check_zone, clean, flat, sift
from sakimori.readers._contract import Options, Reject, Rows
from sakimori.readers._delimited import in_threads
from sakimori.readers._flows import conn_of
from sakimori.readers._source import Block
from sakimori.readers.nfdump_csv import checks_of, flows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Source

NAME = "nfdump-json"
TITLE = "NetFlow and IPFIX (nfdump -o json)"
WRITES = ("conn",)
GROWS = False  # an array has an end

_KEYS: dict[str, tuple[str, ...]] = {
    "ts": ("first", "t_first"),
    "te": ("last", "t_last"),
    "pr": ("proto",),
    "sa": ("src4_addr", "src6_addr"),
    "da": ("dst4_addr", "dst6_addr"),
    "sp": ("src_port",),
    "dp": ("dst_port",),
    "flg": ("tcp_flags",),
    "ipkt": ("in_packets",),
    "ibyt": ("in_bytes",),
    "opkt": ("out_packets",),
    "obyt": ("out_bytes",),
    "kind": ("icmp_type",),
    "code": ("icmp_code",),
}
_NUMBERS = ("kind", "code")
_START = re.compile(rb'\A\s*(\[\s*)?\{\s*"')
_BRACE, _NEWLINE, _SPACE = b"{"[0], b"\n"[0], b" "[0]
_INDENTS = (b"", b"  ", b"    ", b"\t")
_EDGES = "[], \t\r"
_ENGINE: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": "false"}
_NONE = "No matching flows"


@dataclass(frozen=True, slots=True)
class _Records:
    """One record a line (`texts`), the line each began at, and the block for its rejects."""

    texts: pa.Array
    lines: pa.Array


def recognises(source: Source) -> bool:
    """Whether the head is JSON with nfdump's names of times and addresses."""
    head = source.head.removeprefix(b"\xef\xbb\xbf")
    return bool(
        _START.match(head)
        and re.search(rb'"(t_)?first"\s*:', head)
        and re.search(rb'"src[46]_addr"\s*:', head)
        and b'"in_packets"' in head
    )


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read flows as conn rows; `uid` is `file:line` of a record's first line.

    Times are in `options.timezone`. Raises SourceError for a line longer than 64 MiB.
    """
    check_zone(options.timezone, source.name)

    def parse(block: Block) -> Parsed:
        return _parse(block, source.name, options.timezone)

    yield from in_threads(_whole(source.blocks()), parse, options.threads)


def _whole(blocks: Iterable[Block]) -> Iterator[Block]:
    """Give blocks that end where a record ends; a block without one is given as it is."""
    held: Block | None = None
    for block in map(clean, blocks):
        if held is None:
            held = block
            continue
        cut_at = max(held.data.rfind(b"\n" + pad + b"{") for pad in _INDENTS) + 1
        cut_at = cut_at or len(held.data)
        yield Block(held.data[:cut_at], held.line, held.start)
        line = held.line + held.data.count(b"\n", 0, cut_at)
        held = Block(held.data[cut_at:] + block.data, line, held.start + cut_at)
    if held:
        yield held


def _records(block: Block) -> _Records:
    """Return the block's records, each joined to one line."""
    data = np.frombuffer(re.sub(rb"\n[ \t]+", b"\n", b"\n" + block.data), dtype=np.uint8).copy()
    breaks = np.flatnonzero(data == _NEWLINE)
    follow = data[np.minimum(breaks + 1, len(data) - 1)]
    begins = follow == _BRACE
    begins[:1] = True
    data[breaks[~begins]] = _SPACE
    lines = np.flatnonzero(begins) + block.line
    texts = pc.list_flatten(pc.split_pattern(pa.array([data[1:].tobytes().decode()]), "\n"))
    texts = pc.utf8_trim(texts, _EDGES)
    told = pc.and_(pc.not_equal(texts, ""), pc.not_equal(texts, _NONE))
    return _Records(texts.filter(told), pa.array(lines).filter(told))


def _parse(block: Block, name: str, zone: str) -> Parsed:
    records = _records(block)
    read, well = _columns(records.texts)
    out: Parsed = [
        Reject(line.as_py(), "this is no JSON object", text.as_py())
        for line, text in zip(
            records.lines.filter(pc.invert(well)),
            records.texts.filter(pc.invert(well)),
            strict=True,
        )
    ]
    lines = records.lines.filter(well)
    read = {key: column.filter(well) for key, column in read.items()}
    flows = flows_of(read | {"td": pa.nulls(len(lines), pa.string())}, zone)
    flows["src_port"] = pc.coalesce(read["kind"], flows["src_port"])
    flows["dst_port"] = pc.coalesce(read["code"], flows["dst_port"])
    good, rejects = sift(block, lines, checks_of(read, flows))
    if rejects:
        begun = dict(zip(records.lines.to_pylist(), records.texts.to_pylist(), strict=True))
        out += [replace(reject, text=begun[reject.line]) for reject in rejects]
    flows = {key: flat(column).filter(good) for key, column in flows.items()}
    lines = lines.filter(good)
    if len(lines):
        out.append(Rows("conn", conn_of(flows, lines, name)))
    return out


def _columns(texts: pa.Array) -> tuple[dict[str, pa.Array], pa.Array]:
    """Return each key's values as text or whole numbers, and which records are JSON objects."""
    keys = [(ours, theirs) for ours, names in _KEYS.items() for theirs in names]
    paths = ", ".join(f"'$.{theirs}'" for _, theirs in keys)
    with duckdb.connect(":memory:", config=_ENGINE) as engine:
        engine.register("records", pa.table({"nr": np.arange(len(texts)), "text": texts}))
        picked = ", ".join(
            f"coalesce({', '.join(_cell(ours, at) for at, (own, _) in enumerate(keys, 1) if own == ours)})"
            f' AS "{ours}"'
            for ours in _KEYS
        )
        found = engine.execute(
            f"""
            WITH valid AS (
                SELECT nr, CASE WHEN json_valid(text) AND json_type(text) = 'OBJECT'
                    THEN text END AS text FROM records
            ), cut AS (
                SELECT nr, text, json_extract_string(text, [{paths}]) AS cells FROM valid
            )
            SELECT text IS NOT NULL AS well, {picked} FROM cut ORDER BY nr
            """
        ).to_arrow_table()
    return {ours: flat(found[ours]) for ours in _KEYS}, flat(found["well"])


def _cell(ours: str, at: int) -> Any:
    return f"TRY_CAST(cells[{at}] AS BIGINT)" if ours in _NUMBERS else f"cells[{at}]"
