"""Files: shares by day, all backups begun in the same minute at midnight, then the copy off site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, connections
from sakimori.simulate.visits import Visit, over_tls

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "backup"
BEGINS = 60.0  # s after midnight
MINUTE = 45.0  # s within which all begin
OFF_SITE = 3 * HOUR
SHARES_AN_HOUR = 6.0


def events(world: World, rng: Generator) -> Events:
    """Return file shares in use, nightly backups and the copy off site."""
    return merged([_shares(world, rng), _nightly(world, rng), _off_site(world, rng)])


def _shares(world: World, rng: Generator) -> Events:
    ts, src = by_host(
        world.of("desktop", "laptop"), lambda host: chance(rng, host.used, SHARES_AN_HOUR)
    )
    n = len(ts)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            dst=world.server("files"),
            port=445,
            service="smb",
            sent=rng.lognormal(np.log(9000), 1.6, n),
            received=rng.lognormal(np.log(60_000), 2.0, n),
            seconds=rng.lognormal(np.log(20), 1.3, n),
        ),
    )


def _nightly(world: World, rng: Generator) -> Events:
    """Back up each host that is awake then to the file server."""
    begins = world.start + BEGINS + DAY * np.arange(world.plan.days)

    def draw(host: Host) -> Column:
        times = begins + rng.uniform(0, MINUTE, len(begins))
        awake = [any(begin <= t < end for begin, end in host.on) for t in times.tolist()]
        return times.compress(awake)

    ts, src = by_host(world.of("desktop", "mail", "web", "resolver"), draw)
    size = np.minimum(rng.lognormal(np.log(4e8), 1.2, len(ts)), 4e10)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=src,
            dst=world.server("files"),
            port=10_051,
            sent=size,
            received=size / 900,
            seconds=size / 6e7 + 3,
        ),
    )


def _off_site(world: World, rng: Generator) -> Events:
    ts = world.start + OFF_SITE + DAY * np.arange(world.plan.days) + rng.uniform(0, 60)
    size = rng.lognormal(np.log(8e9), 0.3, len(ts))
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=np.full(len(ts), world.server("files"), dtype=object),
            row=np.repeat(world.directory.groups["offsite"], len(ts)),
            sent=size,
            received=size / 1000,
            seconds=size / 2e7,
            client="backup",
        ),
    )
