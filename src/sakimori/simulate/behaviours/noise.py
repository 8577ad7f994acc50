"""What happens anyway: names mistyped or completed wrongly, visitors, and the Internet's scanning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.web import popular
from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DOMAIN
from sakimori.simulate.programs import browsers
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Lookup,
    Request,
    connections,
    encrypted,
    lookups,
    requested,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import World

NAME = "noise"
TYPOS_AN_HOUR = 0.6
SUFFIXED_AN_HOUR = 2.5
RADIATION_AN_HOUR = 260.0
VISITORS_AN_HOUR = 90.0
PUBLIC_NAME = "www.corp.test"
_PORTS = (22, 23, 80, 443, 445, 1433, 3389, 5060, 5900, 6379, 8080)


def events(world: World, rng: Generator) -> Events:
    """Return names that do not exist, scans from outside, and visitors to the public site."""
    return merged([_missing(world, rng), _radiation(world, rng), _visitors(world, rng)])


def _missing(world: World, rng: Generator) -> Events:
    users = world.of("desktop", "laptop", "phone")
    typed, who = by_host(users, lambda host: chance(rng, host.used, TYPOS_AN_HOUR))
    added, whose = by_host(users, lambda host: chance(rng, host.on, SUFFIXED_AN_HOUR))
    ts = np.concatenate([typed, added])
    sites = world.directory.names[popular(rng, world.directory.groups["site"], len(ts))]
    mistyped = [_typo(name, rng) for name in sites[: len(typed)].tolist()]
    suffixed = [f"{name}.{DOMAIN}" for name in sites[len(typed) :].tolist()]
    return lookups(
        rng,
        Lookup(
            ts=ts,
            client=np.concatenate([who, whose]),
            server=world.server("resolver"),
            query=texts_of(mistyped + suffixed),
            rcode="NXDOMAIN",
        ),
    )


def _typo(name: str, rng: Generator) -> str:
    """Return the name with two neighbouring letters of its first long label exchanged."""
    labels = name.split(".")
    word = labels[-2]
    at = int(rng.integers(0, len(word) - 1))
    labels[-2] = word[:at] + word[at + 1] + word[at] + word[at + 2 :] + "e"
    return ".".join(labels)


def _public(world: World, rng: Generator, count: int) -> Column:
    return rng.choice(texts_of([world.server("web"), world.server("mail")]), count)


def _radiation(world: World, rng: Generator) -> Events:
    ts = chance(rng, world.always, RADIATION_AN_HOUR)
    n = len(ts)
    scanners = addresses.reserved(rng, max(1, n // 6))
    return connections(
        rng,
        Flow(
            ts=ts,
            src=rng.choice(scanners, n),
            dst=_public(world, rng, n),
            port=rng.choice(_PORTS, n),
            state=rng.choice(["S0", "REJ", "OTH"], n, p=[0.75, 0.2, 0.05]),
            seconds=rng.uniform(0.0001, 9, n),
        ),
    )


def _visitors(world: World, rng: Generator) -> Events:
    ts = chance(rng, world.always, VISITORS_AN_HOUR)
    n = len(ts)
    homes = addresses.reserved(rng, n)
    plain = rng.random(n) < 0.1
    received = rng.lognormal(np.log(30_000), 1.3, n)
    safe = Flow(
        ts=ts[~plain],
        src=homes[~plain],
        dst=world.server("web"),
        port=443,
        service="ssl",
        sent=rng.lognormal(np.log(1800), 0.6, n)[~plain],
        received=received[~plain],
        seconds=rng.lognormal(np.log(2), 1, n)[~plain],
    )
    open_to_all = Flow(
        ts=ts[plain],
        src=homes[plain],
        dst=world.server("web"),
        port=80,
        seconds=rng.lognormal(np.log(2), 1, n)[plain],
    )
    hello = Handshake(name=np.full((~plain).sum(), PUBLIC_NAME, dtype=object), client="visitor")
    request = Request(
        host=np.full(plain.sum(), PUBLIC_NAME, dtype=object),
        agent=browsers(homes[plain]),
        answer=received[plain],
    )
    return merged([encrypted(rng, safe, hello), requested(rng, open_to_all, request)])
