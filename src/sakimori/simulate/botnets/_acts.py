"""What bots do when told to, all of them at once: scan, flood, send spam, ask for names, fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets import spam
from sakimori.simulate.botnets._contract import Home, off_after
from sakimori.simulate.plan import Order
from sakimori.simulate.traffic import Flow, Lookup, Request, connections, lookups, requested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.events import Events
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

_LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What all bots are told: an act of ACTS, for how long, how fast, against what.

    `inside`: the share of a scan that stays inside.
    """

    act: str
    seconds: float
    rate: float  # connections a second
    proto: str = "tcp"
    port: int = 80
    target: str = ""
    inside: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """An order: when it was given, what is to be done, when each bot heard and began (by address)."""

    at: float
    task: Task
    heard: Mapping[str, float]
    started: Mapping[str, float]


def obeyed(world: World, rng: Generator, task: Task, begin: float, host: Host) -> Events:
    """Return what one bot does from `begin` on, until done or its computer sleeps."""
    count = max(1, int(task.seconds * task.rate))
    ts = begin + np.sort(rng.uniform(0, task.seconds, count))
    ts[0] = begin
    return ACTS[task.act](world, rng, task, (ts[ts < off_after(host, begin)], host))


def order_of(family: str, channel: str, home: Home, told: Told) -> tuple[Order, ...]:
    """Return the truth about an order: one, or none when nobody heard it."""
    task, hosts = told.task, tuple(sorted(told.started))
    if not hosts:
        return ()
    return (
        Order(
            family=family,
            channel=channel,
            controller=home.address,
            name=home.name,
            act=task.act,
            proto=task.proto,
            port=task.port,
            target=task.target,
            seconds=task.seconds,
            at=told.at,
            acts=min(told.started.values()),
            hosts=hosts,
            heard=tuple(told.heard[host] for host in hosts),
            started=tuple(told.started[host] for host in hosts),
        ),
    )


def scanned(world: World, rng: Generator, task: Task, at: tuple[Column, Host]) -> Events:
    """Return tries at a port of far-off hosts and neighbours: most silent, some refused."""
    ts, host = at
    n = len(ts)
    inside = (rng.random(n) < task.inside) & (np.arange(n) > 0)
    target = np.where(inside, neighbours(world, rng, n), addresses.reserved(rng, n))
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
            port=np.where(inside, 445, task.port),
            state=state,
            sent=80 * (state == "SF"),
            received=140 * (state == "SF"),
            seconds=rng.uniform(0.01, 3.0, n),
        ),
    )


def neighbours(world: World, rng: Generator, count: int) -> Column:
    """Return addresses of the organisation's subnets, whether a host is there or not."""
    subnets = sorted({h.address.rpartition(".")[0] for h in world.hosts})
    picked = rng.integers(0, len(subnets), count).tolist()
    ends = rng.integers(1, 255, count).tolist()
    return texts_of([f"{subnets[s]}.{end}" for s, end in zip(picked, ends, strict=True)])


def flooded(_world: World, rng: Generator, task: Task, at: tuple[Column, Host]) -> Events:
    """Return a flood of one address: UDP in large packets, or TCP's first packet alone."""
    ts, host = at
    n = len(ts)
    return connections(
        rng,
        Flow(
            ts=ts,
            src=host.address,
            dst=task.target,
            port=task.port,
            proto=task.proto,
            state=rng.choice(["S0", "RSTO", "REJ"], n, p=[0.9, 0.05, 0.05])
            if task.proto == "tcp"
            else "S0",
            sent=1024 * rng.integers(200, 400, n),
            seconds=rng.uniform(0.5, 2, n),
            segment=1024,
        ),
    )


def spammed(world: World, rng: Generator, _task: Task, at: tuple[Column, Host]) -> Events:
    """Return letters to many mail servers."""
    ts, host = at
    return spam.letters(world, rng, (ts, np.full(len(ts), host.address, dtype=object)))


def tortured(world: World, rng: Generator, task: Task, at: tuple[Column, Host]) -> Events:
    """Return questions for random names below the target: its name servers must answer them all."""
    ts, host = at
    n = len(ts)
    letters = rng.choice(_LETTERS, (n, 12)).tolist()
    rcode = rng.choice(["NXDOMAIN", "SERVFAIL"], n, p=[0.7, 0.3])
    return lookups(
        rng,
        Lookup(
            ts=ts,
            client=host.address,
            server=world.server("resolver"),
            query=texts_of([f"{''.join(label)}.{task.target}" for label in letters]),
            rcode=rcode,
        ),
    )


def fetched(_world: World, rng: Generator, task: Task, at: tuple[Column, Host]) -> Events:
    """Return one download of a program from a bare address: the bot's own next version."""
    ts, host = at[0][:1], at[1]
    n = len(ts)
    flow = Flow(ts=ts, src=host.address, dst=task.target, port=task.port, seconds=2.5)
    request = Request(
        host=np.full(n, task.target, dtype=object),
        uri="/b/upd64.exe",
        agent="-",
        mime="application/x-dosexec",
        answer=412_160,
    )
    return requested(rng, flow, request)


ACTS: Mapping[str, Callable[[World, Generator, Task, tuple[Column, Host]], Events]] = {
    "scans": scanned,
    "floods": flooded,
    "spams": spammed,
    "asks": tortured,
    "fetches": fetched,
}
