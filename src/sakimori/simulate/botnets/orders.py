"""Bots that keep still until told, then do the same thing within seconds of each other.

Held: one connection for hours, as Mirai and IRC bots do; conn.log shows nothing of an order. Long
poll: the question is answered when there is an order, so connections end together. Poll: bots ask
every minute and act on what they hear. Timed: they ask every few minutes, and the order says when
to begin, as denial of service for hire does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.behaviours.push import held
from sakimori.simulate.botnets._acts import Task, Told, obeyed, order_of
from sakimori.simulate.botnets._contract import Home, Infection, awake, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Request,
    connections,
    encrypted,
    requested,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.clock import Spans
    from sakimori.simulate.world import Den, World

NAME = "orders"
DOES = (
    "waits on a quiet channel; on command scans, floods, spams or fetches, all bots within seconds"
)
TECHNIQUE = "T1498"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
HOURS = (8.8, 17.6)  # of the day, in which orders come: the operator counts who is there
APART = 0.25 * HOUR
PERIOD = {"poll": 60.0, "timed": 180.0}  # of questions
JITTER = 0.3
LEAD = PERIOD["timed"] * (1 + JITTER) + 5  # s from an order to the moment it appoints
ASKS = 240.0  # s until an unanswered long poll ends
SIGN_OF_LIFE = 60.0
_ANSWER = 300  # bytes of an order
_AGENT = "Mozilla/5.0 (Windows NT 6.1; WOW64; rv:40.0) Gecko/20100101 Firefox/40.1"


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the channel's connections and what bots do at `Plan.orders_a_day` moments a day."""
    home, by = Home(den.names[0], den.addresses[0]), world.plan.orders_by
    given = _given(world, den, rng)
    if by in PERIOD:
        calls = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD[by], JITTER))
        told = [_asked(world, rng, order, (den, calls)) for order in given]
        parts = [_polls(world, rng, home, (calls, told))]
    else:
        told = [_pushed(world, rng, order, den) for order in given]
        parts = [{"held": _held, "long-poll": _long_polls}[by](world, rng, home, (den, told))]
    for order in told:
        for host in den.hosts:
            if host.address in order.started:
                parts.append(obeyed(world, rng, order.task, order.started[host.address], host))
    orders = [order for one in told for order in order_of(NAME, by, home, one)]
    shelf = sorted({order.target for order in orders if order.act == "fetches"})
    return Infection(merged(parts), (home.address, home.name, *shelf), tuple(orders))


def _given(world: World, den: Den, rng: Generator) -> list[tuple[float, Task]]:
    """Return each day's orders, some time apart."""
    orders = []
    for day in range(world.plan.days):
        number = world.plan.orders_a_day
        spare = (HOURS[1] - HOURS[0]) * HOUR - APART * (number - 1)
        at = np.sort(rng.uniform(0, spare, number)) + APART * np.arange(number)
        begin = world.start + day * DAY + HOURS[0] * HOUR
        orders += [(begin + t, _task(den, rng)) for t in at.tolist()]
    return orders


def _pushed(world: World, rng: Generator, order: tuple[float, Task], den: Den) -> Told:
    """Return who hears an order on an open connection, and begins some seconds later."""
    at, task = order
    hosts = awake(awake(den.hosts, at), at + world.plan.obey_within)
    heard = {host.address: at + rng.uniform(0.02, 0.15) for host in hosts}
    return Told(at, task, heard, _begun(world, rng, heard))


def _asked(
    world: World,
    rng: Generator,
    order: tuple[float, Task],
    of: tuple[Den, tuple[Column, Column]],
) -> Told:
    """Return who hears an order by asking soon enough after it."""
    (at, task), (den, (ts, src)) = order, of
    heard = {}
    for host in den.hosts:
        asked = ts[(src == host.address) & (ts >= at) & (ts < at + LEAD)]
        begins = asked[:1] + world.plan.obey_within
        if world.plan.orders_by == "timed":
            begins = begins - asked[:1] + at + LEAD
        if len(asked) and awake(awake([host], at), float(begins[0])):
            heard[host.address] = float(asked[0])
    appointed = world.plan.orders_by == "timed"
    began = _begun(world, rng, dict.fromkeys(heard, at + LEAD) if appointed else heard)
    return Told(at, task, heard, began)


def _begun(world: World, rng: Generator, since: Mapping[str, float]) -> dict[str, float]:
    within = world.plan.obey_within
    return {host: moment + within * rng.uniform(0.1, 1) for host, moment in since.items()}


