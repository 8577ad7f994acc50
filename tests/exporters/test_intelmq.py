from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.exporters import Item, Sharing, intelmq

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def events(sharing: Sharing) -> list[dict[str, Any]]:
    return [json.loads(line) for line in intelmq.export(sharing).splitlines()]


def test_the_lines_are_the_golden_ones(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert intelmq.export(sharing) == snapshot


def test_the_fields_are_of_the_form_that_intelmq_asks_for(sharing: Sharing) -> None:
    for event in events(sharing):
        assert event["__type"] == "Event"
        assert 0 <= event["feed.accuracy"] <= 100
        assert event["classification.taxonomy"] == "malicious-code"
        assert event["tlp"] in ("WHITE", "GREEN", "AMBER", "RED")  # it knows no others
        assert datetime.fromisoformat(event["time.source"]).utcoffset() is not None
        assert re.fullmatch("[ -~]+", event.get("malware.name", "x"))
        assert len({"source.ip", "source.fqdn", "source.url"} & event.keys()) == 1


@pytest.mark.parametrize(
    ("tlp", "told"),
    [("clear", "WHITE"), ("green", "GREEN"), ("amber", "AMBER"), ("amber+strict", "RED"),
     ("red", "RED")],
)  # fmt: skip
def test_a_label_that_intelmq_lacks_becomes_the_next_stricter(
    sharing: Sharing, tlp: str, told: str
) -> None:
    item = Item(role="bot", kind="address", value="192.0.2.1", tlp=tlp)
    (event,) = events(replace(sharing, items=(item,)))
    assert (event["tlp"], event["extra.tlp"]) == (told, f"TLP:{tlp.upper()}")


def test_a_bot_tells_what_it_called(sharing: Sharing) -> None:
    bot, other = events(sharing)[-2:]
    assert bot["classification.type"] == "infected-system"
    assert bot["destination.ip"] == "203.0.113.9"
    assert other["destination.fqdn"] == "c2.evil.example"


def test_a_peer_that_is_no_name_is_no_destination(sharing: Sharing) -> None:
    bot = replace(sharing.items[4], peers=("evil\x1b[31m.example", "ok.example"))
    (event,) = events(replace(sharing, items=(bot,)))
    assert event["destination.fqdn"] == "ok.example"
