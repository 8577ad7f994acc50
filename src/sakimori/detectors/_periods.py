"""Periodogram, autocorrelation and folding of call times. No detector, so not in the registry.

A timer that sleeps anew after each call forgets its phase within some calls, so everything is worked
out over runs of `RUN` calls, or windows of `CYCLES` periods, and averaged over those.

Confirmed is a period that was found some other way, from 0 (calls at random) to 1 (a metronome). Calls
that follow another within a quarter of it are one call, and a silence of three periods ends a run:

    power     |sum of exp(2 pi i f t)|^2 / RUN of a run, averaged over the m runs; the greatest for f
              within 10 % of one per period. Of a metronome it is RUN. Of calls at random it is 1
              give or take, and hardly ever more than 1 + 3.5 / sqrt(m) + 1 / m
    again     share of calls that one follows after a period, give or take 20 %, less what as many
              calls at random would show: the calls' autocorrelation at that lag
    result    geometric mean of power (stretched from that bound = 0 to 0.45 RUN = 1) and again

Folded are calls of which some may be a timer's, at the times that most often lie between a call and
one of the `LAGS` after it:

    together  share of the periods of a window with a call in the same quarter, the quarter with most
    by chance the same with each period turned by an angle of its own, which leaves how many calls
              there are, and how they crowd; mean of `TURNS` times
    locked    (together - by chance) / (1 - by chance); the shortest of nearly equal periods counts,
              for twice a timer's period fits as well

Source: periodogram and autocorrelation after Vlachos, Yu and Castelli 2005,
doi:10.1137/1.9781611972757.40; folding after Leahy et al. 1983, doi:10.1086/160766.
"""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Numbers = np.ndarray[Any, Any]

RUN = 8  # calls; with a jitter of 20 %, the phase is lost after some ten
FREQUENCIES = np.linspace(0.9, 1.1, 5)  # per period; a run cannot tell nearer ones apart
MOST_CALLS = 2048  # of a pair that are looked at: the first
LEAST_HIDDEN = 30  # calls
LAGS = 24
CYCLES = 6
EIGHTHS = 8
MIN_WINDOWS = 4
TURNS = 4
SHORTEST_S = 10.0  # pages in use make calls some seconds apart
STEP = 0.05  # width of the histogram of differences, in natural logarithms
MIN_TOGETHER = 0.5  # less is never locked enough to be told of
MIN_PEAK = 5.0  # standard deviations above the differences around it
MIN_SURE = 4.0  # same, of calls together; below 2 in 1,000 days of browsing made up
SPREAD = 0.17  # of calls together in a window by chance
# Angles by which periods are turned, in turns: fixed, so that a result is the same each time.
ANGLES = np.random.default_rng(0).random((TURNS, MOST_CALLS))
NOTHING = (np.nan, np.nan, np.nan)


@ibis.udf.scalar.pyarrow(signature=(("array<float64>",), "float64"))  # type: ignore[untyped-decorator]
def confirmed(beats: Any) -> Any:
    """Return how sure a period is, from lists of call times in units of it; NaN for too few."""
    return pa.array(confirm(*_flat(beats)), pa.float64())


@ibis.udf.scalar.pyarrow(signature=(("array<float64>",), "array<float64>"))  # type: ignore[untyped-decorator]
def folded(times: Any) -> Any:
    """Return [period, locked, time heard] of lists of call times, in their unit; NaN for none."""
    values, sizes = _flat(times)
    ends = np.cumsum(sizes)
    each = zip(ends - sizes, ends, strict=True)
    found = [fold(values[begin:end]) for begin, end in each]
    return pa.array(found, pa.list_(pa.float64()))


def _flat(lists: Any) -> tuple[Numbers, Numbers]:
    """Return all times, sorted within their lists, and how many each list has."""
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return values[np.lexsort((values, owner))], sizes.astype(np.int64)


