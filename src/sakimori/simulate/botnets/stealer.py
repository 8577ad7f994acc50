"""A stealer: what was typed, copied and seen goes out in small files, by FTP or by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.behaviours.gadgets import ADDRESS_CHECK
from sakimori.simulate.botnets._contract import Home, Infection, found
from sakimori.simulate.clock import by_host, every
from sakimori.simulate.events import Events, merged
from sakimori.simulate.traffic import Flow, Letter, Request, connections, posted, requested

if TYPE_CHECKING:
    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.world import Den, World

NAME = "stealer"
DOES = "asks for its outside address and uploads small files every 20 minutes by FTP or by mail"
TECHNIQUE = "T1048.003"
LIVES_ON: tuple[str, ...] = ("desktop", "laptop")
PERIOD, JITTER = 1200.0, 0.25
_MIME = "text/plain"


def infect(world: World, den: Den, rng: Generator) -> Infection:
    """Return uploads: by FTP from every other host, by mail from the others."""
    shelf = Home(f"ftp.{den.names[0]}", den.addresses[0], ttl=3600.0)
    office = Home(f"mail.{den.names[1]}", den.addresses[1], ttl=3600.0)
    by_ftp, by_mail = den.hosts[::2], den.hosts[1::2]
    parts = [_located(world, rng, den)]
    controllers = [shelf.address, shelf.name]
    uploads = by_host(by_ftp, lambda host: every(rng, host.on, PERIOD, JITTER))
    parts += [found(world, rng, shelf, uploads), _uploaded(rng, shelf, uploads)]
    if by_mail:
        letters = by_host(by_mail, lambda host: every(rng, host.on, PERIOD, JITTER))
        parts += [found(world, rng, office, letters), _mailed(rng, office, letters)]
        controllers += [office.address, office.name]
    return Infection(merged(parts), tuple(controllers))


def _located(world: World, rng: Generator, den: Den) -> Events:
    """Return the question which address the victim has outside, on each awakening."""
    row = world.directory.groups["vendor"][ADDRESS_CHECK]  # clean programs ask there too
    here = world.directory
    service = Home(here.names[row], here.addresses[row, 0])
    begun = [(begin + rng.uniform(5, 60), h.address) for h in den.hosts for begin, _ in h.on]
    ts = np.array([t for t, _ in begun], dtype=np.float64)
    src = np.array([address for _, address in begun], dtype=object)
    flow = Flow(ts=ts, src=src, dst=service.address, port=80, seconds=0.2)
    request = Request(
        host=np.full(len(ts), service.name, dtype=object),
        uri="/line/?fields=hosting",
        mime=_MIME,
        answer=6,
    )
    return merged([found(world, rng, service, (ts, src)), requested(rng, flow, request)])


def _uploaded(rng: Generator, shelf: Home, calls: tuple[Column, Column]) -> Events:
    """Return a command connection and a passive data connection for each file."""
    ts, src = calls
    n = len(ts)
    wait = rng.uniform(0.8, 1.6, n)
    command = Flow(
        ts=ts,
        src=src,
        dst=shelf.address,
        port=21,
        service="ftp",
        sent=rng.integers(120, 170, n),
        received=rng.integers(380, 520, n),
        seconds=wait + rng.uniform(1.0, 4.0, n),
        state=rng.choice(["SF", "RSTO"], n, p=[0.4, 0.6]),
    )
    data = Flow(
        ts=ts + wait,
        src=src,
        dst=shelf.address,
        port=rng.integers(30_000, 60_000, n),
        service="ftp-data",
        sent=_size(rng, n),
        seconds=rng.uniform(0.2, 1.0, n),
    )
    return merged([connections(rng, command), connections(rng, data)])


def _size(rng: Generator, count: int) -> Column:
    """Return sizes of what was typed and copied, at times a picture of the screen."""
    picture = rng.random(count) < 0.3
    return np.where(
        picture, rng.integers(60_000, 240_000, count), rng.lognormal(np.log(1800), 0.9, count)
    ).astype(np.int64)


def _mailed(rng: Generator, office: Home, calls: tuple[Column, Column]) -> Events:
    ts, src = calls
    n = len(ts)
    box = f"log@{office.name.partition('.')[2]}"
    letter = Letter(
        helo=texts_of([f"PC-{int(s.rpartition('.')[2]):03d}.corp.test" for s in src.tolist()]),
        sender=np.full(n, box, dtype=object),
        recipients=np.full(n, box, dtype=object),
        subject=rng.choice(texts_of(["PW_user/PC-04", "SC_user/PC-04", "KL_user/PC-04"]), n),
        reply="250 OK id=1",
    )
    flow = Flow(
        ts=ts,
        src=src,
        dst=office.address,
        port=587,
        service="smtp",
        sent=1400 + _size(rng, n) * 4 // 3,
        received=rng.integers(600, 900, n),
        seconds=rng.lognormal(np.log(2.5), 0.4, n),
    )
    return posted(rng, flow, letter)
