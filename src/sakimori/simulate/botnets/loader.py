"""A loader: checks in with a gate and fetches programs from a bare address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Request, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import Den, World

NAME = "loader"
DOES = "checks in by HTTP every half hour and downloads programs from a bare address"
TECHNIQUE = "T1105"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD, JITTER = 1800.0, 0.3
MODULES_A_DAY = 2
_AGENT = "WinHTTP loader/1.0"
_MODULES = (("/files/svc32.exe", 287_232), ("/pic/logo1.jpg", 1_094_656), ("/m/p64.dll", 151_552))


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return check-ins with a gate, and programs fetched from a bare address (one as a picture)."""
    gate, shelf = Home(den.names[0], den.addresses[0]), den.addresses[1]
    ts, src = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    n = len(ts)
    flow = Flow(
        ts=ts, src=src, dst=gate.address, port=80, seconds=rng.lognormal(np.log(0.4), 0.3, n)
    )
    request = Request(
        host=np.full(n, gate.name, dtype=object),
        method="POST",
        uri="/gate/in.php",
        agent=_AGENT,
        mime="text/plain",
        body=rng.integers(96, 128, n),
        answer=12,
    )
    events = merged(
        [
            found(world, rng, gate, (ts, src)),
            requested(rng, flow, request),
            _modules(rng, shelf, (ts, src), world.plan.days * len(den.hosts) * MODULES_A_DAY),
        ]
    )
    return Infection(events, (gate.address, gate.name, shelf))


def _modules(rng: Generator, shelf: str, calls: tuple[Column, Column], count: int) -> Events:
    """Return downloads right after some of the check-ins."""
    ts, src = calls
    told = rng.permutation(len(ts))[:count]
    what = rng.integers(0, len(_MODULES), len(told)).tolist()
    flow = Flow(
        ts=ts[told] + rng.uniform(0.6, 2.5, len(told)),
        src=src[told],
        dst=shelf,
        port=80,
        seconds=rng.uniform(0.8, 4, len(told)),
    )
    request = Request(
        host=np.full(len(told), shelf, dtype=object),
        uri=texts_of([_MODULES[i][0] for i in what]),
        agent=_AGENT,
        mime="application/x-dosexec",
        answer=np.array([_MODULES[i][1] for i in what], dtype=np.int64),
    )
    return requested(rng, flow, request)
