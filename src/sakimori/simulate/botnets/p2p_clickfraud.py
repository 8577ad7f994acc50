"""A peer-to-peer botnet without controllers, whose bots click on advertisements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.web import popular
from sakimori.simulate.botnets._contract import Infection
from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Request, connections
from sakimori.simulate.visits import Visit, over_http

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "p2p-clickfraud"
DOES = "exchanges small UDP messages with hundreds of peers on one port and clicks advertisements"
TECHNIQUE = "T1095"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PORT = 16_471
PEERS = 700
CALLS_AN_HOUR = 480.0
CLICKS_AN_HOUR = 45.0
ANSWERED = 0.14
_AGENT = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1)"
_QUESTION, _ANSWER = 16, 568  # bytes


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return calls to peers and clicks, while the computer is awake."""
    return Infection(merged([_peers(den, rng), _clicks(world, den, rng)]), ())


def _peers(den: Den, rng: Generator) -> Events:
    """Return calls to peers known by address: dead ones are asked once more after a while."""
    ts, src = by_host(den.hosts, lambda host: chance(rng, host.on, CALLS_AN_HOUR))
    n = len(ts)
    known = addresses.reserved(rng, PEERS)
    alive = rng.random(PEERS) < ANSWERED
    peer = rng.integers(0, PEERS, n)
    again = ~alive[peer] & (rng.random(n) < 0.4)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            dst=known[peer],
            port=PORT,
            proto="udp",
            state=np.where(alive[peer], "SF", "S0"),
            sent=_QUESTION * (1 + again),
            received=_ANSWER * alive[peer],
            seconds=np.where(again, rng.uniform(1, 4, n), rng.uniform(0.02, 0.4, n)),
            segment=np.where(alive[peer], 600, _QUESTION),
        ),
    )


def _clicks(world: World, den: Den, rng: Generator) -> Events:
    """Return clicks on advertisements of pages that were never opened, and the pages clicked to."""
    ts, src = by_host(den.hosts, lambda host: chance(rng, host.on, CLICKS_AN_HOUR))
    n = len(ts)
    here = world.directory
    pages = "http://" + here.names[popular(rng, here.groups["site"], n)] + "/"
    numbers = rng.integers(10**6, 10**7, n).tolist()
    click = Request(
        host=here.names[rng.choice(here.groups["advert"], n)],
        uri=texts_of([f"/click?c={i}" for i in numbers]),
        agent=_AGENT,
        referrer=pages,
        status=302,
    )
    landing = Request(
        host=here.names[popular(rng, here.groups["site"], n)],
        agent=_AGENT,
        referrer=pages,
        answer=rng.lognormal(np.log(14_000), 1.0, n),
    )
    row_of = {name: row for row, name in enumerate(here.names.tolist())}
    parts = []
    for delay, request in ((0.0, click), (0.5, landing)):
        rows = np.array([row_of[name] for name in request.host.tolist()], dtype=np.int64)
        seconds = rng.lognormal(np.log(0.5), 0.5, n)
        visit = Visit(ts=ts + delay, src=src, row=rows, port=80, seconds=seconds)
        parts.append(over_http(world, rng, visit, request))
    return merged(parts)
