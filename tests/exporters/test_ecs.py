from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.exporters import Sharing, ecs

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


@pytest.fixture(scope="module")
def lines(sharing: Sharing) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ecs.export(sharing).splitlines()]


def test_the_lines_are_the_golden_ones(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert ecs.export(sharing) == snapshot


def test_every_line_has_the_fields_that_all_events_have(lines: list[dict[str, Any]]) -> None:
    assert len(lines) == 6
    for line in lines:
        assert line["ecs"] == {"version": "8.17.0"}
        assert line["@timestamp"].endswith("Z")
        assert line["event"].keys() >= {"kind", "category", "type"}


def test_findings_are_alerts_and_controllers_indicators(lines: list[dict[str, Any]]) -> None:
    assert [line["event"]["kind"] for line in lines] == ["alert"] * 2 + ["enrichment"] * 4
    indicators = [line["threat"]["indicator"] for line in lines[2:]]
    assert [i["type"] for i in indicators] == ["ipv4-addr", "ipv6-addr", "domain-name", "url"]
    assert [i["marking"]["tlp"] for i in indicators] == ["AMBER", "GREEN", "AMBER+STRICT", "CLEAR"]
    assert {i["confidence"] for i in indicators} <= {"High", "Medium", "Low"}
    assert indicators[0]["ip"] == "203.0.113.9"
    assert indicators[2]["url"] == {"domain": "c2.evil.example"}
    assert indicators[3]["url"] == {"full": "http://evil.example/gate.php?a='b'"}


def test_only_an_address_stands_in_a_field_of_addresses(lines: list[dict[str, Any]]) -> None:
    first, second = lines[:2]
    assert first["destination"] == {"address": "203.0.113.9", "ip": "203.0.113.9", "port": 4444}
    assert second["destination"] == {"address": "c2.evil.example", "domain": "c2.evil.example"}
    assert second["related"] == {"ip": ["2001:db8::5"], "hosts": ["c2.evil.example"]}
