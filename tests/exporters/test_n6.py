from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.exporters import Item, Sharing, n6

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def events(sharing: Sharing) -> list[dict[str, Any]]:
    return [json.loads(line) for line in n6.export(sharing).splitlines()]


def test_the_lines_are_the_golden_ones(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert n6.export(sharing) == snapshot


def test_every_event_has_the_fields_that_n6_requires(sharing: Sharing) -> None:
    for event in events(sharing):
        assert event.keys() >= {"id", "source", "restriction", "confidence", "category", "time"}
        assert len(event["id"]) == 32
        assert event["source"].count(".") == 1
        assert event["confidence"] in ("low", "medium", "high")
        assert event["category"] in ("bots", "cnc")
        assert len(event.get("name", "")) <= 255


@pytest.mark.parametrize(
    ("tlp", "told"),
    [("clear", "public"), ("green", "need-to-know"), ("amber", "need-to-know"),
     ("amber+strict", "internal"), ("red", "internal")],
)  # fmt: skip
def test_a_label_becomes_a_restriction(sharing: Sharing, tlp: str, told: str) -> None:
    item = Item(role="bot", kind="address", value="192.0.2.1", tlp=tlp)
    (event,) = events(replace(sharing, items=(item,)))
    assert event["restriction"] == told


def test_addresses_stand_under_their_version(sharing: Sharing) -> None:
    told = events(sharing)
    assert told[0]["address"] == [{"ip": "203.0.113.9"}]
    assert told[1]["address"] == [{"ipv6": "2001:db8::9"}]
    assert told[2]["fqdn"] == "c2.evil.example"
    assert told[3]["url"] == "http://evil.example/gate.php?a='b'"
    assert (told[0]["dport"], told[4]["dip"]) == (4444, "203.0.113.9")
    assert "dip" not in told[5]


def test_a_long_name_is_cut(sharing: Sharing) -> None:
    item = replace(sharing.items[0], families=("x" * 400,))
    (event,) = events(replace(sharing, items=(item,)))
    assert event["name"] == "x" * 255
