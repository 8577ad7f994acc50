"""A make-believe botnet as a sinkhole sees it: hits, and how many bots there were.

For measuring whether the intervals of `takedown.size` hold the truth. Every bot keeps its hours, calls at
its pace, dies or is born within the window, and changes its address as its provider's leases end; some share
one. Addresses are numbers: `address` writes them as 198.18.0.0/15 and onwards (RFC 2544), nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

DAY = 86_400.0  # s
HOUR = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One ASN: how long its leases last (hours; 0: for ever) and whether all are of one length."""

    asn: int
    lease: float = 24.0
    fixed: bool = True
    pool: float = 60.0  # addresses for each bot


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A botnet to play. Times in hours unless said; shares between 0 and 1."""

    bots: int = 2_000
    days: int = 14
    seed: int = 1
    providers: tuple[Provider, ...] = field(default_factory=lambda: (Provider(asn=64_500),))
    shared: float = 0.2  # of the bots, behind shared addresses
    sharers: float = 20.0  # bots behind one of them, on average
    always_on: float = 0.3  # of the bots: never switched off
    awake: float = 9.0  # a day, of the others
    awake_spread: float = 0.25  # relative, between bots
    peak_hour: float = 12.0  # UTC, the middle of their hours
    hours_spread: float = 3.0  # of that middle between bots; 12 and more: any hour
    jitter_hours: float = 1.0  # of a bot's start, day by day
    active_days: float = 1.0  # of the days on which a bot runs
    weekend: float = 1.0  # of the bots that run on Saturdays and Sundays
    life_days: float = 0.0  # mean, with births to keep the number; 0: all live on
    pace: float = 1.0  # calls an hour while on
    regular: bool = True  # calls at even intervals; else at random
    pace_jitter: float = 0.2  # of the interval
    pace_spread: float = 0.0  # between bots, of the logarithm
    named: float = 0.0  # of the bots, that send an identifier


@dataclass(frozen=True, slots=True)
class Hits:
    """Hits in order of time, and the truth. Arrays have one length.

    `time` in s from the window's start, `bot` the true number, `named` whether an identifier was sent.
    """

    time: Numbers
    ip: Numbers
    port: Numbers
    bot: Numbers
    asn: Numbers
    named: Numbers
    footprint: int
    daily: float
    peak: int  # bots on line at one moment, sampled each quarter of an hour
    peak_hour: int  # bots that called within one clock hour


def address(number: int) -> str:
    """Return an address number as text."""
    return str(ip_address(int(ip_address("198.18.0.0")) + number))


def play(plan: Population) -> Hits:
    """Return the hits of a population; the same plan gives the same hits."""
    rng = np.random.default_rng(plan.seed)
    born, dies = _lives(plan, rng)
    count = len(born)
    bot, start, end = _sessions(plan, rng, born, dies)
    call, time = _calls(plan, rng, (bot, start, end), count)
    who = bot[call]
    provider = rng.integers(0, len(plan.providers), count)
    ip = _addresses(plan, rng, (who, time), provider)
    order = np.argsort(time, kind="stable")
    named = rng.random(count) < plan.named
    asn = np.array([p.asn for p in plan.providers])[provider]
    who, time, ip = who[order], time[order], ip[order]
    return Hits(
        time, ip, rng.integers(1_024, 65_536, len(who)), who, asn[who], named[who],
        footprint=len(np.unique(who)),
        daily=len(np.unique((time // DAY).astype(np.int64) * count + who)) / plan.days,
        peak=_peak(plan, start, end),
        peak_hour=_busiest(time, who, count),
    )  # fmt: skip


def _lives(plan: Population, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Return when each bot is infected and cleaned, in s; turnover keeps the number level."""
    window = plan.days * DAY
    if plan.life_days <= 0:
        return np.full(plan.bots, -DAY), np.full(plan.bots, window + DAY)
    life = plan.life_days * DAY
    first = np.zeros(plan.bots)
    later = rng.random(rng.poisson(plan.bots * window / life)) * window
    born = np.concatenate([first, later])
    return born, born + rng.exponential(life, len(born))


