"""An implant that sleeps for hours, and calls every few seconds while its operator is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found, off_after
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import merged
from sakimori.simulate.organisation import HOUR
from sakimori.simulate.traffic import Flow, Handshake, encrypted

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "sleeper"
DOES = (
    "calls over TLS every few hours, and every few seconds for minutes when its operator is there"
)
TECHNIQUE = "T1029"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
CALLS_A_DAY = 4.0  # of the long sleep, wherever the machine may be then
TALK = 0.5  # share of calls that an operator answers
PERIOD, JITTER = 5.0, 0.5  # while somebody talks to it
SECONDS = (240.0, 1500.0)


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return rare calls, and after some of them minutes of frequent ones."""
    home = Home(f"api.{den.names[0]}", den.addresses[0])
    ts, src = by_host(den.hosts, lambda host: _calls(world, rng, host))
    n = len(ts)
    talks = rng.random(n) < 0.1
    flow = Flow(
        ts=ts,
        src=src,
        dst=home.address,
        port=443,
        service="ssl",
        sent=900 + rng.integers(0, 260, n) + talks * rng.integers(1000, 200_000, n),
        received=1700 + rng.integers(0, 400, n) + talks * rng.integers(500, 60_000, n),
        seconds=rng.lognormal(np.log(0.35), 0.4, n),
    )
    names = np.full(n, home.name, dtype=object)
    hello = Handshake(name=names, client="sleeper")
    events = merged([found(world, rng, home, (ts, src)), encrypted(rng, flow, hello)])
    return Infection(events, (home.address, home.name))


def _calls(world: World, rng: Generator, host: Host) -> Column:
    """Return the calls of one host: on waking, when the sleep is over, and while talked to."""
    woken = [begin + rng.uniform(30, 900) for begin, end in host.on if end - begin > HOUR][:1]
    due = every(rng, world.always, 24 * HOUR / CALLS_A_DAY, JITTER).tolist()
    calls = [t for t in [*woken, *due] if any(begin <= t < end for begin, end in host.on)]
    parts = [np.array(calls, dtype=np.float64)]
    for t in calls:
        if rng.random() < TALK:
            until = min(t + rng.uniform(*SECONDS), off_after(host, t))
            parts.append(every(rng, ((t, until),), PERIOD, JITTER))
    return np.concatenate(parts)
