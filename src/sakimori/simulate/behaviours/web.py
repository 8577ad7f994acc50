"""People browse: sessions of pages, each page many connections, popular sites far more than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
ADVERTS_A_PAGE = 1.5
CLICKED = 0.01  # of advertisements shown
EDGE = 0.2  # of parts that one content network serves for its customers
IDLE = 0.05  # share of connections opened ahead and never used, or never answered
STATES = {"SF": 0.7, "RSTO": 0.1, "RSTR": 0.06, "S1": 0.06, "S3": 0.04, "S2": 0.04}
UNENCRYPTED = 0.06  # of pages
QUIC = 0.08
_ZIPF = 0.95


def events(world: World, rng: Generator) -> Events:
    """Return all browsing."""
    users = world.of(*SESSIONS_AN_HOUR)
    ts, src = by_host(users, lambda host: pages(rng, host.used, SESSIONS_AN_HOUR[host.kind]))
    sites = popular(rng, world.directory.groups["site"], len(ts))
    plain = rng.random(len(ts)) < UNENCRYPTED
    views = (ts[plain], src[plain], sites[plain])
    ts, src, sites = ts[~plain], src[~plain], sites[~plain]
    page = np.repeat(np.arange(len(ts)), rng.poisson(PARTS_A_PAGE, len(ts)))
    resources = _parts(world, rng, len(page))
    later = rng.exponential(0.5, len(page)) + 0.05
    when = np.concatenate([ts, ts[page] + later])
    who = np.concatenate([src, src[page]])
    rows = np.concatenate([sites, resources])
    quic = rng.random(len(when)) < QUIC
    return merged(
        [
            over_tls(world, rng, _visit(rng, when[~quic], who[~quic], rows[~quic])),
            _quic(world, rng, _visit(rng, when[quic], who[quic], rows[quic])),
            _idle(world, rng, (when, who, rows)),
            _unencrypted(world, rng, views),
        ]
    )


def _idle(world: World, rng: Generator, calls: tuple[Column, Column, Column]) -> Events:
    """Return connections that carry nothing: opened in advance, or to a server that is slow."""
    spare = np.flatnonzero(rng.random(len(calls[0])) < IDLE)
    n = len(spare)
    state = rng.choice(["SF", "RSTO", "S0", "S1"], n, p=[0.5, 0.2, 0.2, 0.1])
    return plainly(
        world,
        rng,
        Visit(
            ts=calls[0][spare] + rng.uniform(0, 0.3, n),
            src=calls[1][spare],
            row=calls[2][spare],
            service="-",
            state=state,
            seconds=rng.choice([5.0, 10.0, 60.0], n),
        ),
    )


def _parts(world: World, rng: Generator, count: int) -> Column:
    """Return where a page's scripts and pictures come from: some from one content network."""
    own = popular(rng, world.directory.groups["resource"], count)
    edge = popular(rng, world.directory.groups["edge"], count)
    return np.where(rng.random(count) < EDGE, edge, own)


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
        state=rng.choice(list(STATES), n, p=list(STATES.values())),
    )


def _unencrypted(world: World, rng: Generator, views: tuple[Column, Column, Column]) -> Events:
    """Return pages by HTTP: the page, its parts and advertisements, and now and then a click.

    All but the first page of a visit say which page they belong to.
    """
    here = world.directory
    ts, src, sites = views
    n = len(ts)
    numbers = rng.integers(1, 900, n).tolist()
    uris = texts_of([f"/story/{i}" for i in numbers])
    address = "http://" + here.names[sites] + uris
    part = np.repeat(np.arange(n), rng.poisson(PARTS_A_PAGE, n))
    advert = np.repeat(np.arange(n), rng.poisson(ADVERTS_A_PAGE, n))
    clicked = advert[rng.random(len(advert)) < CLICKED]
    wait = rng.exponential(THINK_SECONDS, len(clicked)) + 1
    landing = popular(rng, here.groups["site"], len(clicked))
    banner = rng.choice(here.groups["advert"], len(advert))
    tracker = rng.choice(here.groups["advert"], len(clicked))
    kinds = rng.choice(["image/jpeg", "image/png", "text/css", "text/javascript"], len(part))
    requests = (
        (ts, src, sites, uris, np.where(rng.random(n) < 0.4, "-", _engine(world)), "text/html"),
        (
            _soon(rng, ts[part]),
            src[part],
            _parts(world, rng, len(part)),
            "/a",
            address[part],
            kinds,
        ),
        (_soon(rng, ts[advert]), src[advert], banner, "/show?s=4", address[advert], "image/png"),
        (ts[clicked] + wait, src[clicked], tracker, "/click?c=1", address[clicked], ""),
        (ts[clicked] + wait + 0.4, src[clicked], landing, "/", address[clicked], "text/html"),
    )
    return merged([_requests(world, rng, request) for request in requests])


def _engine(world: World) -> str:
    """Return where people come from who did not type the address."""
    return f"https://{world.directory.names[world.directory.groups['site'][0]]}/"


def _soon(rng: Generator, ts: Column) -> Column:
    return ts + rng.exponential(0.5, len(ts)) + 0.05


def _requests(
    world: World, rng: Generator, of: tuple[Column, Column, Column, Any, Any, Any]
) -> Events:
    """Return requests: when, who, to whom, for what, from which page, of which type (none: click)."""
    ts, src, rows, uri, referrer, mime = of
    n = len(ts)
    visit = _visit(rng, ts, src, rows)
    click = isinstance(mime, str) and not mime
    status = rng.choice([200, 304, 404], n, p=[0.9, 0.07, 0.03])
    request = Request(
        host=world.directory.names[rows],
        uri=uri,
        agent=browsers(src),
        referrer=referrer,
        status=302 if click else status,
        mime="-" if click else mime,
        answer=0 if click else np.where(status == 200, visit.received, 0),
    )
    plain = Visit(ts=ts, src=src, row=rows, port=80, seconds=visit.seconds, state=visit.state)
    return over_http(world, rng, plain, request)


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
