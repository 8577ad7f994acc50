"""Devices and rare programs that call home on the minute: what a detector must not take for bots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Request
from sakimori.simulate.visits import Visit, over_http, over_tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "gadgets"
CAMERA_PERIOD = 30.0
ADDRESS_CHECK = 8  # place among the rare names of the site that tells callers their address


@dataclass(frozen=True, slots=True)
class Gadget:
    """A rare program: on which kind of host, on how many, how often, how much, TLS or not."""

    kind: str
    hosts: int
    period: float  # s
    jitter: float
    sent: int  # bytes
    received: int
    tls: bool = True


RARE: Mapping[str, Gadget] = {
    "printer telemetry": Gadget("printer", 2, 900, 0.01, 2100, 3600),
    "toner watch": Gadget("printer", 1, 3600, 0.02, 700, 400, tls=False),
    "smart tv": Gadget("tv", 1, 60, 0.1, 900, 2400),
    "weather widget": Gadget("desktop", 2, 600, 0.02, 320, 5200, tls=False),
    "stock ticker": Gadget("desktop", 1, 60, 0.05, 1200, 4800),
    "chat bridge": Gadget("laptop", 1, 120, 0.2, 1500, 3900),
    "licence check": Gadget("desktop", 2, 1800, 0.02, 1400, 3300),
    "door badge": Gadget("files", 1, 300, 0.01, 800, 500, tls=False),
    "address check": Gadget("laptop", 3, 5400, 0.3, 240, 310, tls=False),
}


def events(world: World, rng: Generator) -> Events:
    """Return cameras' signs of life and each rare program's calls, one vendor name each."""
    vendors = world.directory.groups["vendor"].tolist()
    rare = [
        _rare(world, rng, gadget, row) for gadget, row in zip(RARE.values(), vendors, strict=False)
    ]
    return merged([_cameras(world, rng), *rare])


def _cameras(world: World, rng: Generator) -> Events:
    """Return cameras' short sessions with their vendors' cloud; two cameras in one share a name."""
    clouds = world.directory.groups["cloud"]
    cameras = world.of("camera", "tv")
    ts, src = by_host(cameras, lambda host: every(rng, host.on, CAMERA_PERIOD * 8, 0.05))
    vendor = {host.address: clouds[i // 2 % len(clouds)] for i, host in enumerate(cameras)}
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=np.array([vendor[address] for address in src.tolist()], dtype=np.int64),
            port=8883,
            sent=1000 + rng.integers(0, 60, len(ts)),
            received=3400 + rng.integers(0, 60, len(ts)),
            seconds=rng.uniform(0.5, CAMERA_PERIOD, len(ts)),
            client="camera",
        ),
    )


def _rare(world: World, rng: Generator, gadget: Gadget, row: int) -> Events:
    owners: tuple[Host, ...] = world.of(gadget.kind)[-gadget.hosts :]
    ts, src = by_host(owners, lambda host: every(rng, host.on, gadget.period, gadget.jitter))
    n = len(ts)
    visit = Visit(
        ts=ts,
        src=src,
        row=np.full(n, row),
        port=443 if gadget.tls else 80,
        sent=gadget.sent + rng.integers(0, 50, n),
        received=gadget.received + rng.integers(0, 300, n),
        seconds=rng.lognormal(np.log(0.3), 0.4, n),
        client=f"gadget {row}",
    )
    if gadget.tls:
        return over_tls(world, rng, visit)
    request = Request(
        host=world.directory.names[visit.row],
        uri="/v2/status",
        agent="gadget/2.1",
        mime="application/json",
        answer=visit.received,
    )
    return over_http(world, rng, visit, request)
