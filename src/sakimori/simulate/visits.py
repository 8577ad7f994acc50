"""Calls to names of the outside directory: asked for when the client's cache has run out, then called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.simulate.addresses import Column, texts_of
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import (
    Flow,
    Handshake,
    Lookup,
    Request,
    connections,
    encrypted,
    lookups,
    mapped,
    requested,
    spread,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.world import Directory, World

_ASK_BOTH = 0.35  # share of clients that ask for AAAA too


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Calls, column by column. `row`: of the directory; `client`: the program, for TLS."""

    ts: Column
    src: Column
    row: Column
    sent: Any = 0
    received: Any = 0
    seconds: Any = 0.2
    port: Any = 443
    proto: Any = "tcp"
    service: Any = "ssl"
    client: Any = "browser"
    segment: Any = 1400
    state: Any = "SF"
    kept: float = 0.0  # s the program keeps an answer, if longer than its time to live


def over_tls(world: World, rng: Generator, visit: Visit) -> Events:
    """Return the visits as TLS connections, with the questions before them."""
    rows, here = visit.row, world.directory
    hello = Handshake(name=here.names[rows], client=visit.client, tls12=here.tls12[rows])
    return merged([questions(world, rng, visit), encrypted(rng, _flow(world, rng, visit), hello)])


def over_http(world: World, rng: Generator, visit: Visit, request: Request) -> Events:
    """Return the visits as HTTP requests, with the questions before them."""
    flow = _flow(world, rng, visit)
    return merged([questions(world, rng, visit), requested(rng, flow, request)])


def plainly(world: World, rng: Generator, visit: Visit) -> Events:
    """Return the visits as bare connections, with the questions before them."""
    return merged([questions(world, rng, visit), connections(rng, _flow(world, rng, visit))])


def rotated(rows: Column, ts: Column, src: Column, turn: float = 900.0) -> Column:
    """Return a row of the pool for each call: a client stays with one for `turn` seconds."""
    own = mapped(src, lambda address: int(share_of(f"turn {address}") * 10_000), np.int64)
    return rows[(own + 7 * np.floor(ts / turn).astype(np.int64)) % len(rows)]


def _flow(world: World, rng: Generator, visit: Visit) -> Flow:
    choices = world.directory.addresses
    picked = rng.integers(0, choices.shape[1], len(visit.row))
    return Flow(
        ts=visit.ts,
        src=visit.src,
        dst=choices[visit.row, picked],
        port=visit.port,
        proto=visit.proto,
        service=visit.service,
        state=visit.state,
        sent=visit.sent,
        received=visit.received,
        seconds=visit.seconds,
        segment=visit.segment,
    )


def questions(world: World, rng: Generator, visit: Visit) -> Events:
    """Return the clients' questions to the resolver for names not in their caches."""
    here, client = world.directory, spread(visit.src, len(visit.ts))
    # By row, not by name: whoever calls another address of a pool was told of it.
    asked = uncached(visit.ts, [client, visit.row], np.maximum(here.ttl[visit.row], visit.kept))
    ts, rows, who = visit.ts[asked], visit.row[asked], client[asked]
    both = mapped(who, lambda address: share_of(address) < _ASK_BOTH, bool)
    rtt = rng.lognormal(np.log(0.008), 0.8, len(ts))
    begin = np.maximum(ts - rtt - rng.uniform(0.0005, 0.003, len(ts)), world.start)
    first = Lookup(
        ts=begin,
        client=who,
        server=world.server("resolver"),
        query=here.names[rows],
        answers=here.answers(rows),
        ttl=here.ttl[rows],
        rtt=rtt,
    )
    second = Lookup(
        ts=begin[both] + 0.0001,
        client=who[both],
        server=world.server("resolver"),
        query=here.names[rows[both]],
        qtype="AAAA",
        answers=_sixes(here, rows[both]),
        ttl=here.ttl[rows[both]],
        rtt=rtt[both],
    )
    return merged([lookups(rng, first), lookups(rng, second)])


def _sixes(here: Directory, rows: Column) -> Column:
    """Return AAAA answers: every other name has one."""
    every = [f"2001:db8:{i:x}::1" if i % 2 else "-" for i in range(len(here.names))]
    return texts_of(every)[rows]


def share_of(text: str) -> float:
    """Return a number in 0..1 that depends on the text alone, for lasting habits."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / (1 << 48)


def uncached(ts: Column, key: list[Column], ttl: Column) -> Column:
    """Return the row numbers, in order of time, of which the key was not asked within `ttl`.

    A cache here is emptied every `ttl` seconds at a phase of its own, which needs no walk over
    the rows.
    """
    order = np.argsort(ts, kind="stable")
    code = np.zeros(len(ts), dtype=np.int64)
    for column in key:
        known = {value: i for i, value in enumerate(dict.fromkeys(column.tolist()))}
        codes = np.array([known[value] for value in column.tolist()], dtype=np.int64)
        code = code * (len(known) + 1) + codes
    phase = (code * 2_654_435_761 % 1000) / 1000
    begun = np.floor(ts / np.maximum(ttl, 1) + phase).astype(np.int64)
    _, position = np.unique(code, return_inverse=True)
    both = position.astype(np.int64) * (1 << 36) + (begun - begun.min(initial=0))
    _, first = np.unique(both[order], return_index=True)
    return order[np.sort(first)]
