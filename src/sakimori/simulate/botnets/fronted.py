"""An implant behind a content network: shared addresses, a browser's fingerprint, a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Infection
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import merged
from sakimori.simulate.programs import browsers
from sakimori.simulate.traffic import Flow, Handshake, Lookup, encrypted, lookups

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "fronted"
DOES = "calls a content network's shared addresses over TLS, under a customer name of its own"
TECHNIQUE = "T1090.004"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD, JITTER = 300.0, 0.4
_LABEL = 13  # letters of a customer's name


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return calls to addresses that thousands use, under a name that only the bots use.

    The name alone is the controller: the addresses are the content network's.
    """
    edge = world.directory.groups["edge"]
    apex = world.directory.names[edge[0]].partition(".")[2]
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), _LABEL).tolist()
    name = f"d{''.join(letters)}.{apex}"
    ts, src = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    n = len(ts)
    told = world.directory.addresses[edge[rng.integers(0, len(edge), n)], 0]
    asked = Lookup(
        ts=np.maximum(ts - rng.uniform(0.01, 0.04, n), world.start),
        client=src,
        server=world.server("resolver"),
        query=np.full(n, name, dtype=object),
        answers=told,
        ttl=60.0,
        rtt=0.009,
    )
    worked = rng.random(n) < 0.05
    flow = Flow(
        ts=ts,
        src=src,
        dst=told,
        port=443,
        service="ssl",
        sent=1100 + rng.integers(0, 300, n) + worked * rng.integers(2000, 90_000, n),
        received=4300 + rng.integers(0, 200, n) + worked * rng.integers(500, 30_000, n),
        seconds=rng.lognormal(np.log(0.3), 0.4, n),
    )
    hello = Handshake(name=np.full(n, name, dtype=object), client=browsers(src))
    return Infection(merged([lookups(rng, asked), encrypted(rng, flow, hello)]), (name,))
