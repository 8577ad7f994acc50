from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError
from sakimori.takedown.evidence import Entry, Object, canonical
from sakimori.takedown.evidence.record import NOTHING_BEFORE, Halves, Malformed, make, parse

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # half surrogate pairs too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
BODIES = st.dictionaries(ANY_TEXT, JSON, max_size=4)


def entry(**changes: Any) -> Entry:
    given = {"kind": "note", "actor": "aiko", "time": NOW, "tool": "sakimori 0", **changes}
    return Entry(**given)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"é": "ü\n\x01\x7f/"}, '{"é":"ü\\n\\u0001\x7f/"}'),
        ([2**63, -1, 0.5, 5.0, 1e300], "[9223372036854775808,-1,0.5,5.0,1e+300]"),
        ("\ud800", '"\\ud800"'),
        ({"t": NOW}, '{"t":"2026-03-16T14:45:00.000000Z"}'),
        ("\U0001f600", '"\U0001f600"'),
    ],
    ids=["sorted", "escapes", "numbers", "half pair", "time", "whole pair"],
)
def test_the_canonical_form_is_as_documented(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"raw", {1, 2}, datetime(2026, 1, 1), {(1, 2): 3}],  # noqa: DTZ001
    ids=["nan", "inf", "bytes", "set", "no zone", "odd key"],
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError):
        canonical(value)


@settings(max_examples=30)
@given(JSON)
def test_the_canonical_form_reads_back_and_is_the_same_again(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@settings(max_examples=30)
@given(BODIES)
def test_a_record_reads_back_as_it_was_made(body: dict[str, Any]) -> None:
    thing = Object("log \u202e.txt", "a" * 64, 12, where="/tmp/x")  # noqa: S108 - a name
    halves = make(entry(kind="input", body=body, objects=(thing,)), 7, "b" * 64)
    opened = parse(halves)
    assert opened.wrong == ()
    record = opened.record
    assert (record.seq, record.previous, record.time, record.kind) == (7, "b" * 64, NOW, "input")
    assert record.body == body
    assert record.objects == (thing,)
    assert record.left_out == ()
    assert record.hash == hashlib.sha256(halves.header).hexdigest()


@settings(max_examples=30)
@given(body=BODIES.filter(bool), data=st.data())
def test_any_other_value_in_an_opening_is_noticed(
    body: dict[str, Any], data: st.DataObject
) -> None:
    halves = make(entry(body=body), 1, NOTHING_BEFORE)
    opening = json.loads(halves.opening)
    name = data.draw(st.sampled_from(sorted(body)))
    other = data.draw(JSON.filter(lambda v: canonical(v) != canonical(body[name])))
    opening["fields"][name]["value"] = other
    assert parse(Halves(halves.header, canonical(opening))).wrong == (f"field {name}",)


def test_the_same_value_is_committed_to_differently_each_time() -> None:
    bodies = {"a": "yes", "b": "yes"}
    headers = [json.loads(make(entry(body=bodies), 1, NOTHING_BEFORE).header) for _ in range(2)]
    seen = {h["fields"][n] for h in headers for n in bodies} | {h["actor"] for h in headers}
    assert len(seen) == 6


def test_a_header_says_nothing_of_values_actor_or_objects() -> None:
    thing = Object("victim.txt", "c" * 64, 99)
    header = make(entry(actor="aiko", body={"to": "bob"}, objects=(thing,)), 1, "0" * 64).header
    assert all(word not in header for word in (b"aiko", b"bob", b"victim", b"c" * 64))


def test_commitments_can_be_computed_by_hand() -> None:
    halves = make(entry(body={"to": "bob"}), 1, NOTHING_BEFORE, salt=lambda: "ab" * 16)
    text = '{"field":"to","salt":"' + "ab" * 16 + '","value":"bob"}'
    want = hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(halves.header)["fields"]["to"] == want


def test_times_are_kept_in_utc() -> None:
    tokyo = datetime(2026, 3, 16, 23, 45, tzinfo=timezone(timedelta(hours=9)))
    assert parse(make(entry(time=tokyo), 1, NOTHING_BEFORE)).record.time == NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": " "}, {"kind": "Bad Kind"}, {"kind": ""}, {"time": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"body": {"a": "x" * (9 << 20)}},
    ],
    ids=["no actor", "odd kind", "no kind", "no zone", "too large"],
)  # fmt: skip
def test_an_entry_that_is_no_evidence_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        make(entry(**changes), 1, NOTHING_BEFORE)
    assert caught.value.hint


GOOD = make(entry(body={"n": 1}), 1, NOTHING_BEFORE, salt=lambda: "0" * 32)


@pytest.mark.parametrize(
    ("header", "opening"),
    [
        (GOOD.header + b" ", GOOD.opening),
        (GOOD.header, GOOD.opening.replace(b"{", b"{ ", 1)),
        (GOOD.header.replace(b'"seq":1', b'"seq":1.0'), GOOD.opening),
        (GOOD.header.replace(b'"seq":1', b'"seq":true'), GOOD.opening),
        (GOOD.header.replace(b'"seq":1', b'"seq":1,"seq":1'), GOOD.opening),
        (GOOD.header.replace(b"note", b"note\\u0041"), GOOD.opening),
        (GOOD.header.replace(b"14:45", b"99:45"), GOOD.opening),
        (GOOD.header.replace(b"evidence-1", b"evidence-9"), GOOD.opening),
        (GOOD.header, b"null"),
        (GOOD.header, b"[]"),
        (GOOD.header, b'{"actor":null,"fields":{},"objects":[]}'),
        (GOOD.header, b'{"actor":null,"fields":{"n":7},"objects":[]}'),
        (GOOD.header, b'{"actor":null,"fields":{"n":null},"objects":[null]}'),
        (b"", b""),
        (b"\xff", b"{}"),
        (b"[" * 100_000, b"{}"),
        (b"1" * 10_000, b"{}"),
    ],
)
def test_what_is_not_exactly_a_record_is_malformed(header: bytes, opening: bytes) -> None:
    with pytest.raises(Malformed):
        parse(Halves(header, opening))


@settings(max_examples=30)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_noise_is_malformed_and_nothing_worse(header: bytes, opening: bytes) -> None:
    with pytest.raises(Malformed):
        parse(Halves(header, opening))
