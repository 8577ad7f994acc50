"""Programs that nearly every computer runs and that call home like clockwork: antivirus, telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.visits import Visit, over_tls, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import World

NAME = "agents"
LOOKUP_PERIOD = 300.0
TELEMETRY_PERIOD = 1200.0
_WITHOUT_ANTIVIRUS = 0.05


def events(world: World, rng: Generator) -> Events:
    """Return cloud look-ups every 5 minutes and telemetry every 10 to 40."""
    return merged([_antivirus(world, rng), _telemetry(world, rng)])


def _antivirus(world: World, rng: Generator) -> Events:
    guarded = [
        host
        for host in world.of("desktop", "laptop", "files", "mail", "web")
        if share_of(f"antivirus {host.address}") > _WITHOUT_ANTIVIRUS
    ]
    ts, src = by_host(guarded, lambda host: every(rng, host.on, LOOKUP_PERIOD, 0.04))
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=rng.choice(world.directory.groups["antivirus"], len(ts)),
            sent=1150 + rng.integers(0, 90, len(ts)),
            received=3900 + rng.integers(0, 160, len(ts)),
            seconds=rng.lognormal(np.log(0.3), 0.3, len(ts)),
            client="antivirus",
        ),
    )


def _telemetry(world: World, rng: Generator) -> Events:
    machines = world.of("desktop", "laptop", "phone", "web")
    ts, src = by_host(
        machines,
        lambda host: every(
            rng, host.on, TELEMETRY_PERIOD * (0.5 + 1.5 * share_of(f"t {host.address}")), 0.15
        ),
    )
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=rng.choice(world.directory.groups["telemetry"], len(ts)),
            sent=rng.lognormal(np.log(6000), 0.8, len(ts)),
            received=rng.lognormal(np.log(4200), 0.2, len(ts)),
            seconds=rng.lognormal(np.log(0.8), 0.5, len(ts)),
            client="telemetry",
        ),
    )
