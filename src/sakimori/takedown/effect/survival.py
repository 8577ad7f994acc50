"""How long infections last, by provider, and whether telling a provider shortens them.

An address that is not seen any more is not a cleaned machine: it may have got another address, or be
switched off. So an infection counts as gone only after `gap` silent days, and its end is known only
to lie between the last sighting and that many days later; both ends are reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from sakimori.takedown.effect.noise import Array

GAP = 14
FEW_PROVIDERS = 10


@dataclass(frozen=True, slots=True)
class Infection:
    """One infected host or address: when it was seen, and when its provider was told (or None).

    `end` is the last day on which anybody looked.
    """

    id: str
    provider: str
    first_seen: date
    last_seen: date
    told: date | None
    end: date


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's infections. Days are from the first sighting to the last one.

    `median_days` with its 95 % interval `median_low` .. `median_high` is None where fewer than half
    are gone; `median_late` is the same if each ended at the end of its silent days. `mean_days` is
    the mean within the first `horizon` days (restricted mean).
    """

    provider: str
    infections: int
    told: int
    gone: int
    median_days: float | None
    median_low: float | None
    median_high: float | None
    median_late: float | None
    mean_days: float
    mean_low: float
    mean_high: float


@dataclass(frozen=True, slots=True)
class Telling:
    """Whether infections end sooner once told: their rate of ending over that of those not yet told.

    Compared on the same calendar days, so that what ends infections anyway cancels out. The
    interval is the wider of the model's and that of leaving out each provider in turn.
    """

    hazard_ratio: float
    low: float
    high: float
    p_value: float
    ended_told: int
    ended_not_told: int


@dataclass(frozen=True, slots=True)
class Survival:
    """What `survival` found; `log_rank_p` asks whether providers differ. `notes` are codes."""

    providers: tuple[Provider, ...]
    telling: Telling | None
    log_rank_p: float | None
    horizon: int
    gap: int
    notes: tuple[str, ...]


SURVIVAL_NOTES: dict[str, str] = {
    "not-cleaned": "an address that is not seen any more is not proven clean: it may have changed,"
    " or the machine is switched off",
    "no-contrast": "no day had both told and not yet told infections of which some ended: whether"
    " telling helps cannot be said",
    "few-providers": "fewer than 10 providers: the interval of the comparison is rough",
    "not-random": "unless the order of telling was drawn by lot, providers told early may differ"
    " from those told late",
}


def survival(every: Sequence[Infection], gap: int = GAP, horizon: int = 90) -> Survival:
    """Follow infections to their end. `gap`: silent days after which one counts as gone.

    Raises ConfigError when there is none.
    """
    if not every:
        raise ConfigError("there is no infection to follow")
    names = sorted({one.provider for one in every})
    telling = _telling(every, gap)
    notes = ["not-cleaned", "no-contrast" if telling is None else "not-random"]
    if telling is not None and len(names) < FEW_PROVIDERS:
        notes.append("few-providers")
    return Survival(
        tuple(_provider(n, [o for o in every if o.provider == n], gap, horizon) for n in names),
        telling,
        _log_rank(every, gap) if len(names) > 1 else None,
        horizon,
        gap,
        tuple(notes),
    )


def gone(one: Infection, gap: int) -> bool:
    """Whether it has been silent for more than `gap` days of looking."""
    return (one.end - one.last_seen).days > gap


def _days(one: Infection, gap: int, *, late: bool) -> int:
    """Return days until its end, or as far as it was followed."""
    if gone(one, gap):
        return (one.last_seen - one.first_seen).days + (gap if late else 0)
    return (one.last_seen - one.first_seen).days


