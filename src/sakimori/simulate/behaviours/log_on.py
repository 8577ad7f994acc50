"""Log-on: within minutes of the bell everybody asks the directory, opens shares and the same portals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DOMAIN
from sakimori.simulate.programs import browsers
from sakimori.simulate.traffic import Flow, Lookup, connections, lookups
from sakimori.simulate.visits import Visit, over_tls

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "log-on"
DIRECTORY = ((88, "krb_tcp", 1600, 1500), (389, "ldap", 2400, 5200), (135, "dce_rpc", 600, 500))
_SERVICES = tuple(f"_{name}._tcp.dc._msdcs.{DOMAIN}" for name in ("ldap", "kerberos", "gc"))


def events(world: World, rng: Generator) -> Events:
    """Return what a computer does each time its user comes to it, the more in the morning."""
    pairs = [
        (begin, host.address, begin == first)
        for host in world.of("desktop", "laptop")
        for begin, first in _arrivals(world, host)
    ]
    at = np.array([moment for moment, _, _ in pairs], dtype=np.float64)
    src = np.array([address for _, address, _ in pairs], dtype=object)
    morning = np.array([first for _, _, first in pairs], dtype=bool)
    return merged(
        [
            _asked(world, rng, at, src),
            _directory(world, rng, at, src),
            _portals(world, rng, at[morning], src[morning]),
        ]
    )


def _arrivals(world: World, host: Host) -> list[tuple[float, float]]:
    """Return when a host's user comes, and beside it the day's first such moment."""
    days: dict[int, float] = {}
    return [
        (begin, days.setdefault(int((begin - world.start) // 86_400), begin))
        for begin, _ in host.used
    ]


def _asked(world: World, rng: Generator, at: Column, src: Column) -> Events:
    """Return the questions for the directory's services."""
    of = np.repeat(np.arange(len(at)), len(_SERVICES))
    server = world.server("resolver")
    return lookups(
        rng,
        Lookup(
            ts=at[of] + rng.uniform(0.5, 4, len(of)),
            client=src[of],
            server=server,
            query=np.tile(texts_of(list(_SERVICES)), len(at)),
            qtype="SRV",
            answers=world.of("resolver")[0].name,
            ttl=600.0,
            rtt=0.0008,
        ),
    )


def _directory(world: World, rng: Generator, at: Column, src: Column) -> Events:
    parts = []
    for port, service, sent, received in DIRECTORY:
        of = np.repeat(np.arange(len(at)), 1 + rng.poisson(2.5, len(at)))
        n = len(of)
        flow = Flow(
            ts=at[of] + 4 + rng.exponential(25, n),
            src=src[of],
            dst=world.server("resolver"),
            port=port,
            service=service,
            sent=sent + rng.integers(0, 300, n),
            received=received + rng.integers(0, 900, n),
            seconds=rng.lognormal(np.log(0.05), 1.2, n),
        )
        parts.append(connections(rng, flow))
    return merged(parts)


def _portals(world: World, rng: Generator, at: Column, src: Column) -> Events:
    """Return the first pages of the day: each portal's, with several connections."""
    rows = world.directory.groups["portal"]
    of = np.repeat(np.arange(len(at)), 3 * len(rows))
    n = len(of)
    return over_tls(
        world,
        rng,
        Visit(
            ts=at[of] + 40 + rng.exponential(120, n),
            src=src[of],
            row=np.tile(np.repeat(rows, 3), len(at)),
            sent=rng.lognormal(np.log(2600), 0.6, n),
            received=rng.lognormal(np.log(40_000), 1.1, n),
            seconds=rng.lognormal(np.log(1.2), 1.0, n),
            client=browsers(src[of]),
        ),
    )
