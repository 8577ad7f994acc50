"""Bots that try the day's generated names until one exists, as Conficker and Simda did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Infection
from sakimori.simulate.clock import every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Lookup,
    Request,
    encrypted,
    lookups,
    requested,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "dga"
DOES = "tries dozens of generated names that do not exist, then checks in with the one that does"
TECHNIQUE = "T1568.002"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD = 3 * HOUR
JITTER = 0.3
NAMES_A_DAY = 250
TRIES = (60, 140)
_SHORTEST_AWAKE = 600.0
_LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return a burst of tries soon after each awakening and every few hours, and the check-ins."""
    calendar = [names_of_day(rng) for _ in range(world.plan.days)]
    address = den.addresses[0]
    looks = [(moment, host.address) for host in den.hosts for moment in _moments(world, rng, host)]
    parts = [_burst(world, rng, look, (calendar, address)) for look in looks]
    days = sorted({_day(world, moment) for moment, _ in looks})
    good = tuple(calendar[day][0] for day in days)
    return Infection(merged(parts), (address, *good))


def names_of_day(rng: Generator) -> Column:
    """Return a day's generated names: 8 to 16 letters. The first is the one that exists."""
    lengths = rng.integers(8, 17, NAMES_A_DAY).tolist()
    ends = rng.choice([".example", ".test"], NAMES_A_DAY).tolist()
    return texts_of(
        ["".join(rng.choice(_LETTERS, k).tolist()) + e for k, e in zip(lengths, ends, strict=True)]
    )


def _moments(world: World, rng: Generator, host: Host) -> list[float]:
    """Return when a bot begins to look; not so late that the night would cut it off."""
    awake = [(a, b) for a, b in host.on if b - a > _SHORTEST_AWAKE]
    first = [begin + rng.uniform(20, 240) for begin, _ in awake]
    later = every(rng, tuple((begin + PERIOD, end) for begin, end in awake), PERIOD, JITTER)
    return [t for t in sorted([*first, *later.tolist()]) if t < world.end - 300]


def _day(world: World, moment: float) -> int:
    return int((moment - world.start) // DAY)


def _burst(
    world: World, rng: Generator, at: tuple[float, str], known: tuple[list[Column], str]
) -> Events:
    (moment, source), (calendar, address) = at, known
    names = calendar[_day(world, moment)]
    count = int(rng.integers(*TRIES))
    tries = rng.permutation(np.arange(1, NAMES_A_DAY))[:count]
    ts = moment + np.cumsum(rng.exponential(0.7, count + 1))
    query = np.append(names[tries], names[0])
    missing = Lookup(
        ts=ts,
        client=source,
        server=world.server("resolver"),
        query=query,
        rcode=np.where(query == names[0], "NOERROR", "NXDOMAIN"),
        answers=np.where(query == names[0], address, "-"),
        ttl=300.0,
    )
    return merged([lookups(rng, missing), _checked_in(rng, ts[-1], source, (names[0], address))])


def _checked_in(rng: Generator, ts: float, source: str, home: tuple[str, str]) -> Events:
    """Check in over TLS, then fetch orders by HTTP."""
    name, address = home
    names = np.array([name], dtype=object)
    hello = Flow(
        ts=np.array([ts + 0.08]),
        src=source,
        dst=address,
        port=443,
        service="ssl",
        sent=980,
        received=2100,
        seconds=0.7,
    )
    fetch = Flow(ts=np.array([ts + 1.1]), src=source, dst=address, port=80, seconds=0.6)
    request = Request(
        host=names,
        uri="/search?q=0",
        agent="Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
        body=180,
        method="POST",
        answer=rng.integers(300, 9000, 1),
    )
    return merged(
        [
            encrypted(rng, hello, Handshake(name=names, client="dga bot", tls12=True)),
            requested(rng, fetch, request),
        ]
    )