def _provider(name: str, every: Sequence[Infection], gap: int, horizon: int) -> Provider:
    ended = np.array([gone(one, gap) for one in every])
    # A day lasts a day: an infection seen once did exist.
    soon = Curve.of(np.array([_days(o, gap, late=False) + 0.5 for o in every]), ended)
    late = Curve.of(np.array([_days(o, gap, late=True) + 0.5 for o in every]), ended)
    low, high = soon.bounds()
    mean, error = soon.mean(horizon)
    return Provider(
        provider=name,
        infections=len(every),
        told=sum(one.told is not None for one in every),
        gone=int(ended.sum()),
        median_days=soon.first_at_half(soon.alive),
        median_low=soon.first_at_half(low),
        median_high=soon.first_at_half(high),
        median_late=late.first_at_half(late.alive),
        mean_days=mean,
        mean_low=max(mean - 1.96 * error, 0.0),
        mean_high=min(mean + 1.96 * error, float(horizon)),
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """A survival curve by Kaplan and Meier: at each time, at risk, ended, and the share that lasts."""

    times: Array
    risk: Array
    ended: Array
    alive: Array

    @classmethod
    def of(cls, days: Array, ended: NDArray[np.bool_]) -> Curve:
        """Build it from durations and whether each one ended or was only followed so far."""
        times, which = np.unique(days, return_inverse=True)
        all_at = np.bincount(which).astype(float)
        ended_at = np.bincount(which, weights=ended.astype(float))
        risk = np.cumsum(all_at[::-1])[::-1]
        alive = np.cumprod(1.0 - ended_at / risk)
        return cls(times, risk, np.asarray(ended_at, dtype=float), alive)

    def bounds(self) -> tuple[Array, Array]:
        """Return the 95 % band of the share that lasts (log-minus-log, as Kalbfleisch and Prentice)."""
        left = np.maximum(self.risk - self.ended, 1e-12)
        spread = np.sqrt(np.cumsum(self.ended / (self.risk * left)))
        inner = np.clip(self.alive, 1e-12, 1.0 - 1e-12)
        wide = np.exp(np.minimum(1.96 * spread / np.abs(np.log(inner)), 50.0))
        last = np.where(self.alive <= 0.0, 0.0, 1.0)
        return inner**wide * last, inner ** (1.0 / wide) * last

    def first_at_half(self, share: Array) -> float | None:
        """Return the first time at which a share is half or less."""
        under = share <= 0.5 + 1e-9
        return float(self.times[under.argmax()]) if under.any() else None

    def mean(self, horizon: int) -> tuple[float, float]:
        """Return the mean within `horizon` days and its standard error (Greenwood's)."""
        times = np.minimum(np.append(self.times, np.inf), horizon)
        area = self.alive * np.diff(times)
        ahead = np.cumsum(area[::-1])[::-1]
        used = (self.risk > self.ended) & (self.times < horizon)
        risk, ended = self.risk[used], self.ended[used]
        part = ahead[used] ** 2 * ended / (risk * (risk - ended))
        return float(times[0] + area.sum()), float(np.sqrt(part.sum()))


def _log_rank(every: Sequence[Infection], gap: int) -> float:
    from lifelines.statistics import multivariate_logrank_test  # noqa: PLC0415 - slow to import

    days = [_days(one, gap, late=False) + 0.5 for one in every]
    ended = [gone(one, gap) for one in every]
    tested = multivariate_logrank_test(days, [one.provider for one in every], ended)
    return float(tested.p_value)


@dataclass(frozen=True, slots=True)
class _Days:
    """By calendar day: not told and told at risk, and ended; each (providers, days)."""

    idle: Array
    told: Array
    ended_idle: Array
    ended_told: Array

    def without(self, provider: int) -> _Days:
        """Leave a provider out."""
        parts = (self.idle, self.told, self.ended_idle, self.ended_told)
        return _Days(*(np.delete(p, provider, axis=0) for p in parts))


def _calendar(every: Sequence[Infection], gap: int) -> _Days:
    start = min(one.first_seen for one in every)
    length = max((one.last_seen - start).days for one in every) + 1
    names = {name: at for at, name in enumerate(sorted({one.provider for one in every}))}
    shape = (len(names), length)
    counts = [np.zeros(shape) for _ in range(4)]
    for one in every:
        row, first, last = (
            names[one.provider],
            (one.first_seen - start).days,
            (one.last_seen - start).days,
        )
        told = length if one.told is None else min(max((one.told - start).days, first), last + 1)
        counts[0][row, first : min(told, last + 1)] += 1
        counts[1][row, told : last + 1] += 1
        if gone(one, gap):
            counts[3 if told <= last else 2][row, last] += 1
    return _Days(*counts)


def _telling(every: Sequence[Infection], gap: int) -> Telling | None:
    """Cox regression on calendar days with one covariate, told or not; Breslow's ties."""
    days = _calendar(every, gap)
    found = _log_hazard(days)
    if found is None:
        return None
    middle, error = found
    error = max(error, _jackknife(days, middle))
    score = abs(middle) / error
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    return Telling(
        float(np.exp(middle)),
        float(np.exp(middle - 1.96 * error)),
        float(np.exp(middle + 1.96 * error)),
        float(2.0 * ndtr(-score)),
        int(days.ended_told.sum()),
        int(days.ended_idle.sum()),
    )


def _log_hazard(days: _Days) -> tuple[float, float] | None:
    """Return the log hazard ratio and its standard error; None where days show no contrast."""
    idle, told = days.idle.sum(axis=0), days.told.sum(axis=0)
    ended_told = days.ended_told.sum(axis=0)
    ended = ended_told + days.ended_idle.sum(axis=0)
    both = (idle > 0) & (told > 0) & (ended > 0)
    idle, told, ended, ended_told = idle[both], told[both], ended[both], ended_told[both]
    if not both.any() or not 0 < ended_told.sum() < ended.sum():
        return None
    beta, information = 0.0, 0.0
    for _ in range(100):
        share = told * np.exp(beta) / (told * np.exp(beta) + idle)
        information = float((ended * share * (1 - share)).sum())
        change = float((ended_told - ended * share).sum()) / max(information, 1e-12)
        beta = float(np.clip(beta + np.clip(change, -1, 1), -20, 20))
        if abs(change) < 1e-9:
            break
    return beta, float(1.0 / np.sqrt(max(information, 1e-12)))


def _jackknife(days: _Days, middle: float) -> float:
    """Return the standard error from leaving out each provider in turn; 0 where that fails."""
    count = len(days.idle)
    if count < 3:
        return 0.0
    left = [_log_hazard(days.without(at)) for at in range(count)]
    apart = [(one[0] - middle) ** 2 for one in left if one is not None]
    return float(np.sqrt((count - 1) / count * sum(apart))) if len(apart) == count else 0.0
