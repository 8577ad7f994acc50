"""People browse: sessions of pages, each page many connections, popular sites far more than others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import Column, texts_of
from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.programs import browsers
from sakimori.simulate.traffic import Request
from sakimori.simulate.visits import Visit, over_http, over_tls, plainly

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.clock import Spans
    from sakimori.simulate.world import World

NAME = "web"
SESSIONS_AN_HOUR = {"desktop": 2.6, "laptop": 2.6, "phone": 1.0}
PAGES_A_SESSION = 6.0
THINK_SECONDS = 25.0  # median
PARTS_A_PAGE = 3.5  # connections for scripts, pictures, advertisements
UNENCRYPTED = 0.06
QUIC = 0.08
_ZIPF = 0.95


def events(world: World, rng: Generator) -> Events:
    """Return all browsing."""
    users = world.of(*SESSIONS_AN_HOUR)
    ts, src = by_host(users, lambda host: pages(rng, host.used, SESSIONS_AN_HOUR[host.kind]))
    sites = popular(rng, world.directory.groups["site"], len(ts))
    parts = rng.poisson(PARTS_A_PAGE, len(ts))
    page = np.repeat(np.arange(len(ts)), parts)
    resources = popular(rng, world.directory.groups["resource"], len(page))
    later = rng.exponential(0.5, len(page)) + 0.05
    when = np.concatenate([ts, ts[page] + later])
    who = np.concatenate([src, src[page]])
    rows = np.concatenate([sites, resources])
    how = rng.random(len(when))
    plain = how < UNENCRYPTED
    quic = how > 1 - QUIC
    tls = ~plain & ~quic
    return merged(
        [
            over_tls(world, rng, _visit(rng, when[tls], who[tls], rows[tls])),
            _unencrypted(world, rng, _visit(rng, when[plain], who[plain], rows[plain])),
            _quic(world, rng, _visit(rng, when[quic], who[quic], rows[quic])),
        ]
    )


def pages(rng: Generator, used: Spans, per_hour: float) -> Column:
    """Return when a person opens pages: sessions by chance, then page after page with pauses."""
    begun = chance(rng, used, per_hour)
    count = rng.geometric(1 / PAGES_A_SESSION, len(begun))
    pauses = rng.lognormal(np.log(THINK_SECONDS), 1.0, count.sum())
    passed = np.cumsum(pauses) - pauses
    first = np.repeat(np.cumsum(count) - count, count)
    return np.repeat(begun, count) + passed - passed[first] if len(begun) else begun


def popular(rng: Generator, rows: Column, count: int) -> Column:
    """Return `count` of the rows, the n-th about n**-0.95 as often as the first."""
    weight = np.cumsum(np.arange(1, len(rows) + 1) ** -_ZIPF)
    return rows[np.searchsorted(weight / weight[-1], rng.random(count))]


def _visit(rng: Generator, ts: Column, src: Column, rows: Column) -> Visit:
    n = len(ts)
    received = rng.lognormal(np.log(18_000), 1.4, n) + np.minimum(rng.pareto(1.3, n) * 2000, 5e8)
    idle = rng.choice([0.0, 5.0, 60.0, 115.0], n, p=[0.4, 0.3, 0.2, 0.1])
    return Visit(
        ts=ts,
        src=src,
        row=rows,
        sent=rng.lognormal(np.log(1600), 0.7, n),
        received=received,
        seconds=rng.lognormal(np.log(0.4), 0.9, n) + received / 4e6 + idle,
        client=browsers(src),
        state=rng.choice(["SF", "RSTO", "RSTR", "S1", "S3"], n, p=[0.78, 0.1, 0.05, 0.04, 0.03]),
    )


def _unencrypted(world: World, rng: Generator, visit: Visit) -> Events:
    n = len(visit.ts)
    host = world.directory.names[visit.row]
    pages_seen = rng.integers(1, 900, n).tolist()
    kinds = rng.choice(["text/html", "image/jpeg", "image/png", "text/plain"], n)
    request = Request(
        host=host,
        uri=texts_of([f"/{k.split('/')[0]}/{i}" for i, k in zip(pages_seen, kinds, strict=True)]),
        agent=browsers(visit.src),
        referrer=texts_of(
            [f"http://{h}/" if i % 3 else "-" for i, h in zip(pages_seen, host, strict=True)]
        ),
        status=rng.choice([200, 302, 304, 404], n, p=[0.86, 0.05, 0.06, 0.03]),
        mime=kinds,
        answer=visit.received,
    )
    return over_http(
        world,
        rng,
        Visit(
            ts=visit.ts,
            src=visit.src,
            row=visit.row,
            port=80,
            seconds=visit.seconds,
            state=visit.state,
        ),
        request,
    )


def _quic(world: World, rng: Generator, visit: Visit) -> Events:
    return plainly(
        world,
        rng,
        Visit(
            ts=visit.ts,
            src=visit.src,
            row=visit.row,
            proto="udp",
            service="quic",
            sent=visit.sent,
            received=visit.received,
            seconds=visit.seconds,
        ),
    )
