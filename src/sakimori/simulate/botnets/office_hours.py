"""An implant that calls in working hours only, so that nights look clean."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, Handshake, encrypted

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.clock import Spans
    from sakimori.simulate.world import Den, World

NAME = "office-hours"
DOES = "calls one server over TLS in working hours only, with gaps that vary by half"
TECHNIQUE = "T1029"
LIVES_ON: tuple[str, ...] = ("desktop", "files", "web")
PERIOD, JITTER = 90.0, 0.5
SATURDAY = 5
HOURS = (9.0, 17.0)  # of a weekday, in which it calls


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return calls while people work; their results are sent in the same connection."""
    home = Home(f"mail.{den.names[0]}", den.addresses[0], ttl=1800.0)
    spans = _office(world)
    ts, src = by_host(den.hosts, lambda host: every(rng, _both(host.on, spans), PERIOD, JITTER))
    n = len(ts)
    worked = rng.random(n) < 0.04
    flow = Flow(
        ts=ts,
        src=src,
        dst=home.address,
        port=443,
        service="ssl",
        sent=640 + rng.integers(0, 90, n) + worked * rng.integers(3000, 400_000, n),
        received=1300 + rng.integers(0, 64, n) + worked * rng.integers(500, 20_000, n),
        seconds=rng.lognormal(np.log(0.4), 0.4, n),
    )
    hello = Handshake(
        name=np.full(n, home.name, dtype=object),
        client="office implant",
        tls12=True,
        own_certificate=True,
        subject="CN=localhost,OU=IT,O=Example,C=XX",
        valid=3650,
    )
    events = merged([found(world, rng, home, (ts, src)), encrypted(rng, flow, hello)])
    return Infection(events, (home.address, home.name))


def _office(world: World) -> Spans:
    """Return working hours; a plan of a weekend alone has them too, so that there is a bot to see."""
    days = range(world.plan.days)
    work = [d for d in days if (world.plan.start + timedelta(days=d)).weekday() < SATURDAY] or days
    begin, end = HOURS
    return tuple(
        (world.start + d * DAY + begin * HOUR, world.start + d * DAY + end * HOUR) for d in work
    )


def _both(one: Spans, other: Spans) -> Spans:
    overlaps = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((begin, end) for begin, end in overlaps if begin < end)
