"""The simulator's small parts: timers, caches, merging."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.simulate import addresses, clock, events, visits
from sakimori.simulate.traffic import Flow, connections

SPANS = st.lists(
    st.tuples(st.floats(0, 1e6), st.floats(0, 1e5)).map(lambda s: (s[0], s[0] + s[1])), max_size=4
).map(tuple)


@settings(max_examples=50, deadline=None)
@given(spans=SPANS, period=st.floats(10, 1e4), jitter=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_a_timer_ticks_only_while_on_and_within_its_jitter(
    spans: clock.Spans, period: float, jitter: float, seed: int
) -> None:
    for span in spans:
        ticks = clock.every(np.random.default_rng(seed), (span,), period, jitter)
        assert all(span[0] <= tick < span[1] for tick in ticks)
        between = np.diff(ticks)
        assert np.all(between >= period * (1 - jitter) - 1e-6)
        assert np.all(between <= period * (1 + jitter) + 1e-6)
        assert len(ticks) >= (span[1] - span[0]) / (period * (1 + jitter)) - 2


@settings(max_examples=50, deadline=None)
@given(
    ts=st.lists(st.floats(1.7e9, 1.7e9 + 5000), max_size=40),
    keys=st.integers(1, 4),
    ttl=st.floats(1, 3000),
)
def test_a_cache_asks_first_and_at_most_once_in_a_time_to_live(
    ts: list[float], keys: int, ttl: float
) -> None:
    times = np.array(ts)
    key = addresses.texts_of([f"k{i % keys}" for i in range(len(ts))])
    asked = visits.uncached(times, [key], np.full(len(ts), ttl)).tolist()
    assert len(asked) == len(set(asked))
    assert np.all(np.diff(times[asked]) >= 0)
    for name in dict.fromkeys(key.tolist()):
        mine = times[key == name]
        of_name = [times[i] for i in asked if key[i] == name]
        assert of_name[0] == mine.min()
        assert len(of_name) <= (mine.max() - mine.min()) / ttl + 2


def test_merged_links_point_to_their_own_connections() -> None:
    rng = np.random.default_rng(0)

    def one(at: float) -> events.Events:
        made = connections(
            rng, Flow(ts=np.array([at, at + 1]), src="10.0.0.1", dst="192.0.2.1", port=1)
        )
        return events.Events({**made.logs, "irc": {"of": np.array([1]), "ts": np.array([at + 1])}})

    both = events.merged([one(10.0), one(20.0)])
    assert both.logs["irc"]["of"].tolist() == [1, 3]
    late = events.on_the_wire(both, 15.0, 30.0)
    assert late.logs["conn"]["ts"].tolist() == [20.0, 21.0]
    assert late.logs["irc"]["of"].tolist() == [1]


def test_outside_addresses_are_distinct_where_that_is_promised() -> None:
    rng = np.random.default_rng(1)
    assert len(set(addresses.documentation(rng).tolist())) == 762
    assert len(set(addresses.benchmark(rng, 5000).tolist())) == 5000
