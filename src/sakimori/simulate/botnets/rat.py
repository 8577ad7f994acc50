"""A remote access tool on an odd port: a session held for hours, tried again and again when refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, Handshake, connections, encrypted

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.clock import Spans
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "rat"
DOES = "holds a session on an odd TCP port with its operator, and tries every 5 s when he is off"
TECHNIQUE = "T1571"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PORTS = (1177, 2404, 4782, 5552, 6606, 7707)
AGAIN = 5.0  # s between tries while the operator's server is off
SIGN_OF_LIFE = 30.0
LONGEST = 3 * HOUR
DOWN = 0.15  # share of the day in which it is off, once
VIEWED_AN_HOUR = 0.4  # the operator watches the screen


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return held sessions, tries while the server is off, and the screens that were watched."""
    home = Home(f"dyn.{den.names[0]}", den.addresses[0], ttl=60.0)
    port = int(rng.choice(PORTS))
    off = _off(world, rng)
    parts = [_bot(world, rng, (home, port, off), host) for host in den.hosts]
    return Infection(merged(parts), (home.address, home.name))


def _off(world: World, rng: Generator) -> Spans:
    """Return when the operator's server is off: once a day, in working hours."""
    at = world.start + DAY * np.arange(world.plan.days)
    begin = at + rng.uniform(9, 13, len(at)) * HOUR
    return tuple((t, t + DOWN * DAY) for t in begin.tolist())


def _bot(world: World, rng: Generator, to: tuple[Home, int, Spans], host: Host) -> Events:
    home, port, off = to
    up = _without(host.on, off)
    begun, seconds = _sessions(rng, up)
    tries = every(rng, _both(host.on, off), AGAIN, 0.1)
    viewed = np.zeros(len(begun))
    for i in range(len(begun)):
        viewed[i] = rng.poisson(seconds[i] / 3600 * VIEWED_AN_HOUR)
    session = Flow(
        ts=begun,
        src=host.address,
        dst=home.address,
        port=port,
        service="ssl",
        sent=1400 + 60 * (seconds // SIGN_OF_LIFE) + viewed * 3_000_000,
        received=2600 + 55 * (seconds // SIGN_OF_LIFE) + viewed * 9000,
        seconds=seconds,
        segment=600,
        state=rng.choice(["RSTO", "S3", "S1"], len(begun), p=[0.5, 0.2, 0.3]),
    )
    hello = Handshake(
        name=np.full(len(begun), "-", dtype=object),
        client="rat",
        tls12=True,
        own_certificate=True,
        subject="CN=Server",
        valid=36_500,
    )
    vain = Flow(
        ts=tries,
        src=host.address,
        dst=home.address,
        port=port,
        state=rng.choice(["S0", "REJ"], len(tries), p=[0.4, 0.6]),
        seconds=1.5,
    )
    when = np.concatenate([begun, tries])
    calls = (when, np.full(len(when), host.address, dtype=object))
    return merged(
        [
            found(world, rng, home, calls),
            encrypted(rng, session, hello),
            connections(rng, vain),
        ]
    )


def _sessions(rng: Generator, spans: Spans) -> tuple[Column, Column]:
    """Return begin and length of sessions: each until the line breaks."""
    begun, seconds = [], []
    for begin, end in spans:
        at = begin + rng.uniform(3, 40)
        while at < end:
            last = min(at + rng.uniform(0.1, 1) * LONGEST, end)
            begun.append(at)
            seconds.append(last - at)
            at = last + AGAIN
    return np.array(begun, dtype=np.float64), np.array(seconds, dtype=np.float64)


def _both(one: Spans, other: Spans) -> Spans:
    overlaps = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((begin, end) for begin, end in overlaps if begin < end)


def _without(spans: Spans, off: Spans) -> Spans:
    """Return the spans less the times in `off`."""
    edges = [float("-inf"), *(t for span in off for t in span), float("inf")]
    return _both(spans, tuple(zip(edges[::2], edges[1::2], strict=True)))
