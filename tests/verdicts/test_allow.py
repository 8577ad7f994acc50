from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError
from sakimori.verdicts import allow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOST, PEER = "10.0.0.5", "203.0.113.9"


@dataclass(frozen=True)
class Entry:
    kind: str
    value: str
    expires: datetime | None = None


def hides(entry: Entry, finding: Any) -> bool:
    viewed = allow.apply([finding], [entry], NOW)
    assert viewed.hidden == 1 - len(viewed.findings)
    return viewed.hidden == 1


@pytest.mark.parametrize(
    ("kind", "value", "columns", "hidden"),
    [
        ("address", PEER, {}, True),
        ("address", HOST, {}, True),
        ("address", "203.0.113.90", {}, False),
        ("address", "2001:db8::9", {"peer": "2001:db8::9"}, True),
        ("cidr", "203.0.113.0/24", {}, True),
        ("cidr", "10.0.0.0/8", {}, True),
        ("cidr", "203.0.112.0/24", {}, False),
        ("cidr", "203.0.0.0/16", {"peer": "203.0.113.0/24"}, True),
        ("cidr", "203.0.113.0/25", {"peer": "203.0.113.0/24"}, False),
        ("cidr", "2001:db8::/32", {}, False),
        ("cidr", "2001:db8::/32", {"peer": "203.0.113.0/24"}, False),
        ("cidr", "2001:db8::/32", {"peer": "2001:db8::9"}, True),
        ("cidr", "203.0.113.0/24", {"peer": "update.example"}, False),
        ("cidr", "203.0.113.0/24", {"peer": None}, False),
        ("name", "update.example", {"peer": "update.example"}, True),
        ("name", "update.example", {"peer": "a.b.update.example"}, True),
        ("name", "update.example", {"peer": "UPDATE.example"}, True),
        ("name", "update.example", {"peer": "badupdate.example"}, False),
        ("name", "update.example", {"peer": "update.example.net"}, False),
        ("name", "update.example", {"peer": None}, False),
        ("pair", f"{HOST},{PEER}", {}, True),
        ("pair", f"{HOST},{PEER}", {"host": "10.0.0.6"}, False),
        ("pair", f"{HOST},{PEER}", {"peer": "203.0.113.8"}, False),
        ("pair", f"{HOST},update.example", {"peer": "Update.example"}, True),
        ("detector", "beacon", {}, True),
        ("detector", "scan", {}, False),
    ],
)
def test_an_entry_hides_what_it_names(
    finding: Any, kind: str, value: str, columns: dict[str, Any], hidden: bool
) -> None:
    entry = Entry(kind, allow.normalised(kind, value))
    assert hides(entry, finding("beacon", **columns)) is hidden


@pytest.mark.parametrize(
    ("expires", "hidden"),
    [(None, True), (timedelta(seconds=1), True), (timedelta(0), False), (-timedelta(1), False)],
)
def test_an_entry_hides_until_it_expires(
    finding: Any, expires: timedelta | None, hidden: bool
) -> None:
    entry = Entry("address", PEER, None if expires is None else NOW + expires)
    assert hides(entry, finding("beacon")) is hidden


def test_what_is_hidden_is_counted_once_and_the_rest_keeps_its_order(finding: Any) -> None:
    findings = [finding("beacon", peer=f"203.0.113.{n}") for n in range(6)]
    entries = [
        Entry("address", "203.0.113.1"),
        Entry("cidr", "203.0.113.0/30"),
        Entry("pair", f"{HOST},203.0.113.5"),
    ]
    viewed = allow.apply(iter(findings), iter(entries), NOW)
    assert (viewed.hidden, viewed.findings) == (5, [findings[4]])


def test_without_entries_all_is_shown(finding: Any) -> None:
    findings = [finding("beacon")]
    assert allow.apply(findings, [], NOW) == allow.Viewed(findings, 0)


HOSTILE = ["evil/x", "/", "203.0.113.9/24", "203.0.113.0/99", "a,b", "", "\x1b[2J", "::1%eth0", "%"]


@pytest.mark.parametrize("peer", HOSTILE)
@pytest.mark.parametrize(
    "entry",
    [
        Entry("address", PEER),
        Entry("cidr", "203.0.113.0/24"),
        Entry("cidr", "::/0"),
        Entry("name", "update.example"),
        Entry("pair", f"{HOST},{PEER}"),
        Entry("detector", "scan"),
    ],
    ids=lambda e: f"{e.kind}-{e.value}",
)
def test_a_peer_that_the_other_side_made_up_stays_in_view(
    finding: Any, entry: Entry, peer: str
) -> None:
    assert not hides(entry, finding("beacon", peer=peer)) or entry == Entry("cidr", "::/0")


@settings(max_examples=100, deadline=None)
@given(peer=st.none() | st.text(max_size=40), host=st.text(max_size=20))
def test_any_text_of_a_finding_is_compared_without_an_error(
    finding: Any, peer: str | None, host: str
) -> None:
    entries = [
        Entry("cidr", "203.0.113.0/24"),
        Entry("cidr", "2001:db8::/32"),
        Entry("name", "update.example"),
    ]
    viewed = allow.apply([finding("beacon", peer=peer, host=host)], entries, NOW)
    assert len(viewed.findings) + viewed.hidden == 1


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("203.0.113.9", "address"),
        ("2001:db8::9", "address"),
        ("203.0.113.0/24", "cidr"),
        ("2001:db8::/32", "cidr"),
        ("update.example", "name"),
        (f"{HOST},{PEER}", "pair"),
        ("beacon", "detector"),
        ("beacon.example", "name"),
    ],
)
def test_the_kind_is_known_by_the_form(value: str, kind: str) -> None:
    assert allow.kind_of(value) == kind


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("address", " 203.0.113.9 ", "203.0.113.9"),
        ("address", "2001:DB8:0::9", "2001:db8::9"),
        ("cidr", "203.0.113.9/24", "203.0.113.0/24"),
        ("name", "Update.Example.", "update.example"),
        ("name", ".update.example", "update.example"),
        ("pair", f"{HOST} , Update.Example", f"{HOST},update.example"),
        ("detector", "Beacon", "beacon"),
    ],
)
def test_values_are_kept_in_one_form(kind: str, value: str, kept: str) -> None:
    assert allow.normalised(kind, value) == kept
    assert allow.normalised(kind, kept) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("address", "203.0.113.0/24"),
        ("address", "update.example"),
        ("cidr", "203.0.113.0/33"),
        ("cidr", "update.example/a"),
        ("pair", HOST),
        ("pair", f"{HOST},"),
        ("pair", f",{PEER}"),
        ("detector", "beakon"),
        ("colour", "red"),
        ("name", ""),
        ("name", " . "),
    ],
)
def test_values_that_could_hide_nothing_or_everything_are_refused(kind: str, value: str) -> None:
    with pytest.raises(ConfigError):
        allow.normalised(kind, value)
