"""Agents that call home on a fixed period: everybody's telemetry, and the few of the IT department."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.visits import Visit, over_tls, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import World

NAME = "telemetry"
PERIOD = 1200.0
DEPARTMENT = 5  # computers with the sensor that is being tried out
SENSOR_PERIOD = 60.0
PUSHED_AT = (10.4, 15.7)  # hours of the day: the console tells all sensors to update


def events(world: World, rng: Generator) -> Events:
    """Return telemetry every 10 to 40 minutes, and the department's sensor."""
    return merged([_everywhere(world, rng), _sensors(world, rng), _pushed(world, rng)])


def _everywhere(world: World, rng: Generator) -> Events:
    machines = world.of("desktop", "laptop", "phone", "web")
    ts, src = by_host(
        machines,
        lambda host: every(
            rng, host.on, PERIOD * (0.5 + 1.5 * share_of(f"t {host.address}")), 0.15
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


def _sensors(world: World, rng: Generator) -> Events:
    """Return the sensor's sign of life: even, small, to a name that nobody else calls."""
    ts, src = by_host(
        world.of("desktop")[:DEPARTMENT], lambda host: every(rng, host.on, SENSOR_PERIOD, 0.1)
    )
    n = len(ts)
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=np.repeat(world.directory.groups["vendor"][-1], n),
            sent=900 + rng.integers(0, 700, n) + (rng.random(n) < 0.1) * rng.integers(0, 9000, n),
            received=700 + rng.integers(0, 60, n),
            seconds=rng.lognormal(np.log(0.3), 0.4, n),
            client="sensor",
        ),
    )


def _pushed(world: World, rng: Generator) -> Events:
    """Return the sensor's update: fetched by all of them within seconds, as bots would."""
    at = [world.start + d * DAY + h * HOUR for d in range(world.plan.days) for h in PUSHED_AT]
    pairs = [
        (moment + rng.uniform(0.5, 9), host.address)
        for moment in at
        for host in world.of("desktop")[:DEPARTMENT]
        if any(begin <= moment < end for begin, end in host.on)
    ]
    n = len(pairs)
    return over_tls(
        world,
        rng,
        Visit(
            ts=np.array([moment for moment, _ in pairs], dtype=np.float64),
            src=np.array([address for _, address in pairs], dtype=object),
            row=np.repeat(world.directory.groups["vendor"][-2], n),
            sent=1600,
            received=14_600_000 + rng.integers(0, 900, n),
            seconds=rng.uniform(2, 9, n),
            client="sensor",
        ),
    )
