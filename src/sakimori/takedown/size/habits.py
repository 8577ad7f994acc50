"""How bots live and how long leases last, read from the curve of returning addresses.

Every combination of habits (share of bots that never switch off, hours a day of the others, share of days,
mean life) and leases (`leases`) foretells a curve. Each gets a weight by how well it fits, allowing for a model
that is never quite true: what the data cannot tell apart keeps its weight, so the interval is wide where it must
be. Calls that end at an address after six hours may be a lease that ended, or a bot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.takedown.size.leases import leases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sakimori.takedown.size.leases import Lease
    from sakimori.takedown.size.returns import Returns

    Numbers = NDArray[Any]

_STEADY = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0)
_AWAKE = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13.5, 15, 17, 19, 21)  # h
_ACTIVE = ((1.0, 0.52), (0.92, 0.22), (0.8, 0.16), (0.6, 0.1))  # share of days, prior
_LIFE = ((np.inf, 0.42), (150.0, 0.22), (60.0, 0.2), (25.0, 0.16))  # days, prior
_OFF_START = 0.02  # of the curve's start: how far a model may be off anywhere
_OFF_HERE = 0.035  # of the curve's value
_FREE = 9.0  # lags that count as independent


@dataclass(frozen=True, slots=True)
class Habits:
    """Combinations, one a row: `steady` share of the calls, `awake` h, `active` days, `life` days.

    `wave`: none switches off, and all call more and less often with the hour of the day.
    """

    wave: Numbers
    steady: Numbers
    awake: Numbers
    active: Numbers
    life: Numbers
    prior: Numbers


@dataclass(frozen=True, slots=True)
class Fit:
    """Logarithm of each habit's (row) and lease's (column) likelihood, and what it implies.

    `prior` of each lease. `chance` that a bot on line calls
    within an hour; `lease` in h, infinite where it never ends; `spell`: it is new with each time
    on line, and only then.
    """

    likelihood: Numbers
    prior: Numbers
    chance: Numbers
    lease: Numbers
    spell: Numbers


@cache
def habits() -> Habits:
    """Return the grid of habits with its prior."""
    kinds = [(0.0, steady, awake) for steady in _STEADY[:-1] for awake in _AWAKE]
    kinds += [(0.0, 1.0, 24.0), (1.0, 1.0, 24.0)]
    rows = [
        (wave, steady, awake, active, life, p * q * (2.0 if steady == 1.0 else 1.0 / len(_AWAKE)))
        for wave, steady, awake in kinds
        for active, p in _ACTIVE
        for life, q in _LIFE
    ]
    grid = np.array(rows, dtype=float)
    wave, steady, awake, active, life, prior = grid.T
    return Habits(wave > 0, steady, awake, active, life, prior / prior.sum())


def fit(curve: Returns, profile: Numbers, busiest: float) -> Fit:
    """Return how well every combination foretells the curve.

    `profile` is the activity at each UTC hour, 1 on average, and `busiest` how much more than on average
    an hour of the day ever has of addresses. The curve is
    chance * habit * lease + other * (1 - lease): `other` is another bot at that address, at its hours.
    """
    lag = curve.lag.astype(float)
    here = curve.smooth @ curve.share
    seen = curve.smooth @ curve.seen
    top = float(here[:6].max(initial=1e-6))
    sigma2 = (_OFF_START * top) ** 2 + (_OFF_HERE * here) ** 2
    sigma2 += 4.0 * np.maximum(here * (1.0 - here), 1e-4) / np.maximum(seen, 1.0)
    weight = min(1.0, _FREE / len(here)) / sigma2
    columns = leases(lag)
    # Averaged before they are multiplied: what a lease loses within a bot's pace is small.
    kept = np.stack([column.kept for column in columns]) @ curve.smooth.T
    spell = np.array([column.spell for column in columns])
    other = (1.0 - kept * ~spell[:, None]) * (curve.smooth @ _swing(lag, profile))
    parts = _parts(lag, profile)
    sums = np.empty((3, len(habits().prior), len(columns)))
    for kind in dict.fromkeys((column.hours, column.value) for column in columns):
        which = np.array([(column.hours, column.value) == kind for column in columns])
        habit = _curve(lag, parts, columns[int(which.argmax())]) @ curve.smooth.T
        sums[:, :, which] = _sums(habit, kept[which], other[which], (here, weight))
    # Bots that all call less at night cannot call more often than every hour by day.
    most = np.where(habits().wave, min(1.0, 1.05 / max(busiest, 1.0)), 1.0)[:, None]
    likelihood, chance = _regress(sums, other, (here, weight), most)
    likelihood += _against(profile)[:, None]
    prior, length = np.array([(column.prior, column.length) for column in columns]).T
    return Fit(likelihood, prior, chance, length, spell & np.isinf(length))


def _sums(habit: Numbers, kept: Numbers, other: Numbers, seen: tuple[Numbers, Numbers]) -> Numbers:
    """Return the weighted sums of squares and products that regression needs, a row for each habit.

    The curve of a habit and a lease is the product of theirs, so a whole grid is three matrix products.
    """
    here, weight = seen
    parts = (weight * kept**2, weight * kept * other, weight * kept * here)
    return np.stack([habit**2 @ parts[0].T, habit @ parts[1].T, habit @ parts[2].T])


def _against(profile: Numbers) -> Numbers:
    """Return what the hours of the day say against each habit.

    Bots that never switch off are there at the quietest hour, and at the busiest hour no more of the others
    can be on line than there are.
    """
    grid = habits()
    quiet, busy = float(profile.min()), float(profile.max())
    steady = np.maximum(0.0, grid.steady - quiet) / 0.1
    crowd = (busy - grid.steady) / np.maximum(1.0 - grid.steady, 0.05) * grid.awake / 24.0
    crowded = np.maximum(0.0, crowd - 1.0) / 0.1
    return np.where(grid.wave, 0.0, -0.5 * (steady**2 + np.where(grid.steady < 1, crowded**2, 0.0)))


def _regress(
    sums: Numbers, other: Numbers, seen: tuple[Numbers, Numbers], most: Numbers
) -> tuple[Numbers, Numbers]:
    """Return log likelihood and chance of each row and column; the chance is `most` of each row at most."""
    here, weight = seen
    xx, xz, xy = sums
    zz, zy = (other * other) @ weight, (other * here) @ weight
    det = xx * zz - xz**2
    solid = det > 1e-9 * np.maximum(xx * zz, 1e-12)
    second = np.where(solid, (xx * zy - xz * xy) / np.where(solid, det, 1.0), 0.0)
    second = np.clip(second, 0.0, 1.0)
    first = np.clip((xy - second * xz) / np.maximum(xx, 1e-12), 1e-3, most)
    # Another bot at the address is rarer than the bot itself, or nobody could ever move.
    second = np.clip((zy - first * xz) / np.maximum(zz, 1e-12), 0.0, 0.5 * first)
    second = np.where(solid & (zz > 1e-12), second, 0.0)
    off = (here * here) @ weight - 2.0 * (first * xy + second * zy)
    off = off + first**2 * xx + 2.0 * first * second * xz + second**2 * zz
    return -0.5 * np.maximum(off, 0.0), first


def _parts(lag: Numbers, profile: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the chance that a bot on line is on line `lag` hours later, a row for each habit.

    The first part is bots that never switch off, the second the same time on line, the third another day's.
    """
    grid = habits()
    steady, awake = grid.steady[:, None], grid.awake[:, None]
    active, life = grid.active[:, None], grid.life[:, None]
    always, today, later = (np.zeros((len(grid.awake), len(lag))) for _ in range(3))
    for day in range(int(lag.max() // 24) + 2):
        near = np.abs(lag - 24 * day) < 24
        x = lag[near][None, :] - 24.0 * day
        again = 1.0 if day == 0 else active * np.exp(-day / life)
        always[:, near] += again * steady * _triangle(x, 24.0)
        box = _box(x, awake) if day == 0 else _smeared(x, awake)
        part = today if day == 0 else later
        part[:, near] += again * (1.0 - steady) * box
    always[grid.wave] *= _swing(lag, profile)
    return always, today, later


def _curve(lag: Numbers, parts: tuple[Numbers, Numbers, Numbers], lease: Lease) -> Numbers:
    """Return the chance to be on line again, as `lease.hours` has it, a row for each habit."""
    always, today, later = parts
    grid = habits()
    awake, others = grid.awake[:, None], 1.0 - grid.steady[:, None]
    match lease.hours:
        case "renewed":
            return _renewed(lag, lease.value)
        case "even":  # all on line for one length
            return np.asarray(always + others * _triangle(lag, awake))
        case "random":
            return np.asarray(always + others * np.exp(-lag / awake))
        case "moving":  # on line once a day, at any hour
            again = grid.active[:, None] * np.exp(-lag / 24.0 / grid.life[:, None])
            again = again * awake / 24.0 * np.minimum(1.0, lag / 24.0)
            return np.asarray(always + others * (_triangle(lag, awake) + again))
        case _:
            return np.asarray(always + today + lease.value * later)


def _swing(lag: Numbers, profile: Numbers) -> Numbers:
    """Return how much more often than at any time bots call `lag` hours after a call."""
    at = np.arange(24)
    return np.array([(profile * profile[(at + int(hour)) % 24]).mean() for hour in lag])


def _renewed(lag: Numbers, length: float) -> Numbers:
    """Return the curve where each time on line begins a new lease, and another one every `length` hours."""
    grid = habits()
    steady = grid.steady[:, None]
    curve = steady * np.maximum(0.0, 1.0 - lag / length)
    for other in (0.75, 1.0, 1.3):  # bots differ in their hours
        awake = grid.awake[:, None] * other
        whole = np.floor(awake / length)
        rest = awake - whole * length
        kept = whole * np.maximum(0.0, length - lag) + np.maximum(0.0, rest - lag)
        curve = curve + (1.0 - steady) * kept / awake / 3.0
    return np.asarray(curve)


def _triangle(x: Numbers, width: Numbers | float) -> Numbers:
    return np.maximum(0.0, 1.0 - np.abs(x) / width)


def _box(x: Numbers, awake: Numbers) -> Numbers:
    """Return the overlap within a day; bots differ in their hours by a quarter."""
    return (_triangle(x, awake * 0.75) + _triangle(x, awake) + _triangle(x, awake * 1.3)) / 3.0


def _smeared(x: Numbers, awake: Numbers) -> Numbers:
    """Return the overlap with another day, on which a bot starts up to 1.5 h earlier or later."""
    return sum((_triangle(x + late, awake) for late in (-1.5, -0.5, 0.5, 1.5)), np.zeros(1)) / 4.0
