"""How often `effect` cries wolf, and how often it finds what is there, on made-up series.

    python bench/effect.py [--runs 400] [--only NAME]

Every series is exp(level + drift + weekday + AR(1) + independent noise), counted (Poisson), 56 days
before and 56 after, unless said otherwise. "excludes 1": the 95 % interval does so, whether or not
the p value was refused. "p < 5 %": a p value was printed and was below 5 %. "covers": the interval
holds the true ratio. "refused": placebo dates rejected too often.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import stdtr

from sakimori.takedown.effect import Options, Series, Unit, effects
from sakimori.takedown.effect.design import base
from sakimori.takedown.effect.model import WIDER
from sakimori.takedown.effect.noise import Whitener, fit, grid

START = datetime(2026, 1, 5)  # noqa: DTZ001 - series have no zone: UTC
WEEK = np.array([0.1, 0.12, 0.1, 0.05, 0.0, -0.2, -0.25])


@dataclass(frozen=True)
class World:
    """One made-up process."""

    rho: float = 0.7
    sd: float = 0.15  # of the AR(1) part
    noise: float = 0.0  # sd of independent noise
    drift: float = -0.004  # a step
    week: bool = True
    level: float = 20_000.0
    steps: int = 112
    cut: int = 56
    unit: Unit = Unit.day
    ratio: float = 1.0
    heavy: bool = False  # t with 3 degrees of freedom
    outage: int = 0  # days at zero after the date
    gaps: float = 0.0  # share of days missing
    control: bool = False  # half of the AR part is shared with a control
    bend: float = 0.0  # further drift after the date
    over: float = 0.0  # overdispersion: gamma-mixed Poisson


def made(world: World, rng: np.random.Generator) -> list[Series]:
    at = np.arange(world.steps)
    own, shared = _memory(world, rng), _memory(world, rng)
    level = np.log(world.level) + world.drift * at + (WEEK[at % 7] if world.week else 0.0)
    log = level + (0.5 * own + 0.87 * shared if world.control else own)
    log = log + rng.normal(size=world.steps) * world.noise
    log = log + (np.log(world.ratio) + world.bend * (at - world.cut)) * (at >= world.cut)
    series = [_counted("bots", log, world, rng)]
    if world.control:
        other = level + 0.5 * _memory(world, rng) + 0.87 * shared
        series.append(_counted("control", other, world, rng))
    return series


def _memory(world: World, rng: np.random.Generator) -> np.ndarray:
    burn = 200
    size = (world.steps + burn,)
    shock = rng.standard_t(3, size) / np.sqrt(3) if world.heavy else rng.normal(size=size)
    shock = shock * world.sd * np.sqrt(1 - world.rho**2)
    out = np.zeros(size)
    for i in range(1, len(out)):
        out[i] = world.rho * out[i - 1] + shock[i]
    return out[burn:]


def _counted(name: str, log: np.ndarray, world: World, rng: np.random.Generator) -> Series:
    expected = np.exp(log)
    if world.over:
        expected = expected * rng.gamma(1 / world.over, world.over, size=len(expected))
    values = rng.poisson(expected).astype(float)
    values[world.cut + 20 : world.cut + 20 + world.outage] = 0.0
    values[rng.random(len(values)) < world.gaps] = np.nan
    return Series(name, START, world.unit, values)


NULL = {
    "rho 0.3": World(rho=0.3),
    "rho 0.5": World(rho=0.5),
    "rho 0.7 (the anchor's case)": World(),
    "rho 0.8": World(rho=0.8),
    "rho 0.9": World(rho=0.9),
    "no memory": World(rho=0.0),
    "no weekly cycle": World(week=False),
    "strong drift": World(drift=-0.02),
    "heavy noise: sd 0.5": World(sd=0.5),
    "half counting noise, rho 0.9": World(rho=0.9, noise=0.15),
    "t noise, 3 degrees": World(heavy=True),
    "20 a day": World(level=20),
    "3 a day, many zeros": World(level=3, sd=0.3),
    "1 a day, overdispersed": World(level=1, over=0.5, sd=0.3),
    "10-day outage after the date": World(outage=10),
    "15 % of days missing": World(gaps=0.15),
    "with a control": World(control=True, sd=0.3),
    "16 + 16 weeks, weekly": World(steps=32, cut=16, unit=Unit.week, week=False, drift=-0.01),
    "8 + 8 weeks, weekly": World(steps=16, cut=8, unit=Unit.week, week=False, rho=0.4),
    "10 + 10 days": World(steps=20, cut=10),
    "20 + 8 weeks": World(steps=196, cut=140),
    "3 + 8 weeks": World(steps=77, cut=21),
}
DROP = {
    "-40 %, rho 0.7 (the anchor's case)": World(ratio=0.6),
    "-40 %, rho 0.3": World(ratio=0.6, rho=0.3),
    "-40 %, rho 0.5": World(ratio=0.6, rho=0.5),
    "-40 %, rho 0.9": World(ratio=0.6, rho=0.9),
    "-40 %, no weekly cycle": World(ratio=0.6, week=False),
    "-40 %, sd 0.20": World(ratio=0.6, sd=0.2),
    "-40 %, sd 0.5": World(ratio=0.6, sd=0.5),
    "-40 %, 10-day outage": World(ratio=0.6, outage=10),
    "-40 %, 20 a day": World(ratio=0.6, level=20),
    "-40 %, 3 a day": World(ratio=0.6, level=3),
    "-40 %, with a control, sd 0.3": World(ratio=0.6, sd=0.3, control=True),
    "-15 %": World(ratio=0.85),
    "-40 % that fades in 8 weeks": World(ratio=0.6, bend=0.009),
    "decay of 2 % a day": World(bend=-0.02),
}


def line(name: str, world: World, runs: int) -> dict[str, float]:
    rng = np.random.default_rng(2011)
    rows, excludes, printed, refused, covers, least, spent = [], [], [], [], [], [], 0.0
    at = np.arange(world.steps - world.cut)
    truth = float(np.exp(np.log(world.ratio) + world.bend * at.mean()))
    for _ in range(runs):
        every = made(world, rng)
        options = Options(control="control" if world.control else None)
        begun = time.perf_counter()
        one = effects(every, every[0].time(world.cut), options)[0]
        spent += time.perf_counter() - begun
        if one.ratio is None or one.low is None or one.high is None:
            rows.append(None)
            continue
        rows.append(one.ratio)
        excludes.append(one.low > 1 or one.high < 1)
        printed.append(one.p_value is not None and one.p_value < 0.05)
        refused.append(one.p_value is None)
        covers.append(one.low <= truth <= one.high)
        least.append(one.minimum_detectable_ratio or np.nan)
    told = [r for r in rows if r is not None]
    low, high = np.quantile(told, [0.05, 0.95])
    print(
        f"{name:36} {mean(excludes):9.1%} {mean(printed):9.1%} {mean(refused):8.1%}"
        f" {mean(covers):8.1%}  {np.median(told):5.2f} {low:5.2f}-{high:5.2f}"
        f" {np.nanmedian(least):7.2f} {spent / runs:7.3f}",
        flush=True,
    )
    return {"excludes": mean(excludes), "printed": mean(printed), "covers": mean(covers)}


def core(world: World, count: int) -> tuple[float, float]:
    """The regression alone on `count` series at once: share of p < 5 %, and of cover."""
    rng = np.random.default_rng(7)
    logs = np.column_stack([_memory(world, rng) for _ in range(count)])
    logs = logs + rng.normal(size=logs.shape) * world.noise
    step = (np.arange(world.steps) >= world.cut).astype(float)
    columns = np.column_stack([base(made(world, rng)[0], world.cut), step])
    pairs, seen = grid(), np.ones(world.steps, dtype=bool)
    whiten = Whitener.build(pairs, seen, np.ones(world.steps))
    shared = fit(whiten, pairs, columns, logs[:, 0])
    assert shared is not None
    white = whiten(logs + np.log(world.ratio) * step[:, None])
    onto = shared.basis.transpose(0, 2, 1) @ white
    squares = (white**2).sum(axis=1) - (onto**2).sum(axis=1)
    log = shared.fixed[:, None] - 0.5 * shared.freedom * np.log(squares)
    weight = np.exp(log - log.max(axis=0))
    weight /= weight.sum(axis=0)
    last = np.linalg.qr(whiten(columns))[1][:, -1, -1][:, None]
    beta = onto[:, -1] / last
    error = WIDER * np.sqrt(squares / shared.freedom) / np.abs(last)
    beyond = []
    for truth in (0.0, np.log(world.ratio)):
        score = (beta - truth) / error
        sides = [(weight * stdtr(shared.freedom, s * score)).sum(axis=0) for s in (1, -1)]
        beyond.append(2 * np.minimum(*sides))
    return float((beyond[0] < 0.05).mean()), float((beyond[1] >= 0.05).mean())


def cores(count: int) -> None:
    print(f"\n{f'the regression alone, {count} each':36} p < 5 %    covers")
    for ratio in (1.0, 0.6):
        for change in ({"rho": r} for r in (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)):
            found, covers = core(World(ratio=ratio, **change), count)
            print(f"ratio {ratio}, rho {change['rho']:<21} {found:9.1%} {covers:9.1%}", flush=True)
    for name, world in {
        "ratio 1, half counting noise, rho 0.7": World(noise=0.15),
        "ratio 1, half counting noise, rho 0.9": World(rho=0.9, noise=0.15),
        "ratio 0.6, sd 0.20": World(ratio=0.6, sd=0.2),
        "ratio 1, 16 + 16 weeks": World(steps=32, cut=16, unit=Unit.week, rho=0.5),
        "ratio 1, 10 + 10 days": World(steps=20, cut=10, rho=0.5),
    }.items():
        found, covers = core(world, count)
        print(f"{name:37} {found:9.1%} {covers:9.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--core", type=int, default=2000)
    given = parser.parse_args()
    if given.core:
        cores(given.core)
    for title, worlds in (("no effect", NULL), ("an effect", DROP)):
        print(
            f"\n{title + f', {given.runs} series each':36} excludes1  p < 5 %  refused   covers "
            "median  5 - 95 %  least   seconds"
        )
        for name, world in worlds.items():
            if given.only in name:
                line(name, world, given.runs)


if __name__ == "__main__":
    main()
