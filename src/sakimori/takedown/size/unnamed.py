"""How many bots, from addresses alone.

Calls do not change in number when a lease ends or when bots share an address. So bots are counted by calls: how
many a bot makes in an hour on line, and how many hours a day it is on line, are learned from addresses that
stand for one bot, with leases and habits told apart by `habits`. Everything is drawn many times from what the
data leave possible, and the interval is that of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size.cells import whole_days
from sakimori.takedown.size.habits import fit, habits
from sakimori.takedown.size.returns import returns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.cells import Cells
    from sakimori.takedown.size.habits import Fit

    Numbers = NDArray[Any]

DRAWS = 2_000
_OFF = 0.075  # of every estimate, for what no model here holds; measured with bench/size.py
_ALIKE = 0.5  # of what is expected of an ASN: that it is like the largest
_LARGEST = 12  # ASNs fitted on their own; the rest together


@dataclass(frozen=True, slots=True)
class Draws:
    """Plausible values of each quantity, in as many draws, and what was learned on the way.

    `heard` is how many bots called in the busiest hour, `online` how many were on line then, silent ones too.
    `daily_range` is the lowest and highest day, at the median. `lease` is h for each ASN code. `spell` says for
    each draw whether most calls come from addresses that are new with each time on line.
    """

    footprint: Numbers
    daily: Numbers
    heard: Numbers
    online: Numbers
    daily_range: tuple[float, float]
    spell: Numbers
    lease: dict[int, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class _Group:
    """The cells of one ASN, or of the small ones together."""

    codes: tuple[int, ...]
    cells: Cells
    single: Cells
    likely: Fit


def draw(cells: Cells, behind: Numbers, seed: int = 0) -> Draws | None:
    """Return the draws for these cells; None when there are too few calls to learn habits from.

    `behind` says for each cell whether its address is shared.
    """
    rng = np.random.default_rng(seed)
    groups = _grouped(cells, behind)
    if not groups:
        return None
    grid = habits()
    plausible = _plausible(groups)
    chosen = rng.choice(len(grid.prior), DRAWS, p=_weights(plausible))
    daily, online, spell = np.zeros(DRAWS), np.zeros(DRAWS), np.zeros(DRAWS)
    by_day, heard = np.zeros(cells.days), np.zeros(cells.hours)
    whole, day_of = whole_days(cells), (np.arange(cells.hours) + cells.first_hour % 24) // 24
    lease: dict[int, tuple[float, float, float]] = {}
    for group, table in zip(groups, plausible, strict=True):
        column = _column(table, chosen, rng)
        chance, length = group.likely.chance[chosen, column], group.likely.lease[column]
        calls, inside = _pace(group.single)
        by_hour = np.bincount(group.cells.hour, weights=group.cells.hits, minlength=cells.hours)
        each_day = np.bincount(day_of, weights=by_hour / calls, minlength=cells.days)
        by_day += each_day
        moved = 1.0 + np.clip((inside - 1.0) / 2.0, 0.0, 1.0) / np.maximum(length - 1.0, 1.0)
        active = each_day[whole].mean() / min(24.0, cells.hours) / moved
        daily += active * 24.0 * _per_hour(chosen, chance, _profile(group.cells))
        heard += by_hour / inside
        online += by_hour.max(initial=0.0) / inside / chance
        spell += _reconnects(group, chosen, column) * by_hour.sum() / cells.hits.sum()
        lease |= dict.fromkeys(group.codes, _middle(_stays(group, chosen, column)))
    off = np.exp(rng.normal(0.01, _OFF, DRAWS))
    error = np.exp(rng.normal(0.0, _OFF, DRAWS))
    # No day has fewer bots than called in its busiest hour.
    busiest = np.array([heard[day_of == day].max(initial=0.0) for day in np.flatnonzero(whole)])
    daily = np.maximum(daily * off, busiest.mean() * error)
    scale = float(np.median(daily)) / max(float(by_day[whole].mean()), 1e-9)
    return Draws(
        daily * _growth(chosen, cells.hours / 24.0) * np.exp(rng.normal(0.0, _OFF, DRAWS)),
        daily,
        heard.max(initial=0.0) * error,
        np.minimum(online * off, daily),
        (float(by_day[whole].min() * scale), float(by_day[whole].max() * scale)),
        spell > 0.5,
        lease,
    )


def _grouped(cells: Cells, behind: Numbers) -> list[_Group]:
    """Return the ASNs with enough calls of their own, and the others joined to the largest."""
    weight = np.bincount(cells.asn, weights=cells.hits)
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > 0]
    parts: list[tuple[int, ...]] = [(int(code),) for code in order[:_LARGEST]]
    if len(order) > _LARGEST:
        parts.append(tuple(order[_LARGEST:].tolist()))
    groups: list[_Group] = []
    left: list[int] = []
    for codes in parts:
        mine = np.isin(cells.asn, codes)
        group = _group(codes, cells.of(mine), behind[mine])
        if group is None:
            left += codes
        else:
            groups.append(group)
    if left:
        mine = np.isin(cells.asn, left)
        whole = _group(tuple(left), cells.of(mine), behind[mine])
        if whole is not None:
            return [*groups, whole]
        if not groups:
            return []
        codes = (*groups[0].codes, *left)  # too little to tell: as the largest ASN does
        mine = np.isin(cells.asn, codes)
        first = groups[0]
        groups[0] = _Group(codes, cells.of(mine), first.single, first.likely)
    return groups


def _group(codes: tuple[int, ...], cells: Cells, behind: Numbers) -> _Group | None:
    single = cells.of(~behind)
    curve = returns(single)
    if curve is None:
        return None
    busiest = float(_profile(replace(single, hits=np.ones_like(single.hits))).max())
    return _Group(codes, cells, single, fit(curve, _profile(single), busiest))


def _profile(cells: Cells) -> Numbers:
    """Return the calls at each UTC hour of the day, 1 on average."""
    clock = (cells.hour + cells.first_hour) % 24
    calls = np.bincount(clock, weights=cells.hits, minlength=24)
    open_ = np.bincount((np.arange(cells.hours) + cells.first_hour) % 24, minlength=24)
    rate = calls / np.maximum(open_, 1)
    return np.asarray(np.where(open_ > 0, rate / max(rate[open_ > 0].mean(), 1e-12), 1.0))


def _plausible(groups: list[_Group]) -> list[Numbers]:
    """Return for each group the logarithm of how plausible each habit and lease is, but for the habit's prior.

    Providers are often alike: half of what is expected of the others is what the largest one shows. Else many
    ASNs with one lease would look like a coincidence, and bots that reconnect alike would not.
    """
    largest = groups[0].likely
    first = largest.likelihood + np.log(largest.prior)
    alike = np.exp(first - first.max(axis=1)[:, None])
    alike /= alike.sum(axis=1)[:, None]
    others = np.log(_ALIKE * alike + (1.0 - _ALIKE) * largest.prior)
    return [first, *(group.likely.likelihood + others for group in groups[1:])]


def _weights(plausible: list[Numbers]) -> Numbers:
    """Return how plausible each habit is, by all ASNs together: bots of one family live alike."""
    total = np.log(habits().prior)
    for table in plausible:
        best = table.max(axis=1)
        total = total + best + np.log(np.exp(table - best[:, None]).sum(axis=1))
    weight = np.exp(total - total.max())
    return np.asarray(weight / weight.sum())


def _column(plausible: Numbers, chosen: Numbers, rng: np.random.Generator) -> Numbers:
    """Return a lease for each draw, by how plausible it is given the habit."""
    row = plausible[chosen]
    share = np.exp(row - row.max(axis=1)[:, None]).cumsum(axis=1)
    return np.asarray((share > rng.random(len(chosen))[:, None] * share[:, -1:]).argmax(axis=1))


def _pace(single: Cells) -> tuple[float, float]:
    """Return the calls of one bot in an hour with calls, and in one that it spends wholly on line."""
    calls = float(single.hits.mean())
    follows = (single.ip[1:] == single.ip[:-1]) & (single.hour[1:] == single.hour[:-1] + 1)
    inner = np.r_[False, follows] & np.r_[follows, False]
    return calls, float(single.hits[inner].mean()) if inner.sum() > 300 else calls


def _per_hour(chosen: Numbers, chance: Numbers, profile: Numbers) -> Numbers:
    """Return the bots active in a UTC day for each bot that calls in an hour, both on average, over 24.

    A time on line that passes midnight counts on both days, unless the bot is there on both anyway.
    """
    grid = habits()
    steady, awake, active = grid.steady[chosen], grid.awake[chosen], grid.active[chosen]
    midnight = np.minimum(1.0, (profile[0] + profile[23]) / 2.0 * awake / 24.0)
    days = steady / 24.0 * (1.0 - (1.0 - chance) ** 24) * (1.0 + 1.0 / grid.life[chosen])
    box = (1.0 - steady) / awake * (1.0 - (1.0 - chance) ** awake)
    return np.asarray((days + box * (1.0 + midnight * (1.0 - active))) / chance)


def _growth(chosen: Numbers, days: float) -> Numbers:
    """Return how many bots the window has seen for each one of a mean day."""
    active, life = habits().active[chosen], habits().life[chosen]
    return np.asarray((1.0 - (1.0 - active) ** days) / active * (1.0 + days / life))


def _reconnects(group: _Group, chosen: Numbers, column: Numbers) -> Numbers:
    """Return for each draw whether bots switch off, and get a new address each time that they come back."""
    return np.asarray(group.likely.spell[column] & (habits().steady[chosen] < 1.0))


def _stays(group: _Group, chosen: Numbers, column: Numbers) -> Numbers:
    """Return how long an address stays with a bot, h: where it is new each time, as long as the bot is on line."""
    length, again = group.likely.lease[column], _reconnects(group, chosen, column)
    return np.asarray(np.where(again, habits().awake[chosen], length))


def _middle(length: Numbers) -> tuple[float, float, float]:
    low, middle, high = np.quantile(length, [0.025, 0.5, 0.975], method="nearest").tolist()
    return middle, low, high
