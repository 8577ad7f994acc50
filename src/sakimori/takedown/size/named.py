"""How many bots, from the identifiers that they send.

An identifier outlives leases and passes NAT, so it is counted as it is. Three things can still be wrong: bots
that send none, identifiers that several machines share (a cloned disk), and bots that never called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size.cells import runs, unique, whole_days
from sakimori.takedown.size.recapture import chao_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.cells import Cells
    from sakimori.takedown.size.model import Hits

    Numbers = NDArray[Any]

_CLONE_PLACES = 4  # addresses that one identifier calls from within one hour, again and again
_CALLS = 5  # that follow another at an address, for a share of its own
_ADDRESSES = 30  # with so many, for one in the middle
_SOON = 6 * 3_600.0  # s, between calls that one bot at one address makes


@dataclass(frozen=True, slots=True)
class Named:
    """What identifiers say. Counts of distinct identifiers; `missed` is the most that never called.

    `without` is how many bots send none for each that sends one, at least and at most. `forgets` is the share
    of its calls in which a bot with an identifier leaves it out, for which `unnamed_days` bots of a mean day
    are missing. `clones` are identifiers that several machines share, for `hidden` more bots.
    """

    identifiers: int
    daily: float
    daily_range: tuple[int, int]
    peak: int
    missed: float
    without: tuple[float, float]
    forgets: float
    unnamed_days: float
    clones: int
    hidden: float


def named(hits: Hits, cells: Cells, by_address: Cells) -> Named:
    """Count identifiers. `cells` are those of identifiers, `by_address` of addresses, in one window."""
    per_day = _distinct(cells.ip, cells.day, cells.days)
    per_hour = _distinct(cells.ip, cells.hour, cells.hours)
    starts, _ = runs(cells.ip)
    calls = np.add.reduceat(cells.hits, starts)
    chao = chao_one(len(starts), int((calls == 1).sum()), int((calls == 2).sum()))
    whole = whole_days(by_address)
    clones = _clones(hits, cells)
    least, most, forgets = _without(hits)
    return Named(
        len(starts), float(per_day[whole].mean()),
        (int(per_day[whole].min()), int(per_day[whole].max())),
        int(per_hour.max(initial=0)), chao.high - len(starts), (least, most), forgets,
        _unnamed_days(cells, forgets) / cells.days, int(clones.sum()), _hidden(calls, clones),
    )  # fmt: skip


def _distinct(who: Numbers, when: Numbers, size: int) -> Numbers:
    pairs = unique(who.astype(np.int64) * size + when)
    return np.bincount(pairs % size, minlength=size)


def _without(hits: Hits) -> tuple[float, float, float]:
    """Return how many bots never send an identifier for each that does, low and high; and the forgetting.

    A bot that sends one only sometimes must not count twice. How often that happens is read from calls that
    follow a named one at the same address: of all of them, or of the middle address, since at an address
    with several bots another one may be next.
    """
    order = np.lexsort((hits.time, hits.ip))
    ip, time, given = hits.ip[order], hits.time[order], hits.bot[order] >= 0
    share = float(given.mean())
    follows = (ip[1:] == ip[:-1]) & (time[1:] - time[:-1] < _SOON)
    after = given[:-1][follows]
    if share >= 1.0 or after.sum() < 30:
        return max(0.0, 1.0 / share - 1.0), max(0.0, 1.0 / share - 1.0), 0.0
    lost = (after & ~given[1:][follows]).astype(float)
    starts, calls = runs(ip[1:][follows])
    pairs = np.add.reduceat(after.astype(float), starts)
    each = np.add.reduceat(lost, starts) / np.maximum(pairs, 1.0)
    many = (calls >= _CALLS) & (pairs > 0)  # not by pairs: those who leave out little have more
    if many.sum() >= _ADDRESSES:
        of_middle = float(np.median(each[many]))
    else:  # too few calls of an address for a share of its own: all but the busiest, together
        few = (calls <= np.quantile(calls, 0.9)) & (pairs > 0)
        of_middle = float(np.average(each[few], weights=pairs[few])) if few.any() else 0.0
    of_all = float(lost.sum() / after.sum())
    extra = [max(0.0, (1.0 - forgets) / share - 1.0) for forgets in (of_all, of_middle)]
    return min(extra), max(extra), of_middle


def _unnamed_days(cells: Cells, forgets: float) -> float:
    """Return on how many days bots called and never gave the identifier that they have.

    Each call is named with chance 1 - `forgets`. Of k named calls seen, (-odds)^k summed is what was missed
    without bias, where odds = forgets / (1 - forgets) stays below 1; beyond, Chao's bound stands in.
    """
    if forgets <= 0.0:
        return 0.0
    starts, _ = runs(cells.ip.astype(np.int64) * cells.days + cells.day)
    calls = np.add.reduceat(cells.hits, starts)
    odds = forgets / (1.0 - forgets)
    if odds < 0.9:
        return max(0.0, -float(((-odds) ** calls).sum()))
    chao = chao_one(len(starts), int((calls == 1).sum()), int((calls == 2).sum()))
    return chao.estimate - len(starts)


def _hidden(calls: Numbers, clones: Numbers) -> float:
    """Return how many bots more cloned identifiers stand for, by their calls."""
    if not clones.any() or clones.all():
        return 0.0
    usual = max(float(calls[~clones].mean()), 1.0)
    return float((calls[clones] / usual - 1.0).clip(0).sum())


def _clones(hits: Hits, cells: Cells) -> Numbers:
    """Return which identifiers call from many addresses at once, hour after hour."""
    given = hits.bot >= 0
    hour = (hits.time[given] // 3_600).astype(np.int64) - cells.first_hour
    at = hits.bot[given].astype(np.int64) * cells.hours + hour
    addresses = int(hits.ip.max()) + 1
    _, places = runs(unique(at * addresses + hits.ip[given]) // addresses)
    who = unique(at) // cells.hours
    crowded = np.bincount(who, weights=places >= _CLONE_PLACES)
    active = np.bincount(who)
    codes = cells.ip[runs(cells.ip)[0]]
    return np.asarray((crowded[codes] > 0.2 * active[codes]) & (crowded[codes] >= 3))
