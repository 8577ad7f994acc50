"""What a botnet is given, what it gives back, and how all of them find their controllers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sakimori.simulate.traffic import Lookup, lookups
from sakimori.simulate.visits import uncached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.events import Events
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.plan import Order
    from sakimori.simulate.world import Den, World


@dataclass(frozen=True, slots=True)
class Infection:
    """What a botnet's bots did, and whom they obeyed (addresses and names; none if peer to peer).

    `orders`: the commands that bots obeyed together.
    """

    events: Events
    controllers: tuple[str, ...]
    orders: tuple[Order, ...] = ()


class Botnet(Protocol):
    """What the simulator needs of a botnet."""

    NAME: str  # as in Plan.botnets
    DOES: str  # one plain sentence
    TECHNIQUE: str  # ATT&CK id
    LIVES_ON: tuple[str, ...]  # kinds of host

    @property
    def infect(self) -> Callable[[World, Den, Generator], Infection]:
        """All that the bots on the den's hosts do; only connections they open. Pure."""


@dataclass(frozen=True, slots=True)
class Home:
    """A controller: its name, address, and how long the name is cached."""

    name: str
    address: str
    ttl: float = 300.0


def found(world: World, rng: Generator, home: Home, calls: tuple[Column, Column]) -> Events:
    """Return the bots' questions for their controller; `calls` are times and bots' addresses."""
    ts, src = calls
    asked = uncached(ts, [src], np.full(len(ts), home.ttl))
    return lookups(
        rng,
        Lookup(
            ts=np.maximum(ts[asked] - rng.uniform(0.01, 0.04, len(asked)), world.start),
            client=src[asked],
            server=world.server("resolver"),
            query=np.full(len(asked), home.name, dtype=object),
            answers=home.address,
            ttl=home.ttl,
            rtt=0.009,
        ),
    )


def awake(hosts: Iterable[Host], moment: float) -> tuple[Host, ...]:
    """Return the hosts that are on at this moment."""
    return tuple(h for h in hosts if any(begin <= moment < end for begin, end in h.on))


def off_after(host: Host, moment: float) -> float:
    """Return when the host that is on at this moment goes off; the moment itself if it is off."""
    return next((end for begin, end in host.on if begin <= moment < end), moment)
