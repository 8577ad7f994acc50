"""When things happen: timers that run while a machine is on, and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.random import Generator

    from sakimori.simulate.addresses import Column
    from sakimori.simulate.organisation import Host

Spans: TypeAlias = tuple[tuple[float, float], ...]  # from, to; seconds since 1970


def every(rng: Generator, spans: Spans, period: float, jitter: float = 0.0) -> Column:
    """Return the ticks of a timer that starts anew in each span, at a random phase.

    Gaps are uniform in period * (1 - jitter) to period * (1 + jitter).
    """
    ticks = [np.empty(0)]
    for begin, end in spans:
        count = int((end - begin) / (period * (1 - jitter))) + 2
        gaps = period * (1 + jitter * rng.uniform(-1, 1, count))
        times = begin + rng.uniform(0, period) + np.cumsum(gaps) - gaps[0]
        ticks.append(times[times < end])
    return np.concatenate(ticks)


def chance(rng: Generator, spans: Spans, per_hour: float) -> Column:
    """Return the times of a Poisson process, in order within each span."""
    times = [np.empty(0)]
    for begin, end in spans:
        count = rng.poisson((end - begin) / 3600 * per_hour)
        times.append(np.sort(rng.uniform(begin, end, count)))
    return np.concatenate(times)


def by_host(hosts: Iterable[Host], draw: Callable[[Host], Column]) -> tuple[Column, Column]:
    """Draw times for each host; return all times, and beside each the host's address."""
    times, sources = [np.empty(0)], [np.empty(0, dtype=object)]
    for host in hosts:
        drawn = draw(host)
        times.append(drawn)
        sources.append(np.full(len(drawn), host.address, dtype=object))
    return np.concatenate(times), np.concatenate(sources)