def _task(den: Den, rng: Generator) -> Task:
    """Return an act drawn from those that bots for hire are sold for."""
    victim = den.addresses[int(rng.integers(2, len(den.addresses)))]
    name = den.names[int(rng.integers(2, len(den.names)))]
    seconds = float(rng.integers(30, 180))
    scan = Task(
        act="scans",
        seconds=2 * seconds,
        rate=float(rng.uniform(2, 9)),
        port=int(rng.choice([22, 23, 445, 3389, 5555, 8080])),
    )
    tasks = (
        scan,
        Task(act="floods", seconds=seconds, rate=25, port=443, target=victim),
        Task(act="floods", seconds=seconds, rate=12, proto="udp", port=53, target=victim),
        Task(act="spams", seconds=4 * seconds, rate=0.5, port=25),
        Task(act="asks", seconds=seconds, rate=6, proto="udp", port=53, target=name),
        Task(act="fetches", seconds=5, rate=0.2, target=den.addresses[1]),
    )
    return tasks[int(rng.integers(0, len(tasks)))]


def _held(world: World, rng: Generator, home: Home, of: tuple[Den, list[Told]]) -> Events:
    """Return connections without a known protocol on 443, a few bytes each minute."""
    ts, src, seconds = _sessions(of[0], lambda spans: held(rng, spans))
    alive = seconds // SIGN_OF_LIFE
    told = _answered(ts, seconds, of[1]) * _ANSWER
    flow = Flow(
        ts=ts,
        src=src,
        dst=home.address,
        port=443,
        sent=60 + 2 * alive,
        received=20 + 2 * alive + told,
        seconds=seconds,
        segment=2,
        state=rng.choice(["S3", "RSTO", "S1", "RSTR"], len(ts), p=[0.3, 0.3, 0.2, 0.2]),
    )
    return merged([found(world, rng, home, (ts, src)), connections(rng, flow)])


def _long_polls(world: World, rng: Generator, home: Home, of: tuple[Den, list[Told]]) -> Events:
    """Return questions over TLS that stay open until an order or four minutes have come."""
    moments = np.array([order.at for order in of[1]])
    ts, src, seconds = _sessions(of[0], lambda spans: _questions(rng, spans, moments))
    n = len(ts)
    flow = Flow(
        ts=ts,
        src=src,
        dst=home.address,
        port=443,
        service="ssl",
        sent=840 + rng.integers(0, 24, n),
        received=2300 + rng.integers(0, 30, n) + _answered(ts, seconds, of[1]) * _ANSWER,
        seconds=seconds,
    )
    names = np.full(n, home.name, dtype=object)
    hello = Handshake(name=names, client="orders bot", tls12=True, own_certificate=True)
    return merged([found(world, rng, home, (ts, src)), encrypted(rng, flow, hello)])


def _polls(
    world: World,
    rng: Generator,
    home: Home,
    of: tuple[tuple[Column, Column], list[Told]],
) -> Events:
    """Return questions by HTTP; the first after an order has more in its answer."""
    (ts, src), told = of
    news = {(host, moment) for order in told for host, moment in order.heard.items()}
    heard = np.array([call in news for call in zip(src.tolist(), ts.tolist(), strict=True)])
    flow = Flow(
        ts=ts, src=src, dst=home.address, port=80, seconds=rng.lognormal(np.log(0.4), 0.3, len(ts))
    )
    request = Request(
        host=np.full(len(ts), home.name, dtype=object),
        uri="/s/index.php?v=2",
        agent=_AGENT,
        answer=8 + heard * _ANSWER,
        mime="text/plain",
    )
    return merged([found(world, rng, home, (ts, src)), requested(rng, flow, request)])


def _sessions(
    den: Den, draw: Callable[[Spans], tuple[Column, Column]]
) -> tuple[Column, Column, Column]:
    """Return begin, bot and length of all bots' sessions."""
    drawn = [draw(host.on) for host in den.hosts]
    src = [
        np.full(len(ts), host.address, dtype=object)
        for host, (ts, _) in zip(den.hosts, drawn, strict=True)
    ]
    return (
        np.concatenate([ts for ts, _ in drawn]),
        np.concatenate(src),
        np.concatenate([seconds for _, seconds in drawn]),
    )


def _questions(rng: Generator, spans: Spans, moments: Column) -> tuple[Column, Column]:
    begun, ended = [], []
    for begin, end in spans:
        at = begin + rng.uniform(5, 60)
        while at < end:
            last = min(at + ASKS + rng.uniform(0, 0.3), end)
            order = moments[(moments > at) & (moments < last)]
            last = order[0] + rng.uniform(0.02, 0.15) if len(order) else last
            begun.append(at)
            ended.append(last)
            at = last + rng.uniform(0.05, 1.0)
    ts = np.array(begun, dtype=np.float64)
    return ts, np.array(ended, dtype=np.float64) - ts


def _answered(ts: Column, seconds: Column, orders: list[Told]) -> Column:
    """Return how many orders came while each session was open."""
    told = np.zeros(len(ts), dtype=np.int64)
    for order in orders:
        told += (ts <= order.at) & (order.at < ts + seconds)
    return told
