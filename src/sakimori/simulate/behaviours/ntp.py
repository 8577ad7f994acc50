"""All hosts set their clocks from a pool whose addresses rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.traffic import mapped
from sakimori.simulate.visits import Visit, plainly, rotated, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.events import Events
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "ntp"
ROTATION = 3 * 3600.0  # s a client stays with one answer of the pool
SERVERS = 4  # that some programs ask at the same time
_SEVERAL = 0.15
_UNANSWERED = 0.01


def events(world: World, rng: Generator) -> Events:
    """Return all time requests: every 64 to 1024 s, always the same for one host."""
    ts, src = by_host(world.hosts, lambda host: every(rng, host.on, period_of(host), 0.01))
    several = mapped(src, lambda x: SERVERS if share_of(f"chrony {x}") < _SEVERAL else 1, np.int64)
    of = np.repeat(np.arange(len(ts)), several)
    ts, src = ts[of] + rng.uniform(0, 2, len(of)), src[of]
    lane = np.arange(len(of)) % SERVERS
    pool = world.directory.groups["ntp"]
    answered = rng.random(len(ts)) > _UNANSWERED
    return plainly(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=pool[
                (rotated(np.arange(len(pool)), ts, src, ROTATION) + 31 * lane * (several[of] > 1))
                % len(pool)
            ],
            port=123,
            proto="udp",
            service="ntp",
            sent=48,
            received=48 * answered,
            seconds=rng.lognormal(np.log(0.02), 0.6, len(ts)),
            state=np.where(answered, "SF", "S0"),
            kept=ROTATION,
        ),
    )


def period_of(host: Host) -> float:
    """Return a host's poll interval in seconds: a power of two, 1024 for most."""
    habit = share_of(f"poll {host.address}")
    return float(64 << (4 if habit < 0.7 else int(habit * 100) % 5))
