"""Patch day: nearly all computers fetch the same large updates within an hour, and start anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import HOUR, STARTING, restarts
from sakimori.simulate.traffic import Request
from sakimori.simulate.visits import Visit, over_http, over_tls, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import World

NAME = "patch day"
PARTS = 5  # packages an update comes in, each in several ranges
_EXEMPT = 0.05
_AGENT = "Update-Agent/10.0.26100"


def events(world: World, rng: Generator) -> Events:
    """Return the downloads before each restart and the checks after it (`Plan.patch_weekday`)."""
    pairs = [
        (at, host.address)
        for host in world.of("desktop", "laptop")
        if share_of(f"exempt {host.address}") > _EXEMPT
        for at in restarts(world.plan, host.address)
        if any(begin <= at - 1 < end for begin, end in host.on)
    ]
    at = np.array([moment for moment, _ in pairs], dtype=np.float64)
    src = np.array([address for _, address in pairs], dtype=object)
    return merged([_downloads(world, rng, at, src), _checks(world, rng, at + STARTING + 20, src)])


def _downloads(world: World, rng: Generator, at: Column, src: Column) -> Events:
    of = np.repeat(np.arange(len(at)), PARTS)
    n = len(of)
    rows = rng.choice(world.directory.groups["fetch"], n)
    part = np.tile(np.arange(PARTS), len(at))
    size = np.array([2.1e8, 6.4e7, 1.2e7, 3.3e6, 8.8e5])[part]
    visit = Visit(
        ts=at[of] - rng.uniform(0.15, 0.9, n) * HOUR,
        src=src[of],
        row=rows,
        port=80,
        seconds=size / rng.uniform(2e6, 9e6, n) + 0.2,
    )
    uris = np.array([f"/d/2026/kb{number}.cab" for number in range(PARTS)], dtype=object)
    request = Request(
        host=world.directory.names[rows],
        uri=uris[part],
        agent=_AGENT,
        mime="application/vnd.ms-cab-compressed",
        answer=size,
    )
    return over_http(world, rng, visit, request)


def _checks(world: World, rng: Generator, ts: Column, src: Column) -> Events:
    n = len(ts)
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts + rng.uniform(0, 30, n),
            src=src,
            row=rng.choice(world.directory.groups["update"], n),
            sent=rng.lognormal(np.log(9000), 0.4, n),
            received=rng.lognormal(np.log(9000), 0.6, n),
            client="update agent",
        ),
    )
