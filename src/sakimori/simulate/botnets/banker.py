"""A banking Trojan: posts what it stole to its gate, and fetches which banks to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Handshake, Request, encrypted, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "banker"
DOES = "posts stolen data to a gate about every 20 minutes and downloads its configuration by HTTP"
TECHNIQUE = "T1071.001"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD = 1200.0
JITTER = 0.3
NEWER_EVERY = 3  # every third bot is of the variant that reports over TLS
_AGENT = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)"


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return reports and configuration downloads; they stop when the computer sleeps."""
    gate = Home(den.names[0], den.addresses[0])
    shelf = Home(f"files.{den.names[1]}", den.addresses[1], ttl=3600.0)
    safe_gate = Home(f"secure.{den.names[2]}", den.addresses[2])
    safe = den.hosts[NEWER_EVERY - 1 :: NEWER_EVERY]
    older = [host for host in den.hosts if host not in safe]
    reports = by_host(older, lambda host: every(rng, host.on, PERIOD, JITTER))
    safe_reports = by_host(safe, lambda host: every(rng, host.on, PERIOD, JITTER))
    fetches = by_host(den.hosts, lambda host: _awakenings(rng, host))
    events = merged(
        [
            found(world, rng, shelf, fetches),
            found(world, rng, gate, reports),
            _fetched(rng, shelf, fetches),
            _reported(rng, gate, reports),
            found(world, rng, safe_gate, safe_reports),
            _reported_safely(rng, safe_gate, safe_reports),
        ]
    )
    controllers = (gate.address, gate.name, shelf.address, shelf.name)
    newer = (safe_gate.address, safe_gate.name) if safe else ()
    return Infection(events, (*controllers, *newer))


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


def _reported_safely(rng: Generator, gate: Home, calls: tuple[Column, Column]) -> Events:
    """Report over TLS, to a server whose certificate is its own and some days old."""
    ts, src = calls
    n = len(ts)
    stolen = rng.random(n) < 0.1
    flow = Flow(
        ts=ts,
        src=src,
        dst=gate.address,
        port=443,
        service="ssl",
        sent=1150 + rng.integers(0, 60, n) + stolen * rng.integers(2000, 40_000, n),
        received=1900 + rng.integers(0, 40, n),
        seconds=rng.lognormal(np.log(0.6), 0.3, n),
    )
    hello = Handshake(
        name=np.full(n, gate.name, dtype=object),
        client="banker",
        tls12=True,
        own_certificate=True,
        subject="CN=example.test,OU=Dep,O=Qarvtu Ltd,L=Aexi,C=XX",
        valid=365,
    )
    return encrypted(rng, flow, hello)
