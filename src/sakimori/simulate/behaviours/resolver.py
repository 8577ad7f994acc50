"""The resolver asks the outside what its clients asked it and it had not cached."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.events import LINK, Events
from sakimori.simulate.organisation import DOMAIN
from sakimori.simulate.traffic import Lookup, lookups, mapped
from sakimori.simulate.visits import uncached

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import World

NAME = "resolver"
NAME_SERVERS = 90
NEGATIVE_TTL = 900.0  # s a name that does not exist is remembered


def events(world: World, rng: Generator, seen: Events) -> Events:
    """Return the resolver's questions to authoritative servers, one server for each domain.

    They lie within the client's wait, and are as telling as its question: a tunnel's and a
    generated name's too.
    """
    asked, conn = seen.logs["dns"], seen.logs["conn"]
    outer = mapped(asked["query"], lambda name: not name.endswith(DOMAIN), bool)
    of = np.flatnonzero(outer & (conn["dst"][asked[LINK]] == world.server("resolver")))
    ttl = np.where(asked["rcode_name"][of] == "NXDOMAIN", NEGATIVE_TTL, asked["ttl"][of])
    names, kinds = asked["query"][of], asked["qtype_name"][of]
    missed = uncached(asked["ts"][of], [names, kinds], ttl)
    row = of[missed]
    servers = addresses.benchmark(rng, NAME_SERVERS).tolist()
    return lookups(
        rng,
        Lookup(
            ts=asked["ts"][row] + 0.15 * asked["rtt"][row],
            client=world.server("resolver"),
            server=mapped(asked["query"][row], lambda name: servers[_slot(name)]),
            query=asked["query"][row],
            qtype=asked["qtype_name"][row],
            rcode=asked["rcode_name"][row],
            answers=asked["answers"][row],
            ttl=asked["ttl"][row],
            rtt=0.7 * asked["rtt"][row],
            recursive=False,
        ),
    )


def _slot(name: str) -> int:
    """Return which server knows a name: by its last two labels."""
    return zlib.crc32(".".join(name.rsplit(".", 2)[-2:]).encode()) % NAME_SERVERS
