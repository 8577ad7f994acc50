"""Addresses nobody owns: what the make-believe network and its outside world are built from.

Inside is 10.0.0.0/8. Outside is never a routable address:
    192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24   documentation (RFC 5737): controllers, rare services
    198.18.0.0/15                                   benchmarks (RFC 2544): sites, content networks, mail servers
    240.0.0.0/4                                     reserved (RFC 1112): homes, peers, scanners and scanned.
                                                    The others hold 5 /16s only, and a peer-to-peer
                                                    network is known by how many it reaches
    224.0.0.0/4                                     multicast: discovery, which no router passes on
    127.0.0.0/8                                     loopback: in answers of block lists only
    2001:db8::/32                                   documentation (RFC 3849): in AAAA answers only
Names end in .example or .test (RFC 2606).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator

Column: TypeAlias = npt.NDArray[Any]

INSIDE = ("10.0.0.0/8",)
OUTSIDE = (
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "224.0.0.0/4",
    "127.0.0.0/8",
    "2001:db8::/32",
)
NAMES = (".example", ".test")
_DOCUMENTATION = (0xC0000200, 0xC6336400, 0xCB007100)
_BENCHMARK = 0xC6120000
_RESERVED = (0xF0000000, 0xFF000000)  # 255/8 is left out: the broadcast address lies there


def dotted(numbers: Column) -> Column:
    """Return IPv4 addresses as text."""
    texts = [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in numbers.tolist()]
    return texts_of(texts)


def texts_of(texts: list[str]) -> Column:
    """Return a column of text."""
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column


def documentation(rng: Generator) -> Column:
    """Return all usable documentation addresses, shuffled: 3 x 254."""
    numbers = [base + n for base in _DOCUMENTATION for n in range(1, 255)]
    return dotted(rng.permutation(np.array(numbers, dtype=np.int64)))


def benchmark(rng: Generator, count: int) -> Column:
    """Return `count` distinct addresses of the benchmark range (at most 100,000)."""
    numbers = rng.permutation(1 << 17)
    usable = numbers[(numbers % 256 > 0) & (numbers % 256 < 255)]
    return dotted(usable[:count].astype(np.int64) + _BENCHMARK)


def reserved(rng: Generator, count: int) -> Column:
    """Return `count` addresses anywhere in the reserved range; the odd one may repeat."""
    return dotted(rng.integers(*_RESERVED, count, dtype=np.int64))
