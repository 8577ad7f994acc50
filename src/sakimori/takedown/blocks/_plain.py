"""What the formats that are plain lists of addresses and names share."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry


def of_kind(entries: Iterable[BlockEntry], *kinds: str) -> list[BlockEntry]:
    """Return the entries of these kinds, in their order."""
    return [entry for entry in entries if entry.kind in kinds]


def is_v6(entry: BlockEntry) -> bool:
    """Whether an address or network is IPv6."""
    return ":" in entry.value


def span(value: str) -> tuple[int, int]:
    """Return the first and last address of a canonical address or network, as numbers."""
    text, _, length = value.partition("/")
    if ":" in text:
        first, bits = int(ipaddress.IPv6Address(text)), 128
    else:
        a, b, c, d = text.split(".")
        first, bits = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d), 32
    return first, first | (1 << (bits - int(length or bits))) - 1


def depths(entries: Sequence[BlockEntry]) -> list[tuple[int, int, int, BlockEntry]]:
    """Return (depth, first, last, entry) by address; depth counts the networks around an entry.

    All entries are of one IP version. Networks either nest or are apart, so entries of one depth
    never overlap.
    """
    spans = sorted((*_by_size(span(entry.value)), at) for at, entry in enumerate(entries))
    ends: list[int] = []
    found = []
    for first, minus_last, at in spans:
        while ends and ends[-1] < first:
            ends.pop()
        found.append((len(ends), first, -minus_last, entries[at]))
        ends.append(-minus_last)
    return found


def _by_size(both: tuple[int, int]) -> tuple[int, int]:
    return both[0], -both[1]


def uncovered_names(entries: Sequence[BlockEntry]) -> list[BlockEntry]:
    """Return the names that are not below another one of the list."""
    names = {entry.value for entry in entries}
    return [entry for entry in entries if not any(above in names for above in _above(entry.value))]


def _above(name: str) -> Iterable[str]:
    while name:
        name = name.partition(".")[2]
        yield name
