"""What hosts call out to their own subnet: discovery by multicast and broadcast, and DHCP renewals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.clock import by_host, chance
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, connections, mapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "discovery"
RENEWALS_AN_HOUR = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of discovery: where to (none: the subnet's broadcast address), and how often."""

    port: int
    to: str
    an_hour: float
    sent: int  # bytes
    service: str = "-"


CALLS = (
    Call(1900, "239.255.255.250", 2.5, 692),
    Call(5353, "224.0.0.251", 3.0, 110, "dns"),
    Call(5355, "224.0.0.252", 2.0, 44, "dns"),
    Call(137, "", 1.5, 150, "dns"),
    Call(138, "", 0.6, 201),
)


def events(world: World, rng: Generator) -> Events:
    """Return calls that nobody answers, and renewals that the resolver's host does."""
    callers = world.of("desktop", "laptop", "phone", "printer", "tv")
    parts = []
    for call in CALLS:
        ts, src = by_host(callers, _at_random(rng, call.an_hour))
        everybody = mapped(src, lambda address: f"{address.rpartition('.')[0]}.255")
        parts.append(
            connections(
                rng,
                Flow(
                    ts=ts,
                    src=src,
                    sport=call.port if call.port != 1900 else None,
                    dst=call.to or everybody,
                    port=call.port,
                    proto="udp",
                    service=call.service,
                    state="S0",
                    sent=call.sent * rng.integers(1, 4, len(ts)),
                    seconds=rng.uniform(0.1, 3.1, len(ts)),
                    segment=call.sent,
                ),
            )
        )
    ts, src = by_host(callers, lambda host: chance(rng, host.on, RENEWALS_AN_HOUR))
    renewed = Flow(
        ts=ts,
        src=src,
        sport=68,
        dst=world.server("resolver"),
        port=67,
        proto="udp",
        service="dhcp",
        sent=300,
        received=np.full(len(ts), 308),
        seconds=rng.uniform(0.001, 0.02, len(ts)),
    )
    return merged([*parts, connections(rng, renewed)])


def _at_random(rng: Generator, an_hour: float) -> Callable[[Host], Column]:
    return lambda host: chance(rng, host.on, an_hour)
