from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown.notify.events import Policy, admit, parse_time, read, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.notify.events import VictimEvent

HEADER = "time,ip,port,seen,established,proto,tlp,botnet"
GOOD = "2026-03-01T10:00:00Z,192.0.2.10,51234,sinkhole,yes,tcp,amber,north"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"seen": "dns"}, "resolver"),
        ({"established": False}, "may be forged"),
        ({"established": None}, "may be forged"),
        ({"tlp": "red"}, "TLP:RED"),
        ({"ip": "10.0.0.1"}, "not a public address"),
        ({"ip": "2001:db8::1"}, ""),
        ({"ip": "fe80::1"}, "not a public address"),
    ],
)
def test_only_what_holds_is_told(
    event: Callable[..., VictimEvent], changes: dict[str, object], why: str
) -> None:
    found = refusal(event(**changes), Policy())
    assert (why in found) if why else (found == "")


def test_unconfirmed_events_are_told_only_when_asked_for_and_dns_never(
    event: Callable[..., VictimEvent],
) -> None:
    lax = Policy(unconfirmed=True)
    assert refusal(event(established=False), lax) == ""
    assert "resolver" in refusal(event(seen="dns", established=True), lax)


def test_admit_keeps_what_it_refuses(event: Callable[..., VictimEvent]) -> None:
    parted = admit([event(), event(seen="dns")], Policy())
    assert (len(parted.events), len(parted.refused)) == (1, 1)


def test_a_good_row_is_an_event() -> None:
    found = read([HEADER, GOOD], Policy())
    assert found.refused == ()
    (event,) = found.events
    assert (event.ip, event.port, event.established, event.botnet) == (
        "192.0.2.10", 51234, True, "north",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("yesterday,192.0.2.1,1,sinkhole,yes,tcp,amber,x", "no ISO 8601 time"),
        ("2026-03-01T10:00:00Z,192.0.2.300,1,sinkhole,yes,tcp,amber,x", "no address"),
        ("2026-03-01T10:00:00Z,192.0.2.1,70000,sinkhole,yes,tcp,amber,x", "port is '70000'"),
        ("2026-03-01T10:00:00Z,192.0.2.1,0,sinkhole,yes,tcp,amber,x", "port is '0'"),
        ("2026-03-01T10:00:00Z,192.0.2.1,-1,sinkhole,yes,tcp,amber,x", "port is '-1'"),
        ("2026-03-01T10:00:00Z,192.0.2.1,1,crystal,yes,tcp,amber,x", "seen is 'crystal'"),
        ("2026-03-01T10:00:00Z,192.0.2.1,1,sinkhole,perhaps,tcp,amber,x", "not yes or no"),
        ("2026-03-01T10:00:00Z,192.0.2.1,1,sinkhole,yes,icmp,amber,x", "proto is 'icmp'"),
        ("2026-03-01T10:00:00Z,192.0.2.1,1,sinkhole,yes,tcp,pink,x", "tlp is 'pink'"),
        ("2026-03-01T10:00:00Z,192.0.2.1", "number of fields"),
        ("2026-03-01T10:00:00Z,192.0.2.1,1,sinkhole,yes,tcp,amber," + "x" * 140_000, "larger than"),
        (GOOD + ",more", "number of fields"),
    ],
)
def test_a_broken_row_is_put_aside_with_its_line(row: str, why: str) -> None:
    found = read([HEADER, GOOD, row], Policy())
    assert len(found.events) == 1
    (refused,) = found.refused
    assert refused.line == 3
    assert why in refused.reason


def test_a_row_that_is_too_large_costs_no_other_row() -> None:
    large = GOOD + "x" * 140_000
    found = read([HEADER, large, GOOD], Policy())
    assert (len(found.events), [r.line for r in found.refused]) == (1, [2])


def test_a_header_without_the_needed_columns_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"f\.csv:1: no column seen"):
        read(["time,ip", "x,y"], Policy(), "f.csv")
    with pytest.raises(SourceError):
        read([], Policy())


def test_addresses_are_canonical_and_mapped_ones_are_version_4() -> None:
    rows = [HEADER, GOOD.replace("192.0.2.10", "::ffff:192.0.2.9"),
            GOOD.replace("192.0.2.10", "2001:DB8:0::1")]  # fmt: skip
    assert [e.ip for e in read(rows, Policy()).events] == ["192.0.2.9", "2001:db8::1"]


def test_times_are_utc() -> None:
    assert parse_time("2026-03-01T19:00:00+09:00") == parse_time("2026-03-01 10:00:00")


def test_the_id_names_the_sighting_whoever_is_told(event: Callable[..., VictimEvent]) -> None:
    assert event().id == event(provider="someone").id
    assert event().id != event(port=1).id


@given(st.lists(st.text(max_size=60), max_size=6))
def test_nothing_in_a_file_breaks_reading(rows: list[str]) -> None:
    text = "\n".join([HEADER, GOOD, *rows]).split("\n")
    try:
        found = read(text, Policy())
    except SourceError:
        return
    assert all(e.established for e in found.events)
    assert all(r.reason for r in found.refused)
