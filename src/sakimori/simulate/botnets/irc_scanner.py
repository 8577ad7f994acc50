"""Bots on IRC that scan and flood together, on command, as those on cameras and routers do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.push import held
from sakimori.simulate.botnets._acts import Task, Told, obeyed, order_of
from sakimori.simulate.botnets._contract import Home, Infection, awake, found
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import Flow, joined

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.organisation import Host
    from sakimori.simulate.plan import Order
    from sakimori.simulate.world import Den, World

NAME = "irc-scanner"
DOES = "waits on an IRC channel; on command scans ports 23 and 445, and floods one address by UDP"
TECHNIQUE = "T1046"
LIVES_ON: tuple[str, ...] = ("camera", "desktop")
CHANNEL = "#x"
PING = 90.0  # s between the server's PING and the next
SCAN_AT, FLOOD_AT = (10.0, 11.4), (14.2, 16.2)  # hours of the day between which orders come
SCAN = Task(act="scans", seconds=900.0, rate=7.0, port=23, inside=0.3)
FLOOD = Task(act="floods", seconds=60.0, rate=30.0, proto="udp", port=80)
OBEY_WITHIN = 4.0  # s


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the channel's connections, and each day one scan and one flood by bots then awake."""
    home = Home(f"irc.{den.names[0]}", den.addresses[0])
    parts = [_channel(world, rng, home, host) for host in den.hosts]
    orders: list[Order] = []
    for day in range(world.plan.days):
        midnight = world.start + day * DAY
        victim = den.addresses[1 + day % (len(den.addresses) - 1)]
        for task, hours in ((SCAN, SCAN_AT), (replace(FLOOD, target=victim), FLOOD_AT)):
            at = midnight + rng.uniform(*hours) * HOUR
            hosts = awake(awake(den.hosts, at), at + OBEY_WITHIN)
            heard = at + rng.uniform(0.02, 0.15, len(hosts))
            began = at + rng.uniform(0.2, OBEY_WITHIN, len(hosts))
            names = [host.address for host in hosts]
            told = Told(
                at,
                task,
                dict(zip(names, heard.tolist(), strict=True)),
                dict(zip(names, began.tolist(), strict=True)),
            )
            parts += [obeyed(world, rng, task, told.started[h.address], h) for h in hosts]
            orders += order_of(NAME, "held", home, told)
    return Infection(merged(parts), (home.address, home.name), tuple(orders))


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
