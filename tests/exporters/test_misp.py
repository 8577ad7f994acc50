from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pymisp

from sakimori.exporters import Item, Sharing, misp

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion
    from tests.exporters.conftest import Imported


def event(sharing: Sharing) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(misp.export(sharing))["Event"]
    return made


def test_the_event_is_the_golden_one(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert misp.export(sharing) == snapshot


def test_pymisp_reads_it(sharing: Sharing) -> None:
    read = pymisp.MISPEvent()
    read.load(misp.export(sharing))
    assert read.info == "Two botnets"
    assert read.orgc.name == "CERT Example"
    assert [tag.name for tag in read.tags] == ["tlp:amber+strict"]
    got = {(a.type, a.value, a.to_ids, a.tags[0].name) for a in read.attributes}
    assert got == {
        ("ip-dst|port", "203.0.113.9|4444", True, "tlp:amber"),
        ("ip-dst", "2001:db8::9", True, "tlp:green"),
        ("domain", "c2.evil.example", True, "tlp:amber+strict"),
        ("url", "http://evil.example/gate.php?a='b'", True, "tlp:clear"),
        ("ip-src", "192.0.2.5", False, "tlp:amber"),
        ("ip-src", "2001:db8::5", False, "tlp:green"),
    }
    again = pymisp.MISPEvent()
    again.from_json(read.to_json())
    assert again.uuid == event(sharing)["uuid"]


def test_our_own_importer_gets_the_controllers_and_leaves_the_victims(
    sharing: Sharing, imported: Imported
) -> None:
    rows, refused = imported(misp.export(sharing))
    got = {(r["kind"], r["value"], r["port"], r["family"]) for r in rows}
    assert got == {
        ("address", "203.0.113.9", 4444, "Zeus Bot"),
        ("address", "2001:db8::9", None, "Zeus Bot"),
        ("name", "c2.evil.example", None, None),
        ("url", "http://evil.example/gate.php?a='b'", None, None),
    }
    assert {r["tlp"] for r in rows} == {"amber+strict"}  # the event's is the strictest
    assert [reason for reason in refused if "to_ids" in reason]


def test_labels_come_back_where_the_event_has_no_stricter_one(
    sharing: Sharing, imported: Imported
) -> None:
    items = sharing.items[:2]
    rows, _ = imported(misp.export(replace(sharing, tlp="green", items=items)))
    assert {(r["value"], r["tlp"]) for r in rows} == {
        ("203.0.113.9", "amber"),
        ("2001:db8::9", "green"),
    }


def test_ids_are_of_the_event_so_that_misp_takes_a_value_in_two_of_them(sharing: Sharing) -> None:
    other = event(replace(sharing, title="Another"))
    ids = {a["uuid"] for a in event(sharing)["Attribute"]}
    assert not ids & {a["uuid"] for a in other["Attribute"]}
    assert event(sharing)["uuid"] != other["uuid"]


def test_a_family_cannot_end_its_tag(sharing: Sharing) -> None:
    item = Item(role="controller", kind="name", value="a.example", tlp="amber",
                families=('x" tlp:clear', '"', "\u202ex"))  # fmt: skip
    (attribute,) = event(replace(sharing, items=(item,)))["Attribute"]
    assert [tag["name"] for tag in attribute["Tag"]] == [
        "tlp:amber", 'misp-galaxy:botnet="x tlp:clear"', 'misp-galaxy:botnet="x"',
    ]  # fmt: skip


def test_only_who_receives_it_decides_whom_it_goes_to(sharing: Sharing) -> None:
    made = event(sharing)
    assert made["distribution"] == "0"
    assert not made.get("published")
    assert {a["distribution"] for a in made["Attribute"]} == {"5"}
