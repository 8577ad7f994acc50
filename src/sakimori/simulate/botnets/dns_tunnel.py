"""A remote shell through the resolver: data in the names asked for and in the texts answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Infection
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.traffic import Lookup, lookups

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import Den, World

NAME = "dns-tunnel"
DOES = "sends data in long random names under one domain, through the resolver"
TECHNIQUE = "T1071.004"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD = 7.0
JITTER = 0.6
_LABEL = 48  # letters
_CODE = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return hundreds of TXT and NULL questions an hour, while the computer is awake.

    Only the domain is named as controller: its server is called by the resolver, not by the bot.
    """
    domain = f"t.{den.names[0]}"
    ts, src = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    n = len(ts)
    second = coded(rng, n, _LABEL // 2)
    query = coded(rng, n, _LABEL) + "." + second + f".{domain}"
    events = lookups(
        rng,
        Lookup(
            ts=ts,
            client=src,
            server=world.server("resolver"),
            query=query,
            qtype=rng.choice(["TXT", "NULL"], n, p=[0.75, 0.25]),
            answers="TXT 96 " + coded(rng, n, 96),
            ttl=0.0,
        ),
    )
    return Infection(events, (domain,))


def coded(rng: Generator, count: int, length: int) -> Column:
    """Return random base32 texts, as encrypted data looks."""
    letters = np.ascontiguousarray(_CODE[rng.integers(0, len(_CODE), (count, length))])
    return letters.view(f"S{length}").ravel().astype("U").astype(object)
