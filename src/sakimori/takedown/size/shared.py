"""Which addresses stand for more than one bot.

One bot keeps one pace. An address that calls far faster than its provider's others, or that goes on for
many leases of theirs, is a gateway (NAT, CGN, proxy). What it stands for is counted by its calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size.cells import runs, unique

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.cells import Cells
    from sakimori.takedown.size.model import Hits

    Numbers = NDArray[Any]

_BLOCKS = (1, 3, 6, 12, 24)  # h
_ENOUGH = 3.0  # calls in a block, so that two bots differ from one


def shared(cells: Cells) -> Numbers:
    """Return for each cell whether its address is shared, judged within its ASN."""
    starts, length = runs(cells.ip)
    asn = cells.asn[starts]
    hits = np.add.reduceat(cells.hits, starts) if len(starts) else np.zeros(0)
    block = _block(cells)
    blocks = _active_blocks(cells, block, len(starts))
    found = np.zeros(len(starts), bool)
    for number in unique(asn):
        mine = np.flatnonzero(asn == number)
        found[mine] = _fast(hits[mine], blocks[mine])
    return np.repeat(found, length)


def _fast(hits: Numbers, blocks: Numbers) -> Numbers:
    rate = hits / blocks
    usual = float(np.median(rate))
    below = usual - float(np.quantile(rate[blocks >= 3] if (blocks >= 3).any() else rate, 0.16))
    limit = usual + np.clip(4.0 * below, 0.6 * usual, 1.5 * usual)
    noise = np.sqrt(usual / np.maximum(blocks, 1))
    fast = (rate > limit) & (rate - usual > 4.0 * noise)
    return np.asarray(fast | (hits > 10.0 * np.quantile(hits, 0.9)))


def _block(cells: Cells) -> int:
    """Return how many hours to count together, so that a bot calls a few times in them."""
    for hours in _BLOCKS:
        key = cells.ip.astype(np.int64) * (2 * cells.hours) + cells.hour // hours
        starts, _ = runs(key)
        if np.median(np.add.reduceat(cells.hits, starts)) >= _ENOUGH:
            return hours
    return _BLOCKS[-2]


def _active_blocks(cells: Cells, block: int, size: int) -> Numbers:
    first = np.r_[True, cells.ip[1:] != cells.ip[:-1]]
    fresh = first | np.r_[True, (cells.hour[1:] // block) != (cells.hour[:-1] // block)]
    return np.bincount(np.cumsum(first) - 1, weights=fresh, minlength=size)


def marked(hits: Hits, cells: Cells) -> Numbers:
    """Return for each cell whether its address shows several clients (user agent, JA4) hour after hour."""
    given = hits.mark >= 0
    if not given.any():
        return np.zeros(len(cells.ip), bool)
    hour = (hits.time[given] // 3_600).astype(np.int64) - cells.first_hour
    kinds = int(hits.mark.max()) + 1
    at = hits.ip[given].astype(np.int64) * cells.hours + hour
    _, marks = runs(unique(at * kinds + hits.mark[given]) // kinds)
    address = unique(at) // cells.hours
    size = int(cells.ip.max()) + 1
    crowded = np.bincount(address, weights=marks > 1, minlength=size)
    active = np.bincount(address, minlength=size)
    several = (crowded >= 3) & (crowded > 0.2 * np.maximum(active, 1))
    return np.asarray(several[cells.ip])
