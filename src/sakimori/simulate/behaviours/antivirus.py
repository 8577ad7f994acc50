"""Antivirus: files' hashes looked up in a cloud every few minutes, by TLS or inside DNS questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.clock import by_host, chance, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Lookup, lookups
from sakimori.simulate.visits import Visit, over_tls, rotated, share_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

NAME = "antivirus"
PERIODS = (60.0, 120.0, 300.0)
BURSTS_AN_HOUR = 4.0  # of hashes asked for by DNS
HASHES_A_BURST = 5.0
_WITHOUT = 0.05
_BY_DNS = 0.25  # share of computers whose product asks by DNS
_UNKNOWN = 0.5


def events(world: World, rng: Generator) -> Events:
    """Return look-ups: few names, many addresses, small and even."""
    guarded = [
        host
        for host in world.of("desktop", "laptop", "files", "mail", "web")
        if share_of(f"antivirus {host.address}") > _WITHOUT
    ]
    by_dns = [host for host in guarded if share_of(f"hashes {host.address}") < _BY_DNS]
    return merged([_in_the_cloud(world, rng, guarded), _in_questions(world, rng, by_dns)])


def _in_the_cloud(world: World, rng: Generator, hosts: list[Host]) -> Events:
    ts, src = by_host(hosts, lambda host: every(rng, host.on, _period_of(host), 0.04))
    return over_tls(
        world,
        rng,
        Visit(
            ts=ts,
            src=src,
            row=rotated(world.directory.groups["antivirus"], ts, src),
            sent=1150 + rng.integers(0, 90, len(ts)),
            received=3900 + rng.integers(0, 160, len(ts)),
            seconds=rng.lognormal(np.log(0.3), 0.3, len(ts)),
            client="antivirus",
        ),
    )


def _period_of(host: Host) -> float:
    """Return how often a host's product asks: every five minutes for most."""
    share = share_of(f"look-up {host.address}")
    return PERIODS[2] if share < 0.7 else PERIODS[int(share * 100) % 2]


def _in_questions(world: World, rng: Generator, hosts: list[Host]) -> Events:
    """Return hashes as labels below the vendor's zone; one never seen does not exist."""
    begun, who = by_host(hosts, lambda host: chance(rng, host.used, BURSTS_AN_HOUR))
    of = np.repeat(np.arange(len(begun)), rng.poisson(HASHES_A_BURST, len(begun)))
    n = len(of)
    zone = world.directory.names[world.directory.groups["hash list"][0]]
    unknown = rng.random(n) < _UNKNOWN
    return lookups(
        rng,
        Lookup(
            ts=begun[of] + rng.exponential(2.0, n),
            client=who[of],
            server=world.server("resolver"),
            query=texts_of([f"{digest.hex()}.{zone}" for digest in _digests(rng, n)]),
            rcode=np.where(unknown, "NXDOMAIN", "NOERROR"),
            answers=np.where(unknown, "-", "127.0.0.1"),
            ttl=300.0,
        ),
    )


def _digests(rng: Generator, count: int) -> list[bytes]:
    return [rng.bytes(20) for _ in range(count)]
