"""Video calls: two long UDP flows, to a relay or straight to the other party's home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, connections
from sakimori.simulate.visits import Visit, over_tls, plainly

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "calls"
CALLS_AN_HOUR = 0.16
RATE = 110_000.0  # bytes a second, each way
MEETINGS = (9.5, 11.0, 14.0, 15.5)  # hours of the day
JOINS = 0.2  # share of those at work
PROBES = 4  # tries to reach the other party directly, before a call


def events(world: World, rng: Generator) -> Events:
    """Return signalling, media, and the short probes by which the parties find each other."""
    users = world.of("desktop", "laptop", "phone")
    ts, src = by_host(users, lambda host: chance(rng, host.used, CALLS_AN_HOUR))
    seconds = np.minimum(rng.lognormal(np.log(1100), 0.8, len(ts)), 2.5 * 3600)
    rows = rng.choice(world.directory.groups["calls"], len(ts))
    met = _meetings(world, rng, users)
    return _called(
        world,
        rng,
        (np.concatenate([ts, met[0]]), np.concatenate([src, met[1]])),
        (np.concatenate([rows, met[2]]), np.concatenate([seconds, met[3]])),
    )


def _meetings(
    world: World, rng: Generator, users: tuple[Host, ...]
) -> tuple[Column, Column, Column, Column]:
    """Return when, who, where and how long: many join one relay at the same minute."""
    parts = [(np.empty(0), np.empty(0, dtype=object), np.empty(0, dtype=int), np.empty(0))]
    for day in range(world.plan.days):
        for hour in MEETINGS:
            at = world.start + day * DAY + hour * HOUR
            there = [h.address for h in users if any(a <= at < b for a, b in h.used)]
            who = np.array(there, dtype=object)[rng.random(len(there)) < JOINS]
            ts = at + rng.normal(0, 35, len(who))
            length = rng.uniform(1500, 3400) + rng.normal(0, 20, len(who))
            row = rng.choice(world.directory.groups["calls"])
            parts.append((ts, who, np.repeat(row, len(who)), length))
    when, people, rows, seconds = zip(*parts, strict=True)
    return (
        np.concatenate(when),
        np.concatenate(people),
        np.concatenate(rows),
        np.concatenate(seconds),
    )


def _called(
    world: World,
    rng: Generator,
    calls: tuple[Column, Column],
    to: tuple[Column, Column],
) -> Events:
    (ts, src), (row, seconds) = calls, to
    n = len(ts)
    signalling = Visit(
        ts=ts,
        src=src,
        row=row,
        sent=9000 + 20 * seconds,
        received=14_000 + 25 * seconds,
        seconds=seconds + 8,
        client="calls",
    )
    media = Visit(
        ts=ts + 4,
        src=src,
        row=row,
        port=np.where(rng.random(n) < 0.5, 3478, rng.integers(50_000, 50_060, n)),
        proto="udp",
        service="stun",
        sent=RATE * seconds * rng.uniform(0.3, 1.1, n),
        received=RATE * seconds * rng.uniform(0.5, 2.0, n),
        seconds=seconds,
        segment=1000,
    )
    return merged(
        [
            over_tls(world, rng, signalling),
            plainly(world, rng, media),
            _probes(rng, ts + 3, src),
        ]
    )


def _probes(rng: Generator, ts: Column, src: Column) -> Events:
    of = np.repeat(np.arange(len(ts)), PROBES)
    answered = rng.random(len(of)) < 0.3
    return connections(
        rng,
        Flow(
            ts=ts[of] + rng.uniform(0, 1, len(of)),
            src=src[of],
            dst=addresses.reserved(rng, len(of)),
            port=rng.integers(20_000, 60_000, len(of)),
            proto="udp",
            state=np.where(answered, "SF", "S0"),
            sent=100 * rng.integers(1, 8, len(of)),
            received=np.where(answered, 100, 0),
            seconds=rng.uniform(0.02, 3, len(of)),
            segment=100,
        ),
    )
