"""Simulated days, made once and read by many tests."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sakimori.simulate import Plan, Truth, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Row = dict[str, str]


class Logs(dict[str, list[Row]]):
    """A folder's logs as rows of text by Zeek's field names, each read when first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, log: str) -> list[Row]:
        self[log] = rows_of(self.folder / f"{log}.log")
        gc.freeze()  # some 100,000 small dicts: without this each collection walks them all
        return self[log]


@dataclass(frozen=True)
class Day:
    """What one simulation wrote."""

    folder: Path
    plan: Plan
    truth: Truth
    logs: Logs = field(repr=False)

    def hosts_of(self, family: str) -> set[str]:
        return {bot.host for bot in self.truth.bots if bot.family == family}

    def rows(self, log: str, *sources: str) -> Iterator[Row]:
        return (row for row in self.logs[log] if row["id.orig_h"] in sources)


def rows_of(path: Path) -> list[Row]:
    lines = path.read_text(encoding="utf-8").splitlines()
    fields = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    return [
        dict(zip(fields, line.split("\t"), strict=True))
        for line in lines
        if not line.startswith("#")
    ]


@pytest.fixture(scope="session")
def make_day(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Plan], Day]:
    """Simulate a plan anew."""

    def make(plan: Plan) -> Day:
        folder = tmp_path_factory.mktemp("simulated") / "day"
        return Day(folder, plan, simulate(folder, plan), Logs(folder))

    return make


@pytest.fixture(scope="session")
def day(make_day: Callable[[Plan], Day]) -> Day:
    """A day of an organisation with all default bots."""
    return make_day(Plan(hosts=45))


@pytest.fixture(scope="session")
def calm(make_day: Callable[[Plan], Day]) -> Day:
    """A small organisation's day without bots."""
    return make_day(Plan(hosts=24, botnets={}, seed=5))


@pytest.fixture(scope="session")
def infested(make_day: Callable[[Plan], Day]) -> Day:
    """The same organisation's day with a few bots."""
    return make_day(Plan(hosts=24, botnets={"spam": 1, "dga": 1, "banker": 1}, seed=5))
