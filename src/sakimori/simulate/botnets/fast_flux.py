"""A controller behind other bots: one name whose addresses change every minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Infection
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import merged
from sakimori.simulate.traffic import Flow, Lookup, Request, connections, lookups, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "fast-flux"
DOES = "posts by HTTP to one name that is answered with other addresses each time"
TECHNIQUE = "T1568.001"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD, JITTER = 600.0, 0.3
PROXIES = 400
TOLD = 5  # addresses an answer
TTL = 60.0
_GONE = 0.12  # share of proxies that are off when called


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return calls to one name, each time at other homes' addresses."""
    name = den.names[0]
    ts, src = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    n = len(ts)
    proxies = addresses.reserved(rng, PROXIES)
    told = proxies[rng.integers(0, PROXIES, (n, TOLD))]
    asked = Lookup(
        ts=np.maximum(ts - rng.uniform(0.02, 0.2, n), world.start),
        client=src,
        server=world.server("resolver"),
        query=np.full(n, name, dtype=object),
        answers=texts_of([",".join(dict.fromkeys(row)) for row in told.tolist()]),
        ttl=TTL,
    )
    gone = rng.random(n) < _GONE
    vain = Flow(ts=ts[gone], src=src[gone], dst=told[gone, 0], port=80, state="S0", seconds=3.0)
    m = int((~gone).sum())
    flow = Flow(
        ts=ts[~gone],
        src=src[~gone],
        dst=told[~gone, 1],
        port=80,
        seconds=rng.lognormal(np.log(0.9), 0.5, m),
    )
    request = Request(
        host=np.full(m, name, dtype=object),
        method="POST",
        uri="/index.php",
        agent="Mozilla/5.0 (Windows NT 6.3; rv:31.0) Gecko/20100101 Firefox/31.0",
        mime="text/plain",
        body=220 + rng.integers(0, 60, m),
        answer=rng.integers(90, 700, m),
    )
    events = merged([lookups(rng, asked), connections(rng, vain), requested(rng, flow, request)])
    return Infection(events, (name, *sorted(set(flow.dst.tolist()))))
