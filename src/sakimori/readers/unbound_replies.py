"""Unbound's log with `log-replies` (or `log-queries`): one line a question.

With the identity `sinkhole`, as `sakimori sinkhole config --server unbound` sets it, lines become hits of
a sinkhole, otherwise rows of `dns`. A file that has replies is read by these alone, as each question is
there too. The log has neither the caller's port nor, as a rule, parts of a second: as evidence for
providers that share addresses it does not do, dnstap does.
Source: unbound.conf(5); Unbound 1.17.1 run.
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

NAME = "unbound-replies"
TITLE = "Unbound query or reply log"
WRITES = TABLES
GROWS = True

_START = (
    r"^(?:\[(?P<epoch>[0-9]{9,10})\]|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)) (?P<ident>[A-Za-z0-9._-]+)\[[0-9]+:[0-9a-f]+\] "
)
_ASKED = r"(?P<src>[0-9A-Fa-f.:]+) (?P<name>[^ ]*\.) (?P<qtype>[A-Z0-9-]+) (?P<family>[A-Z0-9]+)"
_REPLIED = (
    _START + r"(?:info|reply): " + _ASKED
    + r" (?P<rcode>[A-Z0-9]+) [0-9]+\.[0-9]+ [01] [0-9]+(?: .*)?$"
)  # fmt: skip
_QUERIED = _START + r"(?:info|query): " + _ASKED + r"$"
_IS_REPLY = r"\] (?:info|reply): [0-9A-Fa-f.:]+ [^ ]*\. [A-Z0-9-]+ [A-Z0-9]+ [A-Z]"
_IS_QUERY = r"\] (?:info|query): [0-9A-Fa-f.:]+ [^ ]*\. [A-Z0-9-]+ [A-Z0-9]+\r?$"


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.replace(r"\r?$", "$").encode(), re.MULTILINE)


_REPLY, _QUERY = _compiled(_REPLIED), _compiled(_QUERIED)


def recognises(source: Source) -> bool:
    """Whether a line of the first 64 KiB is a reply or a question as Unbound logs it."""
    head = source.head.replace(b"\r\n", b"\n")
    return bool(_REPLY.search(head) or _QUERY.search(head))


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a log. Other messages of Unbound give nothing."""
    check_zone(options.timezone, source.name)
    replies = bool(_REPLY.search(source.head.replace(b"\r\n", b"\n")))
    grammar = Grammar(
        _IS_REPLY if replies else _IS_QUERY, _REPLIED if replies else _QUERIED, options.timezone
    )

    def is_sinkhole(groups: dict[str, pa.Array]) -> pa.Array:
        return pc.equal(groups["ident"], SIGN)

    def parse(block: Block) -> Parsed:
        return read_block(block, grammar, source.name, is_sinkhole)

    yield from in_threads(source.blocks(), parse, options.threads)
