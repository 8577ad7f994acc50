"""How often an address that called calls again so many hours later.

The curve holds what the counts alone do not: it starts at the chance that a bot on line calls in an hour,
falls as bots switch off and leases end, and rises again a day later only where bot and lease are still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sakimori.takedown.size.cells import Cells

    Numbers = NDArray[Any]

_DENSE = 36  # h, every lag up to here
_MOST = 150_000  # cells looked at; more are sampled by address
_ROOM = 40_000_000  # address hours that are laid out at once; beyond, they are searched


@dataclass(frozen=True, slots=True)
class Returns:
    """`share[i]` of calls have another one from the same address `lag[i]` hours later; `seen` starts.

    `smooth` averages lags (rows are what is compared with a model), for bots that call less than hourly.
    """

    lag: Numbers
    share: Numbers
    seen: Numbers
    smooth: Numbers


def returns(cells: Cells, seed: int = 0) -> Returns | None:
    """Return the curve of these addresses, up to three quarters of the window; None of too few calls."""
    sampled = _sample(cells, seed)
    last = int(cells.hours * 0.75)
    lags = np.r_[1 : _DENSE + 1, np.arange(42, 79, 6), np.arange(96, 24 * 61, 24)]
    lags = lags[lags <= last]
    if len(lags) < 3 or len(sampled.ip) < 50:
        return None
    width = cells.hours + last + 1
    address = np.cumsum(np.r_[False, sampled.ip[1:] != sampled.ip[:-1]])
    key = address.astype(np.int64) * width + sampled.hour
    called = _lookup(key)
    share, seen = np.zeros(len(lags)), np.zeros(len(lags))
    for i, lag in enumerate(lags.tolist()):
        wanted = key[sampled.hour < cells.hours - lag] + lag
        seen[i] = len(wanted)
        share[i] = called(wanted).mean() if len(wanted) else 0.0
    return Returns(lags, share, seen, _smoothing(lags, share))


def _lookup(key: Numbers) -> Callable[[Numbers], Numbers]:
    """Return what tells which of some keys are among these, which are in order."""
    if key[-1] < _ROOM:
        table = np.zeros(int(key[-1]) + 1, bool)
        table[key] = True
        return lambda wanted: table[np.minimum(wanted, len(table) - 1)] & (wanted < len(table))
    return lambda wanted: key[np.minimum(np.searchsorted(key, wanted), len(key) - 1)] == wanted


def _sample(cells: Cells, seed: int) -> Cells:
    if len(cells.ip) <= _MOST:
        return cells
    chance = np.random.default_rng(seed).random(int(cells.ip[-1]) + 1)
    return cells.of(chance[cells.ip] < _MOST / len(cells.ip))


def _smoothing(lags: Numbers, share: Numbers) -> Numbers:
    """Return moving averages over the pace where calls come at even intervals above an hour."""
    dense = int((lags <= _DENSE).sum())
    early = share[: min(12, dense)]
    top = int(early.argmax())
    width = 1 if early[0] >= 0.6 * early[top] else min(top + 2, dense)
    rows = dense - width + 1
    smooth = np.zeros((rows + len(lags) - dense, len(lags)))
    for row in range(rows):
        smooth[row, row : row + width] = 1.0 / width
    rest = np.arange(len(lags) - dense)
    smooth[rows + rest, dense + rest] = 1.0
    return smooth
