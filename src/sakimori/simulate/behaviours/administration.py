"""Administration: SSH by people and by timers, pings that never end, self-signed pages, scans by FTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, chance, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    LogOn,
    connections,
    encrypted,
    logged_on,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "administration"
ADMINISTRATORS = 2
SESSIONS_AN_HOUR = 1.5
JOB_PERIOD = 900.0
PING_PERIOD = 3600.0  # s after which Zeek has a new row for each target
SCANS_AN_HOUR = 0.5  # sheets that a printer puts on the file server
_MISTYPED = 0.08


def events(world: World, rng: Generator) -> Events:
    """Return what administrators and their tools do."""
    return merged(
        [
            _sessions(world, rng),
            _jobs(world, rng),
            _pings(world, rng),
            _pages(world, rng),
            _sheets(world, rng),
        ]
    )


def administrators(world: World) -> tuple[Host, ...]:
    """Return the computers of the people who do this."""
    return world.of("desktop")[:ADMINISTRATORS]


def _sessions(world: World, rng: Generator) -> Events:
    """Return people's sessions with servers here and with one that is rented outside."""
    ts, src = by_host(administrators(world), lambda host: chance(rng, host.used, SESSIONS_AN_HOUR))
    n = len(ts)
    rented = world.directory.addresses[world.directory.groups["vendor"][13], 0]
    servers = [*(world.server(kind) for kind in ("resolver", "mail", "files", "web")), rented]
    failed = rng.random(n) < _MISTYPED
    seconds = np.where(failed, 9.0, rng.lognormal(np.log(400), 1.4, n))
    flow = _shell(rng, ts, src, rng.choice(np.array(servers, dtype=object), n))
    return _logged(rng, flow, seconds, ~failed)


def _jobs(world: World, rng: Generator) -> Events:
    """Return a timer's copies by SSH, and one whose password was changed and that nobody mends."""
    ts, src = by_host(world.of("web", "mail"), lambda host: every(rng, host.on, JOB_PERIOD, 0.01))
    flow = _shell(rng, ts, src, world.server("files"))
    works = src == world.server("web")
    return _logged(rng, flow, rng.lognormal(np.log(1.5), 0.3, len(ts)), works)


def _shell(rng: Generator, ts: Column, src: Column, dst: object) -> Flow:
    n = len(ts)
    return Flow(
        ts=ts,
        src=src,
        dst=dst,
        port=22,
        service="ssh",
        sent=rng.lognormal(np.log(5000), 0.8, n),
        received=rng.lognormal(np.log(12_000), 1.0, n),
        segment=80,
    )


def _logged(rng: Generator, flow: Flow, seconds: Column, success: Column) -> Events:
    timed = Flow(
        ts=flow.ts,
        src=flow.src,
        dst=flow.dst,
        port=flow.port,
        service=flow.service,
        sent=flow.sent,
        received=flow.received,
        segment=flow.segment,
        seconds=seconds,
    )
    return logged_on(rng, timed, LogOn(success=success, attempts=np.where(success, 1, 2)))


def _pings(world: World, rng: Generator) -> Events:
    """Return the web server's watch over servers, printers and the line outside."""
    outside = world.directory.addresses[world.directory.groups["site"][:2], 0].tolist()
    targets = [host.address for host in world.of("resolver", "mail", "files", "printer")] + outside
    parts = []
    for target in targets:
        ts = every(rng, world.always, PING_PERIOD)
        parts.append(
            connections(
                rng,
                Flow(
                    ts=ts,
                    src=world.server("web"),
                    dst=target,
                    sport=8,
                    port=0,
                    proto="icmp",
                    state="OTH",
                    sent=56 * 360,
                    received=56 * 360,
                    seconds=PING_PERIOD - 10,
                    segment=56,
                ),
            )
        )
    return merged(parts)


def _pages(world: World, rng: Generator) -> Events:
    """Return visits to devices' own pages, whose certificates nobody vouches for."""
    ts, src = by_host(administrators(world), lambda host: chance(rng, host.used, SESSIONS_AN_HOUR))
    n = len(ts)
    devices = np.array([host.address for host in world.of("printer", "camera")], dtype=object)
    flow = Flow(
        ts=ts,
        src=src,
        dst=rng.choice(devices, n),
        port=443,
        service="ssl",
        sent=rng.lognormal(np.log(2500), 0.5, n),
        received=rng.lognormal(np.log(30_000), 0.8, n),
        seconds=rng.lognormal(np.log(8), 1.0, n),
    )
    hello = Handshake(
        name=np.full(n, "-", dtype=object),
        client="browser",
        tls12=True,
        own_certificate=True,
        subject="CN=device,O=Example Devices",
        valid=7300,
    )
    return encrypted(rng, flow, hello)


def _sheets(world: World, rng: Generator) -> Events:
    """Return sheets that printers scanned, put on the file server by FTP."""
    ts, src = by_host(world.of("printer"), lambda host: chance(rng, host.on, SCANS_AN_HOUR))
    n = len(ts)
    command = Flow(
        ts=ts,
        src=src,
        dst=world.server("files"),
        port=21,
        service="ftp",
        sent=rng.integers(110, 150, n),
        received=rng.integers(300, 420, n),
        seconds=rng.uniform(2, 9, n),
    )
    data = Flow(
        ts=ts + 0.6,
        src=src,
        dst=world.server("files"),
        port=rng.integers(40_000, 60_000, n),
        service="ftp-data",
        sent=rng.lognormal(np.log(700_000), 0.9, n),
        seconds=rng.uniform(0.3, 1.4, n),
    )
    return merged([connections(rng, command), connections(rng, data)])
