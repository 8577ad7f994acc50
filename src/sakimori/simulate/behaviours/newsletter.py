"""A letter to all staff with a link: within minutes many open one page that nobody opened before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.programs import browsers
from sakimori.simulate.visits import Visit, over_tls

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.events import Events
    from sakimori.simulate.world import World

NAME = "newsletter"
HOURS = (9.5, 11.5)  # of the day, between which it arrives
FIRST_PAGE = 9  # of the rare names
CURIOUS = 0.4
SOON = 300.0  # s, mean until it is opened


def events(world: World, rng: Generator) -> Events:
    """Return the visits to the page; each day's letter has another."""
    vendors = world.directory.groups["vendor"]
    moments, sources, rows = [np.empty(0)], [np.empty(0, dtype=object)], [np.empty(0, dtype=int)]
    users = world.of("desktop", "laptop", "phone")
    for day in range(world.plan.days):
        at = world.start + day * DAY + rng.uniform(*HOURS) * HOUR
        there = [h.address for h in users if any(a <= at < b for a, b in h.used)]
        who = np.array(there, dtype=object)[rng.random(len(there)) < CURIOUS]
        of = np.repeat(np.arange(len(who)), 1 + rng.poisson(4, len(who)))
        moments.append((at + rng.exponential(SOON, len(who)))[of] + rng.uniform(0, 20, len(of)))
        sources.append(who[of])
        rows.append(np.repeat(vendors[FIRST_PAGE + day % 4], len(of)))
    src = np.concatenate(sources)
    n = len(src)
    return over_tls(
        world,
        rng,
        Visit(
            ts=np.concatenate(moments),
            src=src,
            row=np.concatenate(rows),
            sent=rng.lognormal(np.log(1800), 0.5, n),
            received=rng.lognormal(np.log(60_000), 1.0, n),
            seconds=rng.lognormal(np.log(2), 1.0, n),
            client=browsers(src),
        ),
    )
