"""Mail: clients poll and send through the mail server, the server sends to and hears from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate import addresses
from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.web import popular
from sakimori.simulate.clock import by_host, chance, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.organisation import DOMAIN
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Letter,
    Lookup,
    encrypted,
    lookups,
    mapped,
    posted,
)
from sakimori.simulate.visits import Visit, questions, uncached

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "mail"
POLL = 300.0
SENT_AN_HOUR = 1.2
RECEIVED_AN_HOUR = 2.5  # by each user
MAIL_NAME = f"mail.{DOMAIN}"
_SUBJECTS = ("Meeting notes", "Re: invoice", "Schedule", "Question", "Re: Re: draft", "Minutes")
_TO_OUTSIDE = 0.45


def events(world: World, rng: Generator) -> Events:
    """Return polls, submissions, and the mail server's own traffic."""
    users = world.of("desktop", "laptop", "phone")
    ts, src = by_host(users, lambda host: every(rng, host.on, POLL, 0.03))
    written, who = by_host(users, lambda host: chance(rng, host.used, SENT_AN_HOUR))
    outside = rng.random(len(written)) < _TO_OUTSIDE
    return merged(
        [
            _asked(world, rng, np.concatenate([ts, written]), np.concatenate([src, who])),
            _polls(world, rng, ts, src),
            _submissions(world, rng, written, who),
            _outbound(world, rng, written[outside] + 2),
            _inbound(world, rng, users),
        ]
    )


def _asked(world: World, rng: Generator, ts: Column, src: Column) -> Events:
    """Return the questions for the mail server's own name."""
    asked = uncached(ts, [src], np.full(len(ts), 3600.0))
    return lookups(
        rng,
        Lookup(
            ts=np.maximum(ts[asked] - 0.004, world.start),
            client=src[asked],
            server=world.server("resolver"),
            query=np.full(len(asked), MAIL_NAME, dtype=object),
            answers=world.server("mail"),
            ttl=3600.0,
            rtt=0.001,
        ),
    )


def _polls(world: World, rng: Generator, ts: Column, src: Column) -> Events:
    n = len(ts)
    flow = Flow(
        ts=ts,
        src=src,
        dst=world.server("mail"),
        port=993,
        service="ssl",
        sent=1400 + rng.integers(0, 200, n),
        received=4200 + rng.integers(0, 900, n) + rng.poisson(0.15, n) * 40_000,
        seconds=rng.lognormal(np.log(0.6), 0.5, n),
    )
    return encrypted(rng, flow, _hello(n))


def _hello(count: int) -> Handshake:
    return Handshake(name=np.full(count, MAIL_NAME, dtype=object), client="mail client", tls12=True)


def _submissions(world: World, rng: Generator, ts: Column, src: Column) -> Events:
    n = len(ts)
    flow = Flow(
        ts=ts,
        src=src,
        dst=world.server("mail"),
        port=465,
        service="ssl",
        sent=rng.lognormal(np.log(12_000), 1.4, n),
        received=4500,
        seconds=rng.lognormal(np.log(0.9), 0.5, n),
    )
    return encrypted(rng, flow, _hello(n))


def _outbound(world: World, rng: Generator, ts: Column) -> Events:
    """Hand mail to outside servers: the domain's MX is asked for, then that server's address."""
    here, n = world.directory, len(ts)
    rows = popular(rng, here.groups["mx"], n)
    server = np.full(n, world.server("mail"), dtype=object)
    domains = texts_of([name.split(".", 1)[1] for name in here.names[rows].tolist()])
    asked = uncached(ts, [domains], here.ttl[rows])
    mx = Lookup(
        ts=np.maximum(ts[asked] - 0.09, world.start),
        client=server[asked],
        server=world.server("resolver"),
        query=domains[asked],
        qtype="MX",
        answers=here.names[rows[asked]],
        ttl=here.ttl[rows[asked]],
    )
    letter = Letter(
        helo=MAIL_NAME,
        sender=_people(rng, n, np.full(n, DOMAIN, dtype=object)),
        recipients=_people(rng, n, domains),
        subject=rng.choice(texts_of(list(_SUBJECTS)), n),
        reply=rng.choice(["250 2.0.0 Ok: queued", "550 5.1.1 User unknown"], n, p=[0.97, 0.03]),
        mailer="Example Mail 16.0",
    )
    flow = Flow(
        ts=ts,
        src=server,
        dst=here.addresses[rows, 0],
        port=25,
        service="smtp",
        sent=rng.lognormal(np.log(14_000), 1.4, n),
        received=rng.integers(400, 800, n),
        seconds=rng.lognormal(np.log(1.5), 0.6, n),
    )
    visit = Visit(ts=ts, src=server, row=rows)
    return merged([lookups(rng, mx), questions(world, rng, visit), posted(rng, flow, letter)])


def _inbound(world: World, rng: Generator, users: tuple[Host, ...]) -> Events:
    """Take mail from outside servers, of which a third is unwanted and half of that refused."""
    ts = chance(rng, world.always, RECEIVED_AN_HOUR * len(users) / 3)
    n = len(ts)
    here = world.directory
    rows = popular(rng, here.groups["mx"], n)
    unwanted = rng.random(n) < 0.33
    strangers = addresses.reserved(rng, n)
    domains = texts_of([name.split(".", 1)[1] for name in here.names[rows].tolist()])
    letter = Letter(
        helo=np.where(unwanted, "localhost.test", here.names[rows]),
        sender=_people(rng, n, domains),
        recipients=_people(rng, n, np.full(n, DOMAIN, dtype=object)),
        subject=rng.choice(texts_of(list(_SUBJECTS)), n),
        reply=np.where(
            unwanted & (rng.random(n) < 0.5), "554 5.7.1 Rejected", "250 2.0.0 Ok: queued"
        ),
    )
    flow = Flow(
        ts=ts,
        src=np.where(unwanted, strangers, here.addresses[rows, 0]),
        dst=world.server("mail"),
        port=25,
        service="smtp",
        sent=rng.lognormal(np.log(20_000), 1.4, n),
        received=rng.integers(400, 800, n),
        seconds=rng.lognormal(np.log(1.8), 0.7, n),
    )
    return merged([_listed(world, rng, ts, (flow.src, unwanted)), posted(rng, flow, letter)])


def _listed(world: World, rng: Generator, ts: Column, senders: tuple[Column, Column]) -> Events:
    """Return the mail server's questions to block lists: most senders are on none (NXDOMAIN)."""
    zones = world.directory.names[world.directory.groups["block list"]]
    of = np.repeat(np.arange(len(ts)), len(zones))
    src, unwanted = senders
    turned = mapped(src, lambda address: ".".join(reversed(address.split("."))))
    listed = unwanted[of] & (rng.random(len(of)) < 0.7)
    return lookups(
        rng,
        Lookup(
            ts=ts[of] + rng.uniform(0.002, 0.2, len(of)),
            client=world.server("mail"),
            server=world.server("resolver"),
            query=turned[of] + "." + np.tile(zones, len(ts)),
            rcode=np.where(listed, "NOERROR", "NXDOMAIN"),
            answers=np.where(listed, "127.0.0.2", "-"),
            ttl=900.0,
        ),
    )


def _people(rng: Generator, count: int, domains: Column) -> Column:
    numbers = rng.integers(1, 400, count).tolist()
    return texts_of([f"user{i}@{d}" for i, d in zip(numbers, domains.tolist(), strict=True)])
