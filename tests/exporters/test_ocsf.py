from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sakimori.exporters import Sharing, ocsf

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

# Of Detection Finding, class 2004, in OCSF 1.4.
REQUIRED = {
    "activity_id", "category_uid", "class_uid", "finding_info", "metadata", "severity_id", "time",
    "type_uid",
}  # fmt: skip


def events(sharing: Sharing) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ocsf.export(sharing).splitlines()]


def test_the_lines_are_the_golden_ones(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert ocsf.export(sharing) == snapshot


def test_every_event_has_what_the_class_requires(sharing: Sharing) -> None:
    made = events(sharing)
    assert len(made) == 2
    for event in made:
        assert event.keys() >= REQUIRED
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["finding_info"].keys() >= {"uid", "title"}
        assert event["metadata"].keys() >= {"version", "product"}
        assert event["metadata"]["product"]["vendor_name"] == "Sakimori"
        for seen in event["observables"]:
            assert seen.keys() >= {"name", "type_id"}


def test_observables_point_at_what_is_in_the_event(sharing: Sharing) -> None:
    for event in events(sharing):
        for seen in event["observables"]:
            _, end, member = seen["name"].split(".")
            assert event["evidences"][0][end][member] == seen["value"]


def test_addresses_and_names_have_their_own_type(sharing: Sharing) -> None:
    first, second = events(sharing)
    assert [o["type_id"] for o in first["observables"]] == [2, 2]
    assert [o["type_id"] for o in second["observables"]] == [2, 1]


def test_times_are_in_milliseconds_and_the_label_is_told(sharing: Sharing) -> None:
    first = events(sharing)[0]
    assert first["time"] == 1_772_366_400_250
    assert first["metadata"]["labels"] == ["tlp:amber"]


def test_a_sub_technique_stands_beside_its_technique(sharing: Sharing) -> None:
    first, second = events(sharing)
    assert first["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1071"}, "sub_technique": {"uid": "T1071.001"}}
    ]
    assert second["finding_info"]["attacks"] == [{"technique": {"uid": "T1568"}}]


def test_two_findings_of_one_bot_have_two_ids(sharing: Sharing, finding: dict[str, Any]) -> None:
    bot = replace(sharing.items[4], findings=(finding, {**finding, "peer_port": 80}))
    assert len({e["finding_info"]["uid"] for e in events(replace(sharing, items=(bot,)))}) == 2
