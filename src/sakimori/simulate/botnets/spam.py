"""A spam bot: fetches the letter and the addresses, then hands it to whatever server will take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, chance, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Letter, Lookup, Request, lookups, posted, requested
from sakimori.simulate.traffic import connections as connected
from sakimori.simulate.visits import uncached

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import Den, World

NAME = "spam"
DOES = "fetches mail templates by HTTP about every 10 minutes and sends spam to many mail servers"
TECHNIQUE = "T1071.001"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD = 600.0
JITTER = 0.25
LETTERS_AN_HOUR = 320.0
DOMAINS = 900
_UNREACHABLE = 0.25
_REPLIES = (
    "250 2.0.0 Ok: queued",
    "550 5.7.1 Service unavailable; client host blocked",
    "554 5.7.1 Message rejected as spam",
    "450 4.2.0 Greylisted, try again later",
    "550 5.1.1 User unknown",
)
_ODDS = (0.25, 0.3, 0.2, 0.1, 0.15)
_SUBJECTS = ("Your parcel is waiting", "Last reminder", "You have won", "Invoice overdue", "Re: Hi")


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return template fetches and letters, while the computer is awake."""
    home = Home(den.names[0], den.addresses[0])
    calls = by_host(den.hosts, lambda host: every(rng, host.on, PERIOD, JITTER))
    sent = by_host(den.hosts, lambda host: chance(rng, host.on, LETTERS_AN_HOUR))
    events = merged(
        [
            found(world, rng, home, calls),
            _templates(rng, home, calls),
            letters(world, rng, sent),
        ]
    )
    return Infection(events, (home.address, home.name))


def _templates(rng: Generator, home: Home, calls: tuple[Column, Column]) -> Events:
    ts, src = calls
    n = len(ts)
    campaigns = rng.integers(100, 140, n).tolist()
    flow = Flow(
        ts=ts, src=src, dst=home.address, port=80, seconds=rng.lognormal(np.log(0.6), 0.4, n)
    )
    request = Request(
        host=np.full(n, home.name, dtype=object),
        uri=texts_of([f"/t/{i}.dat" for i in campaigns]),
        agent="Mozilla/4.0 (compatible)",
        mime="text/plain",
        answer=rng.integers(14_000, 46_000, n),
    )
    return requested(rng, flow, request)


def letters(world: World, rng: Generator, calls: tuple[Column, Column]) -> Events:
    """Return for each letter the domain's MX, that server's address, and the attempt."""
    ts, src = calls
    n = len(ts)
    domains, servers, places = _victims(world, rng)
    to = rng.integers(0, DOMAINS, n)
    asked = uncached(ts, [src, domains[to]], np.full(n, 1800.0))
    question = Lookup(
        ts=np.maximum(ts[asked] - 0.12, world.start),
        client=src[asked],
        server=world.server("resolver"),
        query=domains[to[asked]],
        qtype="MX",
        answers=servers[to[asked]],
        ttl=3600.0,
        rtt=0.03,
    )
    second = Lookup(
        ts=np.maximum(ts[asked] - 0.06, world.start),
        client=src[asked],
        server=world.server("resolver"),
        query=servers[to[asked]],
        answers=places[to[asked]],
        ttl=3600.0,
        rtt=0.03,
    )
    deaf = rng.random(n) < _UNREACHABLE
    unheard = Flow(
        ts=ts[deaf],
        src=src[deaf],
        dst=places[to[deaf]],
        port=25,
        state=rng.choice(["S0", "REJ"], deaf.sum(), p=[0.8, 0.2]),
        seconds=3.0,
    )
    heard = _attempts(rng, ts[~deaf], src[~deaf], (domains[to[~deaf]], places[to[~deaf]]))
    return merged([lookups(rng, question), lookups(rng, second), connected(rng, unheard), heard])


def _victims(world: World, rng: Generator) -> tuple[Column, Column, Column]:
    """Return domains to send to, the names of their mail servers, and those servers' addresses."""
    known = [".".join(name.split(".")[-2:]) for name in world.directory.names.tolist()]
    stems = [name.removesuffix(".example") for name in known if name.endswith(".example")]
    domains = [f"{stems[i % len(stems)]}{i}.example" for i in range(DOMAINS)]
    servers = texts_of([f"mx.{domain}" for domain in domains])
    return texts_of(domains), servers, addresses.benchmark(rng, DOMAINS)


def _attempts(rng: Generator, ts: Column, src: Column, to: tuple[Column, Column]) -> Events:
    domains, places = to
    n = len(ts)
    reply = rng.choice(texts_of(list(_REPLIES)), n, p=_ODDS)
    taken = reply == _REPLIES[0]
    people = rng.integers(1, 5000, (n, 2)).tolist()
    letter = Letter(
        helo=texts_of([f"host{a % 97}.{d}" for (a, _), d in zip(people, domains, strict=True)]),
        sender=texts_of([f"n{a}@{d}" for (a, _), d in zip(people, domains[::-1], strict=True)]),
        recipients=texts_of([f"p{b}@{d}" for (_, b), d in zip(people, domains, strict=True)]),
        subject=np.where(taken, rng.choice(texts_of(list(_SUBJECTS)), n), "-"),
        reply=reply,
    )
    flow = Flow(
        ts=ts,
        src=src,
        dst=places,
        port=25,
        service="smtp",
        sent=np.where(taken, rng.integers(2200, 3400, n), rng.integers(70, 160, n)),
        received=rng.integers(180, 420, n),
        seconds=rng.lognormal(np.log(1.6), 0.7, n),
    )
    return posted(rng, flow, letter)
