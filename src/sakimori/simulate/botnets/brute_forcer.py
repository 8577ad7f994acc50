"""A bot that guesses passwords of servers outside by SSH, list after list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, LogOn, Request, connections, logged_on, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Den, World

NAME = "brute-forcer"
DOES = "fetches lists of servers by HTTP and tries passwords on them by SSH"
TECHNIQUE = "T1110"
LIVES_ON: tuple[str, ...] = ("desktop", "camera")
LISTS_AN_HOUR = 2.0
TARGETS = (40, 140)  # of a list
TRIES = 6.0  # mean log-ons a server that answers, the first ones in a row
RATE = 1.5  # servers tried a second
_CLIENT = "SSH-2.0-Go"
_SERVERS = ("SSH-2.0-OpenSSH_7.4", "SSH-2.0-OpenSSH_8.9p1", "SSH-2.0-dropbear_2019.78")


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the lists that bots fetch, and the log-ons they try; a result is told with the next."""
    home = Home(den.names[0], den.addresses[0])
    lists = by_host(den.hosts, lambda host: chance(rng, host.on, LISTS_AN_HOUR))
    ts, src = lists
    n = len(ts)
    request = Request(
        host=np.full(n, home.name, dtype=object),
        uri="/l/next",
        agent="Go-http-client/1.1",
        mime="text/plain",
        answer=rng.integers(900, 2600, n),
    )
    flow = Flow(ts=ts, src=src, dst=home.address, port=8080, seconds=0.4)
    tries = [_tried(rng, t, s) for t, s in zip(ts.tolist(), src.tolist(), strict=True)]
    events = merged([found(world, rng, home, lists), requested(rng, flow, request), *tries])
    return Infection(events, (home.address, home.name))


def _tried(rng: Generator, moment: float, source: str) -> Events:
    """Return the log-ons at one list's servers: half of them do not answer."""
    n = int(rng.integers(*TARGETS))
    begun = moment + 1 + np.cumsum(rng.exponential(1 / RATE, n))
    servers = addresses.reserved(rng, n)
    deaf = rng.random(n) < 0.5
    unheard = Flow(
        ts=begun[deaf],
        src=source,
        dst=servers[deaf],
        port=22,
        state=rng.choice(["S0", "REJ"], deaf.sum(), p=[0.7, 0.3]),
        seconds=3.0,
    )
    of = np.repeat(np.flatnonzero(~deaf), rng.geometric(1 / TRIES, (~deaf).sum()))
    order = np.arange(len(of)) - np.searchsorted(of, of)
    m = len(of)
    heard = Flow(
        ts=begun[of] + order * rng.uniform(1.8, 3.2, m),
        src=source,
        dst=servers[of],
        port=22,
        service="ssh",
        sent=rng.integers(1150, 1700, m),
        received=rng.integers(1500, 2300, m),
        seconds=rng.uniform(1.2, 3.5, m),
        state=rng.choice(["SF", "RSTO"], m, p=[0.7, 0.3]),
    )
    said = LogOn(
        success=False,
        attempts=rng.integers(1, 4, m),
        client=_CLIENT,
        server=rng.choice(texts_of(list(_SERVERS)), m),
    )
    return merged([connections(rng, unheard), logged_on(rng, heard, said)])
