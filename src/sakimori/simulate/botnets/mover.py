"""A bot whose controller moves: every few hours another name and address, the last one dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY
from sakimori.simulate.traffic import Flow, Request, connections, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import Den, World

NAME = "mover"
DOES = "polls by HTTP about every two minutes, each few hours another server, the last one gone"
TECHNIQUE = "T1008"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD, JITTER = 120.0, 0.5
HOMES = 4  # a day
TRIES, BETWEEN = 4, 20.0  # unanswered calls to a server that is gone, s between them
_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return calls to the server of the hour; those to the last one go unanswered at first."""
    homes = [
        Home(f"{label}.{name}", address)
        for label, name, address in zip(
            ("static", "img", "js", "api"), den.names, den.addresses, strict=False
        )
    ]
    count = HOMES * world.plan.days
    moves = world.start + (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * DAY / HOMES
    moves[0] = world.start
    ts, src = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    turn = np.searchsorted(moves, ts, side="right") - 1
    parts, used = [], []
    for number in range(count):
        home = homes[number % HOMES]
        calls = (ts[turn == number], src[turn == number])
        if len(calls[0]):
            parts.append(_asked(world, rng, home, calls))
            used += [home.address, home.name]
        if number and len(calls[0]):
            parts.append(_in_vain(rng, homes[(number - 1) % HOMES], calls))
    return Infection(merged(parts), tuple(dict.fromkeys(used)))


def _asked(world: World, rng: Generator, home: Home, calls: tuple[Column, Column]) -> Events:
    ts, src = calls
    n = len(ts)
    flow = Flow(
        ts=ts, src=src, dst=home.address, port=80, seconds=rng.lognormal(np.log(0.5), 0.4, n)
    )
    numbers = rng.integers(10**7, 10**8, n).tolist()
    request = Request(
        host=np.full(n, home.name, dtype=object),
        uri=texts_of([f"/jquery-3.6.{i % 5}.js?v={i}" for i in numbers]),
        agent=_AGENT,
        mime="text/javascript",
        answer=5400 + rng.integers(0, 40, n) + (rng.random(n) < 0.03) * 9000,
    )
    return merged([found(world, rng, home, calls), requested(rng, flow, request)])


def _in_vain(rng: Generator, gone: Home, calls: tuple[Column, Column]) -> Events:
    """Return the last tries of each bot at the server that is gone."""
    ts, src = calls
    first = [ts[src == host].min() for host in dict.fromkeys(src.tolist())]
    hosts = np.array(list(dict.fromkeys(src.tolist())), dtype=object)
    of = np.repeat(np.arange(len(hosts)), TRIES)
    before = BETWEEN * (1 + np.tile(np.arange(TRIES), len(hosts)))
    return connections(
        rng,
        Flow(
            ts=np.array(first)[of] - before + rng.uniform(0, 3, len(of)),
            src=hosts[of],
            dst=gone.address,
            port=80,
            state="S0",
            seconds=3.0,
        ),
    )
