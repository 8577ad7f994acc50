"""Properties of every difference."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.snapshot import Record, compare, diff
from sakimori.endpoint.snapshot.layers import shown
from sakimori.endpoint.snapshot.model import Header, Place, Scope, in_memory, line_of, parse, place

HEADER = Header(tool="test", machine="m", taken="2009-11-25T00:00:00Z")
NAMES = st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=6) | st.sampled_from(
    ["a", "A", "b", "a ", "a-", "\udcff", "a\nb", "\x1b[31m", "ß", "\u017f", "\u0130"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3)
TIMES = st.sampled_from(["2009-11-25T00:00:00Z", "2009-11-26T00:00:00Z"])
FILES = st.builds(
    lambda path, state: Record("file", "/" + "/".join(path), None, state),
    PATHS,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["file", "directory"]), "mtime": TIMES},
        optional={
            "sha256": st.sampled_from(["a" * 64, "b" * 64]),
            "mode": st.sampled_from(["1", "2"]),
        },
    ),
)
KEYS = st.builds(
    lambda path, state: Record("registry", "SOFTWARE\\" + "\\".join(path), None, state),
    PATHS,
    st.fixed_dictionaries(
        {"key_time": TIMES, "dacl": st.sampled_from(["D:", "D:P"]), "owner": st.just("BA")}
    ),
)
VALUES = st.builds(
    lambda path, name, state: Record("registry", "SOFTWARE\\" + "\\".join(path), name, state),
    PATHS,
    NAMES | st.just(""),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from([1, 3, 7, 99]),
            "data": st.sampled_from(["", "00", "0000", "6100", "61000000", "610000", "00006100"]),
            "key_time": TIMES,
        }
    ),
)
PACKAGES = st.builds(
    lambda name, version: Record("package", name, None, {"version": version}),
    NAMES, st.sampled_from("12"),
)  # fmt: skip
MACHINES = st.lists(FILES | KEYS | VALUES | PACKAGES, max_size=12, unique_by=place)
ALL = [Scope(kind) for kind in ("file", "registry", "package")]
Held = dict[Place, dict[str, Any]]


def held(records: list[Record]) -> Held:
    return {place(record): _bare(shown(record)) for record in records}


def _bare(state: dict[str, Any]) -> dict[str, Any]:
    """A state without what only follows from others: times, hints."""
    hints = ("mtime", "key_time", "key_time_after", "parent_key_time", "moved_to", "moved_from")
    return {name: value for name, value in state.items() if name not in hints}


@settings(max_examples=30, deadline=None)
@given(MACHINES, MACHINES)
def test_a_difference_turns_one_machine_into_the_other_and_back(
    first: list[Record], second: list[Record]
) -> None:
    a, b = in_memory(first, HEADER, ALL), in_memory(second, HEADER, ALL)
    assert diff(a, a) == []
    changes, back = diff(a, b), diff(b, a)
    assert [(c.object, c.key.upper(), c.layers) for c in changes if "time" in c.layers] == [
        (c.object, c.key.upper(), c.layers) for c in back if "time" in c.layers
    ]
    mirrored = {"added": "removed", "removed": "added"}
    assert [tuple(mirrored.get(one, one) for one in c.layers) for c in changes] == [
        c.layers for c in back
    ]
    assert [(c.before is None, c.after is None) for c in changes] == [
        (c.after is None, c.before is None) for c in back
    ]
    result = held(first)
    for change in changes:
        where = place(Record(change.object, change.key, change.name, {}))
        assert (where in result) == (change.before is not None)
        if change.after is None:
            del result[where]
        else:
            result[where] = _bare(change.after)
    assert result == held(second)
    assert compare(a, b).not_compared == ()


@settings(max_examples=40)
@given(FILES | KEYS | VALUES)
def test_a_record_survives_its_line(record: Record) -> None:
    assert parse(line_of(record)) == record


@settings(max_examples=20)
@given(MACHINES)
def test_a_thing_stands_before_what_is_in_it(records: list[Record]) -> None:
    ordered = sorted(records, key=place)
    for earlier, later in pairwise(ordered):
        assert not earlier.key.startswith((later.key + "/", later.key + "\\"))
