"""An implant that asks for orders over TLS, by default every 60 s give or take a fifth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import merged
from sakimori.simulate.traffic import Flow, Handshake, encrypted

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "beacon"
DOES = "calls one server over TLS at nearly even intervals and fetches small orders"
TECHNIQUE = "T1071.001"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
ORDERED = 0.02  # share of calls that carry out an order and send its result


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the implants' calls, at `Plan.beacon_period` and `beacon_jitter`, while awake."""
    plan = world.plan
    home = Home(f"cdn.{den.names[0]}", den.addresses[0])
    ts, src = by_host(
        den.hosts, lambda host: every(rng, host.on, plan.beacon_period, plan.beacon_jitter)
    )
    n = len(ts)
    ordered = rng.random(n) < ORDERED
    flow = Flow(
        ts=ts,
        src=src,
        dst=home.address,
        port=443,
        service="ssl",
        sent=760 + rng.integers(0, 40, n) + ordered * rng.integers(2000, 90_000, n),
        received=1450 + rng.integers(0, 60, n) + ordered * rng.integers(500, 30_000, n),
        seconds=rng.lognormal(np.log(0.25), 0.25, n),
    )
    hello = Handshake(
        name=np.full(n, home.name, dtype=object),
        client="implant",
        tls12=True,
        own_certificate=True,
    )
    events = merged([found(world, rng, home, (ts, src)), encrypted(rng, flow, hello)])
    return Infection(events, (home.address, home.name))
