"""Push services: connections that stay open for hours with a small sign of life every few minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host
from sakimori.simulate.events import Events, merged
from sakimori.simulate.visits import Visit, over_tls, rotated

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.clock import Spans
    from sakimori.simulate.world import World

NAME = "push"
KEEPALIVE = 240.0
LONGEST = 4 * 3600.0
_GOOD_AFTER = 30.0  # s between two connections


def events(world: World, rng: Generator) -> Events:
    """Return the connections of phones (ports 5228, 5223), computers (443) and devices (8883)."""
    return merged(
        [
            _held(world, rng, 5228, "phone"),
            _held(world, rng, 5223, "laptop"),
            _held(world, rng, 443, "desktop", "laptop"),
            _held(world, rng, 8883, "tv", "printer"),
        ]
    )


def _held(world: World, rng: Generator, port: int, *kinds: str) -> Events:
    machines = world.of(*kinds)
    length: list[Column] = [np.empty(0)]

    def draw(spans: Spans) -> Column:
        begun, seconds = held(rng, spans)
        length.append(seconds)
        return begun

    ts, src = by_host(machines, lambda host: draw(host.on))
    seconds = np.concatenate(length)
    alive = seconds // KEEPALIVE
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=rotated(world.directory.groups["push"], ts, src),
            port=port,
            sent=1300 + 40 * alive,
            received=4600 + 44 * alive + rng.poisson(seconds / 400) * 600,
            seconds=seconds,
            client="push",
            segment=60,
            state=rng.choice(["SF", "RSTO", "S1"], len(ts), p=[0.5, 0.35, 0.15]),
        ),
    )


def held(rng: Generator, spans: Spans) -> tuple[Column, Column]:
    """Return begin and length of connections that follow each other while a machine is on."""
    begun, seconds = [], []
    for begin, end in spans:
        at = begin + rng.uniform(2, 20)
        while at < end:
            last = min(at + rng.uniform(0.4, 1) * LONGEST, end)
            begun.append(at)
            seconds.append(last - at)
            at = last + rng.exponential(_GOOD_AFTER)
    return np.array(begun, dtype=np.float64), np.array(seconds, dtype=np.float64)
