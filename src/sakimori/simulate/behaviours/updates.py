"""Systems look for updates every few hours and fetch them from content networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Request
from sakimori.simulate.visits import Visit, over_http, over_tls

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import World

NAME = "updates"
PERIOD = 4 * 3600.0
JITTER = 0.4
FETCHES = 0.5  # mean downloads a check
_PROGRAMS = 0.15  # of downloads
_AGENT = "Update-Agent/10.0.26100"


def events(world: World, rng: Generator) -> Events:
    """Return the checks (TLS) and the downloads (HTTP, megabytes)."""
    machines = world.of("desktop", "laptop", "phone", "resolver", "mail", "files", "web")
    ts, src = by_host(machines, lambda host: every(rng, host.on, PERIOD, JITTER))
    choices = world.directory.groups["update"]
    check = Visit(
        ts=ts,
        src=src,
        row=rng.choice(choices, len(ts)),
        sent=rng.lognormal(np.log(4000), 0.4, len(ts)),
        received=rng.lognormal(np.log(9000), 0.6, len(ts)),
        seconds=rng.lognormal(np.log(1.0), 0.5, len(ts)),
        client="update agent",
    )
    of = np.repeat(np.arange(len(ts)), rng.poisson(FETCHES, len(ts)))
    n = len(of)
    size = np.minimum((rng.pareto(1.1, n) + 1) * 200_000, 4e8)
    program = rng.random(n) < _PROGRAMS
    fetch = Visit(
        ts=ts[of] + rng.exponential(20, n) + 2,
        src=src[of],
        row=rng.choice(world.directory.groups["fetch"], n),
        port=80,
        seconds=size / 8e6 + 0.2,
    )
    request = Request(
        host=world.directory.names[fetch.row],
        uri=np.where(program, "/packages/setup.exe", "/packages/cumulative.cab"),
        agent=_AGENT,
        mime=np.where(program, "application/x-dosexec", "application/vnd.ms-cab-compressed"),
        answer=size,
    )
    return merged([over_tls(world, rng, check), over_http(world, rng, fetch, request)])
