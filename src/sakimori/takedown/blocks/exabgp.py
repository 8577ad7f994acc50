"""Lines for ExaBGP: blackhole routes, and FlowSpec rules that discard.

The lines are what a process of ExaBGP prints (`api`). ExaBGP sends FlowSpec only to neighbours whose
configuration has that family. The diff announces and withdraws. Sources: RFC 7999 (BLACKHOLE,
65535:666), RFC 8955 and 8956 (FlowSpec), ExaBGP 4 and 5 API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.blocks import _plain, _text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "exabgp"
TITLE = "ExaBGP lines: blackhole and FlowSpec"
SUPPORTS = ("address", "cidr")

_LINE = re.compile(
    r"announce (route [0-9a-f.:]+/[0-9]+ next-hop [0-9a-f.:sel]+ community \[65535:666\]"
    r"|flow route \{ match \{ destination [0-9a-f.:]+/[0-9/]+; \} then \{ discard; \} \})"
)

settle = _text.unchanged


def refuses(entry: BlockEntry, options: Options) -> str:
    """Refuse blackhole routes whose next hop is of the other IP version."""
    if options.next_hop == "self" or options.bgp == "flowspec":
        return ""
    if (":" in options.next_hop) != _plain.is_v6(entry):
        return f"next hop {options.next_hop} is of the other IP version"
    return ""


def full(entries: Sequence[BlockEntry], options: Options) -> str:
    """Return a line per route."""
    lines = [_text.header("#", NAME)]
    for entry in entries:
        lines += [f"announce {route}\n" for route in _routes(entry, options)]
    return "".join(lines)


def diff(before: str, after: str, _options: Options) -> str:
    """Return withdrawals, then announcements. Doing either twice is harmless."""
    _text.check(before, "#", NAME)
    old, new = _announced(before), _announced(after)
    gone = [f"withdraw {_route(line)}\n" for line in old if line not in new]
    come = [f"{line}\n" for line in new if line not in old]
    return "".join(gone + come)


def undo(after: str, before: str | None, options: Options) -> str:
    """Return what leads back: withdrawals, and announcements of what was there."""
    return diff(after, before or "", options)


def _routes(entry: BlockEntry, options: Options) -> Iterator[str]:
    value = entry.value
    prefix = value if "/" in value else f"{value}/{128 if _plain.is_v6(entry) else 32}"
    if options.bgp != "flowspec":
        yield f"route {prefix} next-hop {options.next_hop} community [65535:666]"
    if options.bgp != "blackhole":
        yield f"flow route {{ match {{ destination {prefix}; }} then {{ discard; }} }}"


def _announced(text: str) -> dict[str, None]:
    return dict.fromkeys(line for line in text.split("\n") if line and line[0] != "#")


def _route(line: str) -> str:
    """Return what a line announces. Raises SourceError when `full` did not write it."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise SourceError(f"{line[:60]!r} in the previous file is no announcement of ours")
    return found[1]
