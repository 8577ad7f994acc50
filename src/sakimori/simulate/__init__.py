"""A make-believe organisation's days as Zeek logs, bots among them, with the truth beside.

For trying, teaching and testing the hunt without anyone's data. It only writes files: no packet is
ever sent. All names and addresses belong to nobody (see `addresses.py`).
"""

from __future__ import annotations

import difflib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.errors import ConfigError, SourceError
from sakimori.simulate import addresses, behaviours, botnets, zeeklog
from sakimori.simulate.behaviours import resolver
from sakimori.simulate.contents import with_contents
from sakimori.simulate.events import LOGS, Events, merged, on_the_wire
from sakimori.simulate.plan import Bot, Order, Plan, Truth
from sakimori.simulate.world import build

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator

    from sakimori.simulate.botnets import Botnet
    from sakimori.simulate.organisation import Host
    from sakimori.simulate.world import World

__all__ = ["BOTNETS", "Bot", "Order", "Plan", "Truth", "simulate"]

BOTNETS: tuple[str, ...] = tuple(botnet.NAME for botnet in botnets.BUILTIN)
TRUTH = "truth.json"
_AWAKE_ENOUGH = 4 * 3600.0  # s on, of a host worth infecting


@dataclass(frozen=True, slots=True)
class _Outbreak:
    events: tuple[Events, ...]
    bots: tuple[Bot, ...]
    orders: tuple[Order, ...]


def simulate(out: Path, plan: Plan) -> Truth:
    """Write a plan's days into the folder `out`: Zeek logs, and `truth.json` last.

    The same plan writes the same bytes. One log for each of LOGS, rows in order of time, all
    within the plan's days.

    Raises:
        ConfigError: a botnet is unknown, or there are not enough hosts to infect.
        SourceError: the folder cannot be written, or has such logs already.
    """
    _known(plan)
    _refuse_to_overwrite(out)
    world = build(plan, _generator(plan, "world"))
    outbreak = _infected(world)
    truth = _truth(world, outbreak)
    events = _whole(world, outbreak.events)
    try:
        out.mkdir(parents=True, exist_ok=True)
        zeeklog.write(out, events, _generator(plan, "uid"))
        truth.write(out / TRUTH)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be written", where=str(out)) from error
    return truth


def _whole(world: World, outbreak: tuple[Events, ...]) -> Events:
    """Return all that happens: the everyday, the bots', and what the resolver asks because of both."""
    everyday = (b.events(world, _generator(world.plan, b.NAME)) for b in behaviours.BUILTIN)
    seen = merged([*everyday, *outbreak])
    asked = resolver.events(world, _generator(world.plan, resolver.NAME), seen)
    return with_contents(on_the_wire(merged([seen, asked]), world.start, world.end))


def _generator(plan: Plan, part: str) -> Generator:
    """Return a part's own chance, so that a new part leaves the others as they were."""
    return np.random.default_rng([plan.seed, zlib.crc32(part.encode())])


def _refuse_to_overwrite(out: Path) -> None:
    for name in (*(f"{log}.log" for log in LOGS), TRUTH):
        if (out / name).exists():
            raise SourceError(
                "is there already and is not overwritten",
                where=str(out / name),
                hint="simulate into an empty folder",
            )


def _infected(world: World) -> _Outbreak:
    """Choose hosts for each botnet, no host twice, and let it act there."""
    events: list[Events] = []
    bots: list[Bot] = []
    orders: list[Order] = []
    for number, botnet in enumerate(botnets.BUILTIN):
        count = world.plan.botnets.get(botnet.NAME, 0)
        if count:
            hosts = _chosen(world, botnet, count, {bot.host for bot in bots})
            made = botnet.infect(
                world, world.den(number, hosts), _generator(world.plan, botnet.NAME)
            )
            events.append(made.events)
            orders += made.orders
            bots += [
                Bot(h.address, botnet.NAME, botnet.DOES, made.controllers, botnet.TECHNIQUE)
                for h in hosts
            ]
    return _Outbreak(tuple(events), tuple(bots), tuple(orders))


def _known(plan: Plan) -> None:
    for name in plan.botnets:
        if name not in BOTNETS:
            close = difflib.get_close_matches(name, BOTNETS, 1)
            raise ConfigError(
                f"no botnet is named {name!r}",
                hint=f"did you mean {close[0]!r}?" if close else f"one of {', '.join(BOTNETS)}",
            )


def _chosen(world: World, botnet: Botnet, count: int, taken: set[str]) -> tuple[Host, ...]:
    fit = [
        host
        for host in world.of(*botnet.LIVES_ON)
        if host.address not in taken and sum(b - a for a, b in host.on) >= _AWAKE_ENOUGH
    ]
    if len(fit) < count:
        raise ConfigError(
            f"{botnet.NAME} is to infect {count} hosts, and {len(fit)} are left",
            hint="simulate more hosts, or a weekday",
        )
    order = _generator(world.plan, f"{botnet.NAME} hosts").permutation(len(fit))
    return tuple(fit[i] for i in order[:count].tolist())


def _truth(world: World, outbreak: _Outbreak) -> Truth:
    bots = outbreak.bots
    infected = {bot.host for bot in bots}
    return Truth(
        addresses.INSIDE,
        tuple(sorted(infected)),
        tuple(sorted({name for bot in bots for name in bot.controllers})),
        tuple(sorted({host.address for host in world.hosts} - infected)),
        bots,
        tuple(sorted(outbreak.orders, key=lambda order: (order.at, order.family))),
    )
