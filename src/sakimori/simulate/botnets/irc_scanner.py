"""Bots on IRC that scan and flood together, on command, as those on cameras and routers do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.push import held
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, connections, joined

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import Den, World

NAME = "irc-scanner"
DOES = "waits on an IRC channel; on command scans ports 23 and 445, and floods one address by UDP"
TECHNIQUE = "T1046"
LIVES_ON: tuple[str, ...] = ("camera", "desktop")
CHANNEL = "#x"
PING = 90.0  # s between the server's PING and the next
SCAN_AT, FLOOD_AT = (10.0, 11.4), (14.2, 16.2)  # hours of the day between which orders come
SCAN_SECONDS, SCANS_A_SECOND = 900.0, 7.0
FLOOD_SECONDS, FLOWS_A_SECOND = 60.0, 30.0
OBEY_WITHIN = 4.0  # s


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the channel's connections, and each day one scan and one flood by bots then awake."""
    home = Home(f"irc.{den.names[0]}", den.addresses[0])
    parts = [_channel(world, rng, home, host) for host in den.hosts]
    for day in range(world.plan.days):
        midnight = world.start + day * DAY
        scan = midnight + rng.uniform(*SCAN_AT) * HOUR
        flood = midnight + rng.uniform(*FLOOD_AT) * HOUR
        parts += [_scan(world, rng, scan, host) for host in _awake(den, scan)]
        victim = den.addresses[1 + day % (len(den.addresses) - 1)]
        parts += [_flood(rng, flood, host, victim) for host in _awake(den, flood)]
    return Infection(merged(parts), (home.address, home.name))


def _awake(den: Den, moment: float) -> list[Host]:
    return [h for h in den.hosts if any(begin <= moment < end for begin, end in h.on)]


def _channel(world: World, rng: Generator, home: Home, host: Host) -> Events:
    begun, seconds = held(rng, host.on)
    n = len(begun)
    pings = seconds // PING
    flow = Flow(
        ts=begun,
        src=host.address,
        dst=home.address,
        port=6667,
        service="irc",
        sent=110 + 22 * pings,
        received=900 + 24 * pings,
        seconds=seconds,
        segment=24,
        state=rng.choice(["S3", "RSTO", "S1"], n, p=[0.5, 0.3, 0.2]),
    )
    nick = texts_of([f"JP|{i:06d}" for i in rng.integers(0, 10**6, n).tolist()])
    src = np.full(n, host.address, dtype=object)
    return merged([found(world, rng, home, (begun, src)), joined(rng, flow, nick, CHANNEL)])


def _times(rng: Generator, order: float, seconds: float, rate: float) -> Column:
    """Return when a bot acts on an order: from some seconds after it, for as long as told."""
    begin = order + rng.uniform(0.2, OBEY_WITHIN)
    return begin + np.sort(rng.uniform(0, seconds, int(seconds * rate)))


def _scan(world: World, rng: Generator, order: float, host: Host) -> Events:
    """Scan the Internet for port 23, and the inside for 445: most of it silent, some refused."""
    ts = _times(rng, order, SCAN_SECONDS, SCANS_A_SECOND)
    n = len(ts)
    inside = rng.random(n) < 0.3
    target = np.where(inside, _neighbours(world, rng, n), addresses.reserved(rng, n))
    live = np.isin(target, [h.address for h in world.hosts])
    state = np.where(
        live,
        rng.choice(["REJ", "SF"], n, p=[0.8, 0.2]),
        rng.choice(["S0", "REJ", "SF"], n, p=[0.94, 0.05, 0.01]),
    )
    return connections(
        rng,
        Flow(
            ts=ts,
            src=host.address,
            dst=target,
            port=np.where(inside, 445, 23),
            state=state,
            sent=80 * (state == "SF"),
            received=140 * (state == "SF"),
            seconds=rng.uniform(0.01, 3.0, n),
        ),
    )


def _neighbours(world: World, rng: Generator, count: int) -> Column:
    """Return addresses of the organisation's subnets, whether a host is there or not."""
    subnets = sorted({h.address.rpartition(".")[0] for h in world.hosts})
    picked = rng.integers(0, len(subnets), count).tolist()
    ends = rng.integers(1, 255, count).tolist()
    return texts_of([f"{subnets[s]}.{end}" for s, end in zip(picked, ends, strict=True)])


def _flood(rng: Generator, order: float, host: Host, victim: str) -> Events:
    ts = _times(rng, order, FLOOD_SECONDS, FLOWS_A_SECOND)
    n = len(ts)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=host.address,
            dst=victim,
            port=80,
            proto="udp",
            state="S0",
            sent=1024 * rng.integers(200, 400, n),
            seconds=rng.uniform(0.5, 2, n),
            segment=1024,
        ),
    )
