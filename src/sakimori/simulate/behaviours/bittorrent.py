"""BitTorrent on one or two computers: what looks most like a peer-to-peer bot and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.clock import by_host, chance, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Request, connections
from sakimori.simulate.visits import Visit, over_http

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "bittorrent"
LISTENS = 51_413
ANNOUNCE = 1800.0
TABLE_AN_HOUR = 500.0  # questions to the distributed hash table
PEERS_AN_HOUR = 90.0
VISITED_AN_HOUR = 40.0
_DEAD = 0.45  # share of peers that have gone


def events(world: World, rng: Generator) -> Events:
    """Return trackers, the hash table's UDP, and peers on random ports, dead ones among them."""
    users = _users(world)
    return merged(
        [
            _trackers(world, rng, users),
            _table(rng, users),
            _peers(rng, users),
            _micro(rng, users),
            _visited(rng, users),
        ]
    )


def _users(world: World) -> tuple[Host, ...]:
    """Return one user, two where there are many computers."""
    computers = [host for host in world.of("desktop") if host.used]
    return tuple(computers[7 : 8 if len(computers) < 60 else 9])


def _trackers(world: World, rng: Generator, users: tuple[Host, ...]) -> Events:
    ts, src = by_host(users, lambda host: every(rng, host.used, ANNOUNCE, 0.03))
    n = len(ts)
    rows = rng.choice(world.directory.groups["tracker"], n)
    visit = Visit(ts=ts, src=src, row=rows, port=80, seconds=rng.uniform(0.1, 0.9, n))
    request = Request(
        host=world.directory.names[rows],
        uri="/announce?info_hash=%a9%10%fe&port=51413&left=0&compact=1",
        agent="Transmission/4.0.6",
        mime="text/plain",
        answer=rng.integers(90, 1300, n),
    )
    return over_http(world, rng, visit, request)


def _table(rng: Generator, users: tuple[Host, ...]) -> Events:
    """Return questions to nodes anywhere, all from one port; half the nodes are gone."""
    ts, src = by_host(users, lambda host: chance(rng, host.used, TABLE_AN_HOUR))
    n = len(ts)
    known, ports = _crowd(rng, max(1, n // 3))
    node = rng.integers(0, len(known), n)
    dead = (rng.random(len(known)) < _DEAD)[node]
    questions = 1 + rng.poisson(0.4, n)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            sport=LISTENS,
            dst=known[node],
            port=ports[node],
            proto="udp",
            state=np.where(dead, "S0", "SF"),
            sent=rng.integers(92, 110, n) * questions,
            received=np.where(dead, 0, rng.integers(47, 500, n) * questions),
            seconds=np.where(questions > 1, rng.uniform(1, 50, n), rng.uniform(0.02, 0.5, n)),
            segment=500,
        ),
    )


def _crowd(rng: Generator, count: int) -> tuple[Column, Column]:
    """Return addresses and ports of homes; a quarter listens on the old default."""
    ports = np.where(rng.random(count) < 0.25, 6881, rng.integers(10_000, 65_535, count))
    return addresses.reserved(rng, count), ports


def _peers(rng: Generator, users: tuple[Host, ...]) -> Events:
    ts, src = by_host(users, lambda host: chance(rng, host.used, PEERS_AN_HOUR))
    n = len(ts)
    where, ports = _crowd(rng, n)
    state = rng.choice(["S0", "REJ", "SF", "RSTO", "S1"], n, p=[0.5, 0.1, 0.25, 0.1, 0.05])
    talks = np.isin(state, ["SF", "RSTO", "S1"])
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            dst=where,
            port=ports,
            service=np.where(talks & (rng.random(n) < 0.6), "bittorrent", "-"),
            state=state,
            sent=rng.lognormal(np.log(3e5), 2.0, n) * talks,
            received=np.minimum(rng.lognormal(np.log(2e6), 2.2, n), 4e9) * talks,
            seconds=np.where(talks, rng.lognormal(np.log(150), 1.2, n), 3.0),
        ),
    )


def _micro(rng: Generator, users: tuple[Host, ...]) -> Events:
    """Return transfers over UDP."""
    ts, src = by_host(users, lambda host: chance(rng, host.used, PEERS_AN_HOUR / 2))
    n = len(ts)
    where, ports = _crowd(rng, n)
    dead = rng.random(n) < _DEAD
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            sport=LISTENS,
            dst=where,
            port=ports,
            proto="udp",
            state=np.where(dead, "S0", "SF"),
            sent=np.where(dead, 60, rng.lognormal(np.log(2e5), 2.0, n)),
            received=np.where(dead, 0, rng.lognormal(np.log(1e6), 2.0, n)),
            seconds=np.where(dead, rng.uniform(3, 15, n), rng.lognormal(np.log(120), 1.2, n)),
            segment=np.where(dead, 20, 1300),
        ),
    )


def _visited(rng: Generator, users: tuple[Host, ...]) -> Events:
    """Return peers that call in on the listening port."""
    ts, here = by_host(users, lambda host: chance(rng, host.used, VISITED_AN_HOUR))
    n = len(ts)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=addresses.reserved(rng, n),
            dst=here,
            port=LISTENS,
            service=rng.choice(["bittorrent", "-"], n),
            state=rng.choice(["SF", "RSTO", "RSTR"], n),
            sent=rng.lognormal(np.log(4000), 2.0, n),
            received=rng.lognormal(np.log(3e5), 2.2, n),
            seconds=rng.lognormal(np.log(60), 1.5, n),
        ),
    )
