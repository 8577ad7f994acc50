"""BIND's query log: one line a question, with flags such as `+E(0)TK` (T: over TCP).

Lines of the view `sinkhole`, as `sakimori sinkhole config --server bind` names it, become hits of a
sinkhole; those of any other BIND become rows of `dns`. What was answered is not in this log: dnstap has
it. Times may be BIND's local ones ([import] timezone), `iso8601` or `iso8601-utc`; lines of other
categories in the same file give nothing.
Source: BIND 9.18 ARM, "logging" and its `queries` category; BIND 9.18.49 run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers._columns import check_zone
from sakimori.readers._delimited import in_threads
from sakimori.readers._querylog import SIGN, TABLES, Grammar, read_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "bind-query"
TITLE = "BIND query log"
WRITES = TABLES
GROWS = True

_TIME = (
    r"(?P<ts>[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:.]{8,15}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})?)"
)
_LEVELS = r"(?:queries: )?(?:info: )?client (?:@0x[0-9a-f]+ )?"
_WHOLE = (
    rf"^{_TIME} {_LEVELS}(?P<src>[0-9A-Fa-f.:]+)#(?P<sport>[0-9]{{1,5}})(?:/key \S+)? \([^ ]*\): "
    r"(?:view (?P<view>[^ ]+): )?query: (?P<name>[^ ]+) (?P<family>[A-Z0-9]+) (?P<qtype>[A-Z0-9-]+) "
    r"(?P<flags>[+-][^ ]*) \((?P<dst>[0-9A-Fa-f.:]+)\)(?: \[ECS [^ ]+\])?$"
)
_IS_ONE = rf"^[0-9][^ ]*(?: [0-9:.]+)? {_LEVELS}[^ ]+ .*: query: "
_OVER_TCP = r"^[+-](?:E\([0-9]+\)|S)*T"
_KNOWN = re.compile(_WHOLE.replace("(?P<", "(?P<x").encode(), re.MULTILINE)


def recognises(source: Source) -> bool:
    """Whether a line of the first 64 KiB is a question as BIND logs it."""
    return b": query: " in source.head and bool(_KNOWN.search(source.head.replace(b"\r\n", b"\n")))


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a query log. A question that cannot be cut is a reject."""
    check_zone(options.timezone, source.name)
    grammar = Grammar(_IS_ONE, _WHOLE, options.timezone, tcp=_OVER_TCP)
    # Questions about the server itself (version.bind) are of a view of BIND's own.
    whole_file = f": view {SIGN}: query: ".encode() in source.head

    def is_sinkhole(groups: dict[str, pa.Array]) -> pa.Array:
        return pc.or_(pc.equal(groups["view"], SIGN), pa.scalar(whole_file))

    def parse(block: Block) -> Parsed:
        return read_block(block, grammar, source.name, is_sinkhole)

    yield from in_threads(source.blocks(), parse, options.threads)
