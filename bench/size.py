"""Coverage and width of the intervals of `size` on made-up botnets: python bench/size.py [COUNT].

Three simulators, built apart. Each row is one of them with one kind of data: no identifiers, all bots with one,
half of the bots, six of ten calls, two sinkholes (0.6 and 0.5 of the bots each) with and without.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import _size_second as second
import _size_third as third
import numpy as np

from sakimori.simulate import population
from sakimori.takedown.size import Hits, size

DATA = ("none", "all", "half", "some calls", "two, none", "two, all")
WORLDS = ("first", "second", *third.KINDS)
SEEN = ("footprint", "daily_active", "peak_at_once")


def made(which: str, seed: int) -> Any:
    if which == "first":
        return population.play(population.drawn(seed))
    if which in third.KINDS:
        return SimpleNamespace(**third.run(third.drawn(seed, (which,))))
    return SimpleNamespace(**second.run(second.drawn(seed)))


def hits(played: Any, data: str, rng: np.random.Generator) -> tuple[Hits, Hits | None]:
    count, bots = len(played.time), int(played.bot.max()) + 1
    ip = np.unique(played.ip, return_inverse=True)[1]
    asns, asn = np.unique(played.asn, return_inverse=True)
    none = np.full(count, -1)
    bot = {
        "all": played.bot, "two, all": played.bot,
        "half": np.where((rng.random(bots) < 0.5)[played.bot], played.bot, -1),
        "some calls": np.where(rng.random(count) < 0.6, played.bot, -1),
    }.get(data, none)  # fmt: skip
    start = 20_000 * 86_400.0
    whole = Hits(played.time + start, ip, asn, bot, none, tuple(map(str, asns)))
    if not data.startswith("two"):
        return whole, None
    lists = [(rng.random(bots) < share)[played.bot] for share in (0.6, 0.5)]
    return whole.of(lists[0]), whole.of(lists[1])


def row(which: str, data: str, seeds: range) -> str:
    held, widths, took = [], [], 0.0
    for seed in seeds:
        played = made(which, seed)
        one, two = hits(played, data, np.random.default_rng(seed))
        began = time.process_time()
        found = size(one, two)
        took += time.process_time() - began
        truth = (played.footprint, played.daily, played.peak, played.peak_hour)
        parts = [getattr(found, name) for name in (*SEEN, SEEN[-1])]
        held.append([p.low <= t <= p.high for p, t in zip(parts, truth, strict=True)])
        widths.append([p.high / max(p.low, 1) for p in parts[:3]])
    cover, width = 100 * np.mean(held, axis=0), np.median(widths, axis=0)
    cells = "  ".join(f"{c:5.0f}" for c in cover)
    return f"{which:7} {data:11} {cells}   {'  '.join(f'{w:5.2f}' for w in width)}   {took / len(seeds):.1f}"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(
        f"{count} botnets a row: % whose interval holds the truth, median of high / low, CPU s each"
    )
    print("made by identifiers  footp.  daily  peak   in hour footp. daily  peak")
    for data in sys.argv[2:] or DATA:
        for which in WORLDS:
            print(row(which, data, range(100, 100 + count)), flush=True)


if __name__ == "__main__":
    main()
