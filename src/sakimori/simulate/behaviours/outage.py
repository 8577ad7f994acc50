"""A portal is down for some minutes, and every program that uses it tries again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.visits import Visit, plainly, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.clock import Spans
    from sakimori.simulate.events import Events
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "outage"
HOURS = (13.5, 16.5)  # of the day, between which it begins
SECONDS = (240.0, 720.0)
AGAIN = (4.0, 30.0)  # s between tries, each program its own


def events(world: World, rng: Generator) -> Events:
    """Return the tries, unanswered or refused, from all computers in use."""
    down = []
    for day in range(world.plan.days):
        begin = world.start + day * DAY + rng.uniform(*HOURS) * HOUR
        down.append((begin, begin + rng.uniform(*SECONDS)))
    ts, src = by_host(
        world.of("desktop", "laptop"),
        lambda host: every(rng, _both(host, tuple(down)), _again(host), 0.3),
    )
    n = len(ts)
    return plainly(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=np.repeat(world.directory.groups["portal"][0], n),
            service="-",
            state=rng.choice(["S0", "REJ"], n, p=[0.7, 0.3]),
            seconds=rng.uniform(0.02, 3, n),
        ),
    )


def _again(host: Host) -> float:
    return AGAIN[0] + share_of(f"again {host.address}") * (AGAIN[1] - AGAIN[0])


def _both(host: Host, down: Spans) -> Spans:
    """Return when the host is used while the portal is down."""
    overlaps = ((max(a, c), min(b, d)) for a, b in host.used for c, d in down)
    return tuple((begin, end) for begin, end in overlaps if begin < end)
