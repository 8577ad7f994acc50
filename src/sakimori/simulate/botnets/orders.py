"""Bots that keep still until told, then do the same thing within seconds of each other.

Held: one connection for hours, as Mirai and IRC bots do; conn.log shows nothing of an order. Long
poll: the question is answered when there is an order, so connections end together. Poll: bots ask
every few minutes, and the order says when to begin, as denial of service for hire does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.behaviours.push import held
from sakimori.simulate.botnets._acts import Task, obeyed
from sakimori.simulate.botnets._contract import Home, Infection, awake, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DAY, HOUR
from sakimori.simulate.plan import Order
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Request,
    connections,
    encrypted,
    requested,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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
PERIOD, JITTER = 180.0, 0.3  # of polls
LEAD = PERIOD * (1 + JITTER) + 5  # s that an order comes before its time, when bots poll
ASKS = 240.0  # s until an unanswered long poll ends
SIGN_OF_LIFE = 60.0
_ANSWER = 300  # bytes of an order


@dataclass(frozen=True, slots=True)
class _Given:
    """An order's times and what is to be done."""

    given: float
    at: float
    task: Task


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return the channel's connections and what bots do at `Plan.orders_a_day` moments a day."""
    home = Home(den.names[0], den.addresses[0])
    given = _given(world, den, rng)
    channel = {"held": _held, "long-poll": _long_poll, "poll": _poll}[world.plan.orders_by]
    parts, orders = [channel(world, rng, home, (den, given))], []
    for order in given:
        heard = awake(awake(den.hosts, order.given), order.at + world.plan.obey_within)
        delays = rng.uniform(0.1, 1, len(heard)) * world.plan.obey_within
        for host, delay in zip(heard, delays.tolist(), strict=True):
            parts.append(obeyed(world, rng, order.task, order.at + delay, host))
        if heard:
            orders.append(_told(world, order, home, tuple(sorted(h.address for h in heard))))
    shelf = sorted({order.target for order in orders if order.act == "fetch"})
    return Infection(merged(parts), (home.address, home.name, *shelf), tuple(orders))


def _given(world: World, den: Den, rng: Generator) -> list[_Given]:
    """Return each day's orders, some time apart."""
    lead = LEAD if world.plan.orders_by == "poll" else 0.0
    orders = []
    for day in range(world.plan.days):
        number = world.plan.orders_a_day
        spare = (HOURS[1] - HOURS[0]) * HOUR - APART * (number - 1)
        at = np.sort(rng.uniform(0, spare, number)) + APART * np.arange(number)
        begin = world.start + day * DAY + HOURS[0] * HOUR
        orders += [_Given(begin + t - lead, begin + t, _task(den, rng)) for t in at.tolist()]
    return orders


def _task(den: Den, rng: Generator) -> Task:
    """Return an act drawn from those that bots for hire are sold for."""
    victim = den.addresses[int(rng.integers(2, len(den.addresses)))]
    name = den.names[int(rng.integers(2, len(den.names)))]
    seconds = float(rng.integers(30, 180))
    scan = Task(
        act="scan",
        seconds=2 * seconds,
        rate=float(rng.uniform(2, 9)),
        port=int(rng.choice([22, 23, 445, 3389, 5555, 8080])),
    )
    tasks = (
        scan,
        Task(act="flood", seconds=seconds, rate=25, port=443, target=victim),
        Task(act="flood", seconds=seconds, rate=12, proto="udp", port=53, target=victim),
        Task(act="spam", seconds=4 * seconds, rate=0.5, port=25),
        Task(act="dns", seconds=seconds, rate=6, proto="udp", port=53, target=name),
        Task(act="fetch", seconds=5, rate=0.2, target=den.addresses[1]),
    )
    return tasks[int(rng.integers(0, len(tasks)))]


def _told(world: World, order: _Given, home: Home, hosts: tuple[str, ...]) -> Order:
    return Order(
        botnet=NAME,
        act=order.task.act,
        given=order.given,
        at=order.at,
        within=world.plan.obey_within,
        seconds=order.task.seconds,
        proto=order.task.proto,
        port=order.task.port,
        target=order.task.target,
        hosts=hosts,
        controller=(home.address, home.name),
        channel=world.plan.orders_by,
    )


def _held(world: World, rng: Generator, home: Home, of: tuple[Den, list[_Given]]) -> Events:
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


def _long_poll(world: World, rng: Generator, home: Home, of: tuple[Den, list[_Given]]) -> Events:
    """Return questions over TLS that stay open until an order or four minutes have come."""
    moments = np.array([order.given for order in of[1]])
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


def _poll(world: World, rng: Generator, home: Home, of: tuple[Den, list[_Given]]) -> Events:
    """Return questions by HTTP; the first after an order has more in its answer."""
    ts, src = by_host(of[0].hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    told = np.zeros(len(ts), dtype=np.int64)
    for order in of[1]:
        told += (ts >= order.given) & (ts < order.at)
    flow = Flow(
        ts=ts, src=src, dst=home.address, port=80, seconds=rng.lognormal(np.log(0.4), 0.3, len(ts))
    )
    request = Request(
        host=np.full(len(ts), home.name, dtype=object),
        uri="/s/index.php?v=2",
        agent="Mozilla/5.0 (Windows NT 6.1; WOW64; rv:40.0) Gecko/20100101 Firefox/40.1",
        answer=8 + np.minimum(told, 1) * _ANSWER,
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


def _answered(ts: Column, seconds: Column, orders: list[_Given]) -> Column:
    """Return how many orders came while each session was open."""
    told = np.zeros(len(ts), dtype=np.int64)
    for order in orders:
        told += (ts <= order.given) & (order.given < ts + seconds)
    return told
