from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2.patterns import StringConstant

from sakimori.exporters import Item, Sharing, stix
from sakimori.intel._pattern import alternatives

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion
    from tests.exporters.conftest import Imported


def objects(sharing: Sharing) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for thing in stix.objects_of(sharing):
        found.setdefault(thing["type"], []).append(thing)
    return found


def tlp_of(thing: dict[str, Any]) -> str:
    names = {ref: tlp for tlp, ref in stix.MARKINGS.items()}
    (mark,) = thing["object_marking_refs"]
    return names[mark]


def test_the_bundle_is_the_golden_one(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert stix.export(sharing) == snapshot


def test_stix2_reads_it_without_leave_for_custom_content(sharing: Sharing) -> None:
    text = stix.export(sharing)
    bundle = stix2.parse(text, allow_custom=False)
    again = [json.loads(thing.serialize()) for thing in bundle.objects]
    assert {thing["id"] for thing in again} == {t["id"] for t in json.loads(text)["objects"]}


def test_our_own_importer_gets_the_controllers_with_their_labels(
    sharing: Sharing, imported: Imported
) -> None:
    rows, refused = imported(stix.export(sharing))
    assert refused == []
    got = {(r["kind"], r["value"], r["port"], r["tlp"], r["family"]) for r in rows}
    assert got == {
        ("address", "203.0.113.9", 4444, "amber", "Zeus Bot"),
        ("address", "2001:db8::9", None, "green", "Zeus Bot"),
        ("name", "c2.evil.example", None, "amber+strict", None),
        ("url", "http://evil.example/gate.php?a='b'", None, "clear", None),
    }
    assert {(r["value"], r["confidence"]) for r in rows} >= {("203.0.113.9", 0.9)}
    assert {r["first_seen"] for r in rows if r["value"] == "203.0.113.9"} == {
        sharing.items[0].first_seen
    }


def test_bots_are_observed_and_never_indicated(sharing: Sharing) -> None:
    found = objects(sharing)
    seen = {thing["id"]: thing["value"] for kind in ("ipv4-addr", "ipv6-addr")
            for thing in found[kind]}  # fmt: skip
    told = {seen[ref] for thing in found["observed-data"] for ref in thing["object_refs"]}
    assert told == {"192.0.2.5", "2001:db8::5"}
    assert not any("192.0.2.5" in thing["pattern"] for thing in found["indicator"])


def test_every_reference_is_in_the_bundle(sharing: Sharing) -> None:
    things = stix.objects_of(sharing)
    ids = {thing["id"] for thing in things}
    for thing in things:
        refs = [v for k, v in thing.items() if k.endswith("_ref")]
        refs += [r for k, v in thing.items() if k.endswith("_refs") for r in v]
        assert set(refs) <= ids


def test_a_second_export_updates_the_first(sharing: Sharing) -> None:
    later = replace(sharing, made=sharing.made.replace(day=9))
    before = {t["id"]: t for t in stix.objects_of(sharing)}
    after = {t["id"]: t for t in stix.objects_of(later)}
    assert before.keys() == after.keys()
    for name, thing in before.items():
        if "modified" in thing:
            assert after[name]["created"] == thing["created"]
            assert after[name]["modified"] > thing["modified"]


def test_what_two_items_tell_has_the_label_of_the_one_that_says_it_more_freely(
    sharing: Sharing,
) -> None:
    found = objects(sharing)
    assert [tlp_of(thing) for thing in found["malware"]] == ["green"]
    labels = {t["name"]: tlp_of(t) for t in found["infrastructure"]}
    assert labels["botnet botnet-1"] == "green"
    assert labels["botnet c2.evil.example"] == "amber+strict"


def test_an_address_has_the_id_that_every_producer_gives_it(sharing: Sharing) -> None:
    (address,) = objects(sharing)["ipv4-addr"]
    assert address["id"] == stix2.IPv4Address(value="192.0.2.5").id


@pytest.mark.parametrize("value", ["a'b", "a\\", "\\' OR ipv4-addr:value = '0.0.0.0", "']", "\n'"])
def test_a_value_cannot_leave_its_pattern(value: str) -> None:
    text = stix.pattern(Item(role="controller", kind="url", value=value))
    (one,) = alternatives(text)
    assert [(t.object, t.value) for t in one.tests] == [("url", value)]
    assert str(StringConstant(value)) in text


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_from_a_pattern(value: str) -> None:
    (one,) = alternatives(stix.pattern(Item(role="controller", kind="name", value=value)))
    assert [t.value for t in one.tests] == [value]
