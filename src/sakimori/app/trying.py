"""Trying Sakimori out: a simulated network, and the demonstration."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError, RefusedError
from sakimori.simulate import Plan, Truth, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MARK = ".sakimori-demo"


def write_simulation(
    out: Path, *, hosts: int, days: int, botnets: Sequence[str], seed: int
) -> Truth:
    """Write simulated logs into `out`; botnets as `name=bots`, none: one or more of each.

    Raises ConfigError for a malformed or unknown botnet, SourceError when `out` has logs already.
    """
    plan = Plan(hosts=hosts, days=days, seed=seed)
    if botnets:
        plan = Plan(hosts=hosts, days=days, seed=seed, botnets=_wanted(botnets))
    return simulate(out, plan)


def fresh_demo(folder: Path) -> tuple[Path, Path, list[str]]:
    """Write the demonstration's logs. Returns the logs, the workspace to use, and the inside.

    An older demonstration in the folder is replaced; anything else there is left alone and refused.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise RefusedError(
                "the folder holds something that is no demonstration",
                where=str(folder),
                hint="name an empty or new folder",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    truth = simulate(folder / "logs", Plan())
    return folder / "logs", folder / "workspace", list(truth.internal)


def _wanted(botnets: Sequence[str]) -> dict[str, int]:
    wanted = {}
    for text in botnets:
        name, _, count = text.partition("=")
        if count and not count.isdigit():
            raise ConfigError(f"{text!r} is not NAME=BOTS", hint="such as --botnet spam=3")
        wanted[name] = int(count or 1)
    return wanted
