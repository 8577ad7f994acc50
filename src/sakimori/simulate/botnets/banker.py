"""A banking Trojan: posts what it stole to its gate, and fetches which banks to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Request, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "banker"
DOES = "posts stolen data to a gate by HTTP about every 20 minutes and downloads its configuration"
TECHNIQUE = "T1071.001"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD = 1200.0
JITTER = 0.3
_AGENT = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)"


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return reports and configuration downloads; they stop when the computer sleeps."""
    gate = Home(den.names[0], den.addresses[0])
    shelf = Home(f"files.{den.names[1]}", den.addresses[1], ttl=3600.0)
    reports = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    fetches = by_host(den.hosts, lambda host: _awakenings(rng, host))
    events = merged(
        [
            found(world, rng, shelf, fetches),
            found(world, rng, gate, reports),
            _fetched(rng, shelf, fetches),
            _reported(rng, gate, reports),
        ]
    )
    return Infection(events, (gate.address, gate.name, shelf.address, shelf.name))


def _awakenings(rng: Generator, host: Host) -> Column:
    """Return shortly after each time the computer wakes."""
    begun = np.array([begin for begin, _ in host.on])
    length = np.array([end - begin for begin, end in host.on])
    return begun + np.minimum(rng.uniform(5, 90, len(begun)), 0.5 * length)


def _fetched(rng: Generator, shelf: Home, calls: tuple[Column, Column]) -> Events:
    ts, src = calls
    flow = Flow(ts=ts, src=src, dst=shelf.address, port=80, seconds=0.9)
    request = Request(
        host=np.full(len(ts), shelf.name, dtype=object),
        uri="/images/cfg.bin",
        agent=_AGENT,
        mime="application/octet-stream",
        answer=48_000 + rng.integers(0, 32, len(ts)),
    )
    return requested(rng, flow, request)


def _reported(rng: Generator, gate: Home, calls: tuple[Column, Column]) -> Events:
    ts, src = calls
    n = len(ts)
    stolen = rng.random(n) < 0.1
    flow = Flow(
        ts=ts, src=src, dst=gate.address, port=80, seconds=rng.lognormal(np.log(0.5), 0.3, n)
    )
    request = Request(
        host=np.full(n, gate.name, dtype=object),
        method="POST",
        uri="/panel/gate.php",
        agent=_AGENT,
        body=330 + rng.integers(0, 24, n) + stolen * rng.integers(2000, 40_000, n),
        answer=64,
    )
    return requested(rng, flow, request)