def confirm(times: Numbers, sizes: Numbers) -> Numbers:
    """Return `confirmed` (0..1) of each list of times, in units of the period, one after another."""
    count = len(sizes)
    owner = np.repeat(np.arange(count), sizes)
    place = np.arange(len(times)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    begins = place == 0
    gaps = np.diff(times, prepend=0.0)
    kept = (begins | (gaps >= 0.25)) & (place < MOST_CALLS)
    times, owner, begins = times[kept], owner[kept], begins[kept]
    gaps = np.where(begins, np.inf, np.diff(times, prepend=0.0))
    power, floor = _power(times, owner, gaps, count)
    top = np.maximum(0.45 * RUN, floor + 2)
    by_power = ((power - floor) / (top - floor)).clip(0.0, 1.0)
    result: Numbers = np.sqrt(by_power * _again(times, owner, gaps, count))
    return result


def _power(times: Numbers, owner: Numbers, gaps: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Return the mean power of each list's full runs, NaN without one, and what chance gives."""
    parts = np.cumsum(gaps > 3) - 1
    starts = np.flatnonzero(gaps > 3)
    place = np.arange(len(times)) - starts[parts] if len(starts) else np.arange(0)
    first = np.flatnonzero(place % RUN == 0)
    first = first[np.diff(np.append(first, len(times))) == RUN]
    runs = first[:, None] + np.arange(RUN)
    since = times[runs] - times[first][:, None]
    of = owner[first]
    number = np.bincount(of, minlength=count).astype(float)
    number[number == 0] = np.nan
    powers = [
        np.bincount(
            of,
            weights=np.abs(np.exp(2j * np.pi * f * since).sum(axis=1)) ** 2 / RUN,
            minlength=count,
        )
        for f in FREQUENCIES
    ]
    return np.max(powers, axis=0) / number, 1 + 3.5 / np.sqrt(number) + 1 / number


def _again(times: Numbers, owner: Numbers, gaps: Numbers, count: int) -> Numbers:
    """Return how many more calls than by chance another follows after one period, 0..1."""
    followed = np.zeros(len(times), dtype=bool)
    for lag in range(1, 5):  # calls are a quarter apart at least
        apart = times[lag:] - times[:-lag]
        near = (apart >= 0.8) & (apart <= 1.2) & (owner[lag:] == owner[:-lag])
        followed[: len(near)] |= near
    active = np.append(gaps[1:] <= 3, False)[: len(times)]
    calls = np.bincount(owner[active], minlength=count)
    hits = np.bincount(owner[active & followed], minlength=count)
    within = np.where(gaps <= 3, gaps, 0.0)
    spent = np.bincount(owner, weights=within, minlength=count)
    calls, spent = np.maximum(calls, 1), np.where(spent > 0, spent, np.inf)
    chance = 1 - np.exp(-0.4 * calls / spent)
    again: Numbers = ((hits / calls - chance) / (1 - chance)).clip(0.0, 1.0)
    return again


def fold(times: Numbers) -> tuple[float, float, float]:
    """Return period, locked and time heard of sorted call times in seconds; NaN where none is sure."""
    times = times[np.diff(times, prepend=-np.inf) >= 1][:MOST_CALLS]
    if len(times) < LEAST_HIDDEN:
        return NOTHING
    sure = [(p, *found) for p in _differences(times) if (found := _locked(times, p))]
    if not sure:
        return NOTHING
    best = max(locked for _, locked, _ in sure)
    return min(each for each in sure if each[1] >= 0.85 * best)


def _differences(times: Numbers) -> list[float]:
    """Return the periods to try: where differences of times crowd, their halves and thirds."""
    longest = (times[-1] - times[0]) / (MIN_WINDOWS * CYCLES)
    every = np.concatenate([times[k:] - times[:-k] for k in range(1, LAGS + 1)])
    apart = every[(every >= SHORTEST_S) & (every <= longest)]
    if len(apart) < MIN_WINDOWS * CYCLES:
        return []
    bars = (np.log(apart / SHORTEST_S) / STEP).astype(np.int64)
    height = np.bincount(bars, minlength=32)
    two = np.convolve(height, np.ones(2), "same")
    around = np.convolve(height, np.ones(17), "same") - np.convolve(height, np.ones(5), "same")
    over = (two - around / 6) / np.sqrt(around / 6 + 2)
    periods: list[float] = []
    for bar in np.argsort(-over, kind="stable")[:4]:
        if over[bar] < MIN_PEAK:
            break
        near = apart[(bars == bar) | (bars == bar - 1)]
        period = float(np.median(near))
        periods += [p for p in (period, period / 2, period / 3) if p >= SHORTEST_S]
    return periods


def _locked(times: Numbers, period: float) -> tuple[float, float] | None:
    """Return locked and time heard, or None where it may be chance."""
    turns = (times - times[0]) / period
    cycle = np.floor(turns).astype(np.int64)
    eighth = (turns - cycle) * EIGHTHS
    window = np.cumsum(np.diff(cycle // CYCLES, prepend=-1) > 0) - 1
    count = int(window[-1]) + 1
    together = _together(window, cycle, eighth[None], count)
    if count < MIN_WINDOWS or together < MIN_TOGETHER:
        return None
    number = np.cumsum(np.diff(cycle, prepend=-1) > 0) - 1
    chance = _together(window, cycle, eighth + EIGHTHS * ANGLES[:, number], count)
    if (together - chance) * np.sqrt(count) < MIN_SURE * SPREAD:
        return None
    return (together - chance) / (1 - chance), count * CYCLES * period


def _together(window: Numbers, cycle: Numbers, eighth: Numbers, count: int) -> float:
    """Return the mean share of a window's periods with a call in the same quarter.

    `eighth` holds the same calls in each row, turned by other angles.
    """
    heard = np.zeros((len(eighth), count, CYCLES, EIGHTHS), dtype=bool)
    rows = np.arange(len(eighth))[:, None]
    heard[rows, window, cycle % CYCLES, eighth.astype(np.int64) % EIGHTHS] = True
    quarters = heard | np.roll(heard, -1, axis=3)
    return float(quarters.sum(axis=2).max(axis=2).mean()) / CYCLES
