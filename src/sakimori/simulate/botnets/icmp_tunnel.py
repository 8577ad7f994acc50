"""A remote shell inside echo requests and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Infection, off_after
from sakimori.simulate.clock import chance
from sakimori.simulate.events import merged
from sakimori.simulate.traffic import Flow, connections

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "icmp-tunnel"
DOES = "carries a shell in ICMP echo requests to one address without a name"
TECHNIQUE = "T1095"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
SESSIONS_AN_HOUR = 0.8
SECONDS = (120.0, 2400.0)
ECHO, CODE = 8, 0


def infect(_world: World, den: Den, rng: Generator) -> Infection:
    """Return sessions of echo requests that carry data; the other side has no name."""
    there = den.addresses[0]
    parts = []
    for host in den.hosts:
        ts = chance(rng, host.on, SESSIONS_AN_HOUR)
        n = len(ts)
        left = np.array([off_after(host, t) for t in ts.tolist()], dtype=np.float64) - ts
        seconds = np.minimum(rng.uniform(*SECONDS, n), np.maximum(left, 1.0))
        flow = Flow(
            ts=ts,
            src=host.address,
            dst=there,
            sport=ECHO,
            port=CODE,
            proto="icmp",
            state="OTH",
            sent=seconds * rng.uniform(60, 900, n),
            received=seconds * rng.uniform(80, 6000, n),
            seconds=seconds,
            segment=1000,
        )
        parts.append(connections(rng, flow))
    return Infection(merged(parts), (there,))