def _sessions(
    plan: Population, rng: np.random.Generator, born: Numbers, dies: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Return bot, start and end of each time on line, cut to its life and the window."""
    count, days = len(born), plan.days + 2
    steady = rng.random(count) < plan.always_on
    awake = np.clip(plan.awake * rng.lognormal(0, plan.awake_spread, count), 1.0, 23.0)
    middle = plan.peak_hour + rng.normal(0, plan.hours_spread, count)
    works = rng.random(count) < plan.weekend
    bot, day = (
        grid.ravel() for grid in np.meshgrid(np.arange(count), np.arange(days) - 1, indexing="ij")
    )
    runs = (rng.random(len(bot)) < plan.active_days) & (works[bot] | (day % 7 < 5))
    begin = day * 24.0 + middle[bot] - awake[bot] / 2 + rng.normal(0, plan.jitter_hours, len(bot))
    start = np.where(steady[bot], day * 24.0, begin) * HOUR
    end = start + np.where(steady[bot], 24.0, awake[bot]) * HOUR
    keep = np.where(steady[bot], rng.random(len(bot)) < plan.active_days, runs)
    start = np.maximum(np.maximum(start, born[bot]), 0.0)
    end = np.minimum(np.minimum(end, dies[bot]), plan.days * DAY)
    keep &= end > start
    return bot[keep], start[keep], end[keep]


def _calls(
    plan: Population,
    rng: np.random.Generator,
    sessions: tuple[Numbers, Numbers, Numbers],
    count: int,
) -> tuple[Numbers, Numbers]:
    """Return the session and the time of each call."""
    bot, start, end = sessions
    gap = HOUR / (plan.pace * rng.lognormal(0, plan.pace_spread, count))[bot]
    length = end - start
    if not plan.regular:
        calls = rng.poisson(length / gap)
        session = np.repeat(np.arange(len(bot)), calls)
        return session, start[session] + rng.random(len(session)) * length[session]
    offset = rng.random(len(bot)) * np.minimum(gap, HOUR)  # of the first call after switching on
    calls = np.maximum(np.floor((length - offset) / gap).astype(np.int64) + 1, 0)
    session = np.repeat(np.arange(len(bot)), calls)
    step = np.arange(len(session)) - np.repeat(np.cumsum(calls) - calls, calls)
    wobble = rng.uniform(-0.5, 0.5, len(session)) * plan.pace_jitter
    time = start[session] + offset[session] + (step + wobble) * gap[session]
    return session, np.clip(time, start[session], end[session] - 1e-3)


def _addresses(
    plan: Population,
    rng: np.random.Generator,
    calls: tuple[Numbers, Numbers],
    provider: Numbers,
) -> Numbers:
    """Return each call's address: its lease's, or the shared one of its bot."""
    who, time = calls
    count = len(provider)
    base, ip = 0, np.zeros(len(who), np.int64)
    for number, net in enumerate(plan.providers):
        mine = np.flatnonzero(provider[who] == number)
        lease = _lease(rng, net, (who[mine], time[mine]), (count, plan.days))
        _, inverse = np.unique(who[mine] * 100_000 + lease, return_inverse=True)
        members = max(1, int((provider == number).sum()))
        size = max(16, int(members * net.pool))
        drawn = (
            rng.permutation(size)[:0]
            if not len(mine)
            else rng.integers(0, size, int(inverse.max()) + 1)
        )
        ip[mine] = base + drawn[inverse]
        base += size
    sharing = rng.random(count) < plan.shared
    gateways = max(1, round(plan.shared * count / plan.sharers / len(plan.providers)))
    gateway = base + provider * gateways + rng.integers(0, gateways, count)
    return np.where(sharing[who], gateway[who], ip)


def _lease(
    rng: np.random.Generator,
    net: Provider,
    calls: tuple[Numbers, Numbers],
    size: tuple[int, int],
) -> Numbers:
    """Return which of its bot's leases each call falls in."""
    who, time = calls
    count, days = size
    if net.lease <= 0:
        return np.zeros(len(who), np.int64)
    length = net.lease * HOUR
    if net.fixed:
        return np.asarray((time + rng.random(count)[who] * length) // length, dtype=np.int64)
    window = days * DAY
    changes = rng.poisson(window / length, count)
    moment = rng.random(int(changes.sum())) * window
    key = np.sort(np.repeat(np.arange(count), changes) * (2 * window) + moment)
    return np.searchsorted(key, who * (2 * window) + time)


def _peak(plan: Population, start: Numbers, end: Numbers) -> int:
    ticks = np.arange(0, plan.days * DAY, 900.0)
    online = np.searchsorted(np.sort(start), ticks, "right") - np.searchsorted(
        np.sort(end), ticks, "right"
    )
    return int(online.max(initial=0))


def _busiest(time: Numbers, who: Numbers, count: int) -> int:
    pairs = np.unique((time // HOUR).astype(np.int64) * count + who)
    return int(np.bincount(pairs // count).max(initial=0)) if len(pairs) else 0


def drawn(seed: int, sizes: Callable[[np.random.Generator], int] | None = None) -> Population:
    """Return a population drawn at random from a wide range of habits, paces, leases and windows."""
    rng = np.random.default_rng(seed)
    size = int(np.exp(rng.uniform(np.log(500), np.log(4_000)))) if sizes is None else sizes(rng)
    leases = [6.0, 12.0, 24.0, 48.0, 96.0, 168.0]
    nets = tuple(
        Provider(
            asn=64_500 + n,
            lease=float(rng.choice(leases)),
            fixed=bool(rng.random() < 0.6),
            pool=float(np.exp(rng.uniform(np.log(10), np.log(300)))),
        )
        for n in range(int(rng.choice([1, 1, 2, 4])))
    )
    return Population(
        bots=size,
        days=int(rng.choice([7, 14, 21, 28])),
        seed=seed,
        providers=nets,
        shared=0.2,
        sharers=float(np.exp(rng.uniform(np.log(4), np.log(40)))),
        always_on=float(rng.choice([0.0, 0.2, 0.5, 1.0])),
        awake=float(rng.uniform(5, 16)),
        peak_hour=float(rng.uniform(0, 24)),
        hours_spread=float(rng.choice([2.0, 4.0, 24.0])),
        jitter_hours=float(rng.uniform(0.2, 2.0)),
        active_days=float(rng.choice([1.0, 1.0, 0.9, 0.7])),
        weekend=float(rng.choice([1.0, 1.0, 0.6])),
        life_days=float(rng.choice([0.0, 0.0, 0.0, 90.0, 40.0])),
        pace=float(np.exp(rng.uniform(np.log(0.2), np.log(4)))),
        regular=bool(rng.random() < 0.6),
        pace_jitter=float(rng.uniform(0.0, 0.8)),
        pace_spread=float(rng.choice([0.0, 0.3])),
    )
