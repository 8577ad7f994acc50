"""The size of a botnet from a sinkhole's hits: three quantities, each with an interval.

Sources: Rajab et al. 2007 (footprint and live population differ by an order of magnitude), Stone-Gross et al.
2009 (addresses against identifiers at Torpig), the idea of correcting reassigned addresses by how long they
stay with a host (CARDCount, 2023, by its abstract), Chapman 1951 and Chao 1984, 1987 for bots never met.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size import words
from sakimori.takedown.size.cells import Cells, distinct, runs, unique, whole_days
from sakimori.takedown.size.model import Churn, Hits, Quantity, Sizing, quantity
from sakimori.takedown.size.named import named
from sakimori.takedown.size.shared import marked, shared
from sakimori.takedown.size.twice import Twice, twice
from sakimori.takedown.size.unnamed import DRAWS, Draws, draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.model import Note
    from sakimori.takedown.size.named import Named

    Numbers = NDArray[Any]

_UNSURE = 0.03  # of the draws: with fewer an explanation is ruled out
_DIFFERENT = 1.3  # times the bots of a day
_NEVER_NAMED = 0.01  # of the bots, at most, beyond what is estimated where identifiers are left out
_FEW_NAMED = 0.05  # of the hits: fewer identifiers than that are left aside


@dataclass(frozen=True, slots=True)
class _Three:
    """The three quantities and what to say about them."""

    footprint: Quantity
    daily: Quantity
    peak: Quantity
    daily_range: tuple[float, float]
    notes: tuple[Note, ...]


def size(hits: Hits, second: Hits | None = None, seed: int = 0) -> Sizing:
    """Return the size of the botnet whose completed calls these are; `second` is another sinkhole's.

    Codes of addresses, ASNs and identifiers are the same in both. Raises ValueError without hits.
    """
    if not len(hits.time) or (second is not None and not len(second.time)):
        raise ValueError("no hits")
    union = hits if second is None else _joined(hits, second)
    seen = _seen(union, seed)
    share = float((union.bot >= 0).mean())
    by_name = share >= _FEW_NAMED
    both = twice(hits, second, by_name=by_name) if second is not None else None
    if by_name:
        three = _by_name(union, seen.cells, both, seed)
    elif both is None or second is None:
        three = _by_address(((seen, np.ones((3, DRAWS))),), seen)
    else:
        parts = ((_seen(hits, seed), both.factor(DRAWS)),
                 (_seen(second, seed + 1), both.other().factor(DRAWS)))  # fmt: skip
        three = _by_address(parts, seen)
    notes = (*three.notes, *_general(seen, share, both))
    low, high = three.daily_range
    return Sizing(
        _ordered(three.footprint, three.daily), three.daily, three.peak,
        (int(low), round(high)),
        float(union.time.min()), float(union.time.max()), len(union.time),
        len(unique(union.ip)), len(unique(union.bot[union.bot >= 0])),
        _churn(union, seen), notes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Seen:
    """Hits by address, which addresses are shared, and what can be drawn from them."""

    cells: Cells
    behind: Numbers
    drawn: Draws | None


def _seen(hits: Hits, seed: int) -> _Seen:
    cells = _cells(hits, hits.ip)
    behind = shared(cells) | marked(hits, cells)
    return _Seen(cells, behind, draw(cells, behind, seed))


def _joined(one: Hits, two: Hits) -> Hits:
    def both(name: str) -> Numbers:
        return np.concatenate([getattr(one, name), getattr(two, name)])

    return Hits(both("time"), both("ip"), both("asn"), both("bot"), both("mark"), one.asns)


def _cells(hits: Hits, who: Numbers) -> Cells:
    """Return the hits by `who` and clock hour, in the window of all; negative `who` are left out."""
    hour = (hits.time // 3_600).astype(np.int64)
    first, hours = int(hour.min()), int(hour.max() - hour.min()) + 1
    given = who >= 0
    key = who[given].astype(np.int64) * hours + (hour[given] - first)
    cell, at, count = np.unique(key, return_index=True, return_counts=True)
    return Cells(cell // hours, cell % hours, hits.asn[given][at], count, first, hours)


def _by_address(parts: tuple[tuple[_Seen, Numbers], ...], whole: _Seen) -> _Three:
    """Return the quantities of one sinkhole, or of two, each with the factor to all bots."""
    known = [(seen.drawn, factor) for seen, factor in parts if seen.drawn is not None]
    if not known:
        return _bounds(whole.cells)
    hits = whole.cells.hits
    lower = bool(hits[whole.behind].sum() > 0.5 * hits.sum())
    footprint = np.concatenate([d.footprint * f[0] for d, f in known])
    daily = np.concatenate([d.daily * f[1] for d, f in known])
    heard = np.concatenate([d.heard * f[2] for d, f in known])
    online = np.concatenate([d.online * f[2] for d, f in known])
    peak = quantity(heard, words.PEAK, lower_bound=lower)
    spell = np.concatenate([d.spell for d, _ in known])
    first = known[0][0]
    scale = float(np.median(daily) / np.median(first.daily))
    return _Three(
        _both(quantity(footprint, words.FOOTPRINT, lower_bound=lower), footprint, spell),
        _both(quantity(daily, words.DAILY, lower_bound=lower), daily, spell),
        replace(peak, high=int(np.ceil(max(peak.high, float(np.quantile(online, 0.975)))))),
        (first.daily_range[0] * scale, first.daily_range[1] * scale),
        _either(daily, spell),
    )


def _unsure(spell: Numbers) -> bool:
    """Whether leases that end and bots that reconnect both remain possible."""
    return bool(_UNSURE <= float(spell.mean()) <= 1.0 - _UNSURE)


def _both(whole: Quantity, draws: Numbers, spell: Numbers) -> Quantity:
    """Return the quantity with an interval that holds the central 95 % of either explanation.

    How much each weighs is in part a matter of what one believed before, so the lesser one counts whole.
    """
    if not _unsure(spell):
        return whole
    parts = [quantity(draws[chosen], whole.method) for chosen in (spell, ~spell)]
    return replace(
        whole, low=min(part.low for part in parts), high=max(part.high for part in parts)
    )


def _either(daily: Numbers, spell: Numbers) -> tuple[Note, ...]:
    """Return what to say when leases and reconnections are both possible and make a difference."""
    if not _unsure(spell):
        return ()
    low, high = float(np.median(daily[~spell])), float(np.median(daily[spell]))
    return (words.reconnect(float(spell.mean()), low, high),) if high > _DIFFERENT * low else ()


def _bounds(cells: Cells) -> _Three:
    """Return what holds whatever the habits: no fewer than called in one hour, no more than calls."""
    hourly = distinct(cells, cells.hour, cells.hours)
    daily = distinct(cells, cells.day, cells.days)[whole_days(cells)]
    calls = np.bincount(cells.day, weights=cells.hits, minlength=cells.days)[whole_days(cells)]
    by_hour = np.bincount(cells.hour, weights=cells.hits, minlength=cells.hours)
    addresses = len(unique(cells.ip))
    low = int(hourly.max())
    return _Three(
        Quantity(addresses, low, int(cells.hits.sum()), words.BOUNDS, lower_bound=False),
        Quantity(round(daily.mean()), 1, int(np.ceil(calls.mean())), words.BOUNDS),
        Quantity(low, low, max(int(by_hour.max()), addresses), words.BOUNDS),
        (float(daily.min()), float(daily.max())),
        (words.few(len(cells.hits)),),
    )


def _by_name(hits: Hits, by_address: Cells, both: Twice | None, seed: int) -> _Three:
    mine = _cells(hits, hits.bot)
    mine = replace(mine, asn=np.zeros_like(mine.asn))  # habits of all, wherever they are
    found = named(hits, mine, by_address)
    rng = np.random.default_rng(seed)
    more = _more(found, rng)
    factor = both.factor(DRAWS) if both is not None else np.ones((3, DRAWS))
    footprint = (found.identifiers * more + rng.random(DRAWS) * found.missed) * factor[0]
    unnamed = found.unnamed_days * np.maximum(rng.normal(1.0, 0.5, DRAWS), 0.0)
    daily = (found.daily + unnamed) * more * factor[1]
    scale = float(np.median(daily)) / max(found.daily, 1e-9)
    notes = [words.clones(found.clones)] if found.clones else []
    if found.without[1] > 0.02:
        notes.append(words.without(found.without[1] / (1.0 + found.without[1])))
    whole = quantity(footprint, words.NAMED_FOOTPRINT)
    day = quantity(daily, words.NAMED_DAILY)
    if both is None:  # those never heard may be none, and calls without an identifier may be theirs
        least = 1.0 if found.forgets > 0.0 else float(np.quantile(more, 0.025))
        whole = replace(whole, low=min(whole.low, int(least * found.identifiers)))
        day = replace(day, low=min(day.low, int(least * found.daily)))
    if found.forgets > 0.0:  # how many were never named is known by Chao's bound only
        whole = replace(whole, high=int(np.ceil(whole.high * (1.0 + _NEVER_NAMED))))
        day = replace(day, high=int(np.ceil(day.high * (1.0 + _NEVER_NAMED))))
    return _Three(
        whole,
        day,
        _peak(found, mine, more * factor[2], seed),
        (found.daily_range[0] * scale, found.daily_range[1] * scale),
        tuple(notes),
    )


def _more(found: Named, rng: np.random.Generator) -> Numbers:
    """Return draws of how many bots there are for each identifier."""
    low, high = found.without
    without = low + (high - low) * np.sqrt(rng.random(DRAWS))
    spread = 0.12 + 1.0 / np.sqrt(found.identifiers)
    hidden = found.hidden / max(found.identifiers, 1) * rng.uniform(0.0, 2.0, DRAWS)
    return np.asarray((1.0 + without * np.exp(rng.normal(0.0, spread, DRAWS))) * (1.0 + hidden))


def _peak(found: Named, cells: Cells, factor: Numbers, seed: int) -> Quantity:
    """Return the peak; in its interval are bots that were on line but silent or unnamed in that hour."""
    given = quantity(found.peak * factor, words.NAMED_PEAK)
    high = float(given.high) * 1.03 / (1.0 - min(found.forgets, 0.9))
    low = given.low * 0.95  # who came and went within the hour was not there at one moment
    drawn = draw(cells, np.zeros(len(cells.ip), bool), seed)
    if drawn is not None:
        online = np.minimum(drawn.online, max(drawn.daily_range[1], found.daily_range[1]))
        high = max(high, float(np.quantile(online * factor, 0.975)) * 1.05)
        low = min(low, float(np.quantile(drawn.heard * factor, 0.025)))
    return replace(given, low=int(low), high=int(np.ceil(high)))


def _ordered(footprint: Quantity, daily: Quantity) -> Quantity:
    """Return the footprint, never smaller than the bots of a mean day."""
    return replace(
        footprint,
        estimate=max(footprint.estimate, daily.estimate),
        low=max(footprint.low, daily.low),
        high=max(footprint.high, daily.high),
    )


def _general(seen: _Seen, share: float, both: Twice | None) -> list[Note]:
    cells, behind = seen.cells, seen.behind
    notes = []
    if behind.any():
        part = float(cells.hits[behind].sum() / cells.hits.sum())
        notes.append(words.shared(len(unique(cells.ip[behind])), part))
    if cells.hours < 72:
        notes.append(words.short(cells.hours))
    silent = _silence(cells)
    if silent >= 6:
        notes.append(words.silent(silent))
    if share < _FEW_NAMED and seen.drawn is not None and not _outlasts(seen.drawn, cells):
        notes.append(words.turnover())
    if 0 < share < _FEW_NAMED:
        notes.append(words.few_names(share))
    return [*notes, *(both.notes if both is not None else ())]


def _silence(cells: Cells) -> int:
    """Return the most hours in a row without a call."""
    heard = unique(cells.hour)
    return int(np.diff(heard).max(initial=1)) - 1


def _outlasts(drawn: Draws, cells: Cells) -> bool:
    """Whether some ASN keeps addresses long enough to see whether bots come back."""
    return any(low > cells.hours / 4 for _, low, _ in drawn.lease.values())


def _churn(hits: Hits, seen: _Seen) -> tuple[Churn, ...]:
    cells, behind, drawn = seen.cells, seen.behind, seen.drawn
    rows = []
    whole = whole_days(cells)
    for code in unique(cells.asn).tolist():
        mine = cells.asn == code
        part = cells.of(mine)
        starts, _ = runs(part.ip)
        daily = distinct(part, part.day, part.days)[whole]
        middle, low, high = drawn.lease.get(code, (None,) * 3) if drawn else (None,) * 3
        rows.append(
            Churn(
                hits.asns[code], int(part.hits.sum()), len(starts),
                len(unique(part.ip[behind[mine]])),
                float(part.hits[behind[mine]].sum() / part.hits.sum()),
                float(daily.mean()),
                *(_finite(length, cells.hours) for length in (middle, low, high)),
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (-row.hits, row.asn)))


def _finite(length: float | None, hours: int) -> float | None:
    return round(length, 1) if length is not None and length <= hours else None
