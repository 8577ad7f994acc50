"""The queue of the guard: each file once, fresh ones first, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sakimori.endpoint.guard.budget import Budget
from sakimori.endpoint.guard.pending import Pending


def test_a_file_is_due_when_it_has_rested() -> None:
    pending = Pending(settle=1.0, patience=10.0)
    pending.add("a", 0.0)
    assert pending.take(0.9) is None
    found = pending.take(1.0)
    assert found is not None
    assert (found.path, found.since, found.fresh) == ("a", 0.0, True)
    assert pending.take(99.0) is None


def test_many_events_of_one_file_are_one_look() -> None:
    pending = Pending(settle=1.0, patience=10.0)
    for tenth in range(5):
        pending.add("a", tenth / 10)
    assert len(pending) == 1
    assert pending.take(1.3) is None
    assert pending.take(1.4) is not None
    assert len(pending) == 0


def test_a_file_that_never_rests_is_looked_at_too() -> None:
    pending = Pending(settle=1.0, patience=3.0)
    for second in range(30):
        pending.add("log", second / 10)
    assert pending.take(3.0) is not None


def test_what_was_just_written_goes_before_a_sweep() -> None:
    pending = Pending(settle=0.0)
    pending.add("old", 0.0, fresh=False)
    pending.add("new", 1.0)
    assert [found.path for _ in range(2) if (found := pending.take(2.0))] == ["new", "old"]


def test_a_swept_file_that_is_written_counts_once() -> None:
    pending = Pending(settle=0.0)
    pending.add("a", 0.0, fresh=False)
    pending.add("a", 1.0)
    assert len(pending) == 1
    found = pending.take(2.0)
    assert found is not None
    assert found.fresh


def test_too_many_are_refused_not_dropped_silently() -> None:
    pending = Pending(limit=2)
    assert [pending.add(name, 0.0) for name in "abc"] == [True, True, False]
    assert pending.add("a", 1.0)  # one that waits already


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.floats(0, 5), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_every_added_path_comes_out_exactly_once(
    events: list[tuple[str, float, bool]],
) -> None:
    pending = Pending(settle=0.5, patience=1.0)
    for path, at, fresh in sorted(events, key=lambda event: event[1]):
        pending.add(path, at, fresh=fresh)
    out = []
    while (found := pending.take(1000.0)) is not None:
        out.append(found.path)
    assert sorted(out) == sorted({path for path, _, _ in events})


def test_closing_wakes_who_waits() -> None:
    pending = Pending()
    pending.close()
    assert pending.wait(lambda: 0.0, longest=60.0) is None


def test_bursts_run_at_full_speed_and_floods_at_the_share() -> None:
    budget = Budget(0.25, burst=2.0)
    assert budget.spend(2.0, now=0.0) == 0.0
    assert budget.spend(1.0, now=0.0) == 4.0  # one second owed, at a quarter of a core


@given(st.floats(0.01, 1.0), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60))
def test_over_time_no_more_than_the_share_and_one_burst_is_used(
    share: float, uses: list[float]
) -> None:
    budget, now, used = Budget(share, burst=3.0), 0.0, 0.0
    for use in uses:
        rest = budget.spend(use, now)
        used += use
        now += rest
    assert used <= 3.0 + share * now + 1e-6
