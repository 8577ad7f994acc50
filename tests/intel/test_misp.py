from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MD5, SHA1, SHA256 = "a1" * 16, "b2" * 20, "c3" * 32


def attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": value, "to_ids": True, "timestamp": "1772000000"} | more


def event(*attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Event": {"info": "a case", "date": "2026-02-01", "Attribute": list(attributes)} | more}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("ip-dst", "203.0.113.7", [("address", "203.0.113.7", None)]),
        ("ip-src", "203.0.113.0/24", [("cidr", "203.0.113.0/24", None)]),
        ("ip-dst|port", "203.0.113.7|443", [("address", "203.0.113.7", 443)]),
        ("ip-dst|port", "2001:db8::1|443", [("address", "2001:db8::1", 443)]),
        ("domain", "Evil.Example", [("name", "evil.example", None)]),
        ("hostname|port", "c2.evil.example|81", [("name", "c2.evil.example", 81)]),
        (
            "domain|ip",
            "evil.example|203.0.113.7",
            [("name", "evil.example", None), ("address", "203.0.113.7", None)],
        ),
        ("url", "http://evil.example/A", [("url", "http://evil.example/A", None)]),
        ("md5", MD5, [("md5", MD5, None)]),
        ("filename|sha1", f"a|b.exe|{SHA1}", [("sha1", SHA1, None)]),
        ("filename|sha256", f"x.exe|{SHA256}", [("sha256", SHA256, None)]),
        ("ja3-fingerprint-md5", MD5, [("ja3", MD5, None)]),
        ("email-src", "Bad@Evil.example", [("mail", "bad@evil.example", None)]),
    ],
)
def test_each_attribute_type_gives_its_indicators(
    loaded: Callable[..., Any], kind: str, value: str, expected: list[Any]
) -> None:
    rows, rejects = loaded(json.dumps(event(attribute(kind, value))))
    assert [(row["kind"], row["value"], row["port"]) for row in rows] == expected
    assert rejects == []


ONE = event(attribute("domain", "evil.example"))


@pytest.mark.parametrize(
    "document",
    [
        ONE,
        [ONE],
        {"response": [ONE]},
        {"response": {"Attribute": [attribute("domain", "evil.example")]}},
        ONE["Event"],
    ],
    ids=["event", "list", "response", "attributes", "bare"],
)
def test_each_wrapping_is_read(loaded: Callable[..., Any], document: Any) -> None:
    rows, rejects = loaded(json.dumps(document))
    assert [row["value"] for row in rows] == ["evil.example"]
    assert rejects == []


def test_what_is_left_out_is_counted_by_reason(loaded: Callable[..., Any]) -> None:
    document = event(
        attribute("domain", "a.example"),
        attribute("domain", "b.example", to_ids=False),
        attribute("domain", "c.example", deleted=True),
        attribute("comment", "hello"),
        attribute("comment", "world"),
        attribute("ip-dst", "192.168.0.1"),
        attribute("domain|ip", "d.example"),
    )
    rows, rejects = loaded(json.dumps(document))
    assert [row["value"] for row in rows] == ["a.example"]
    assert sorted(reject.reason for reject in rejects) == [
        "1 attributes: deleted",
        "1 attributes: not marked for detection (to_ids)",
        "2 attributes: no table holds type 'comment'",
        "a private address would match your own hosts",
        "the value has not the parts of domain|ip",
    ]
    assert {row["value"] for row in loaded(json.dumps(document), context=True)[0]} == {
        "a.example",
        "b.example",
    }


def test_tags_and_clusters_name_family_tlp_confidence_and_sinkholes(
    loaded: Callable[..., Any],
) -> None:
    document = event(
        attribute("domain", "a.example", Tag=[{"name": 'misp-galaxy:malpedia="Emotet"'}]),
        attribute("domain", "b.example", Tag=[{"name": "tlp:red"}, {"name": "type:sinkhole"}]),
        Tag=[{"name": "tlp:white"}, {"name": 'misp:confidence-level="usually-confident"'}],
        Galaxy=[{"GalaxyCluster": [{"tag_name": 'misp-galaxy:mitre-malware="QakBot - S0650"'}]}],
    )
    a, b = loaded(json.dumps(document))[0]
    assert (a["family"], a["tlp"], a["confidence"], a["sinkhole"]) == (
        "Emotet",
        "clear",
        0.75,
        False,
    )
    assert (b["family"], b["tlp"], b["sinkhole"]) == ("QakBot", "red", True)


def test_an_object_gives_its_port_and_times_to_its_address(loaded: Callable[..., Any]) -> None:
    inner = [
        attribute("ip-dst", "203.0.113.7", object_relation="ip-dst"),
        attribute("port", "8443", object_relation="dst-port", to_ids=False),
        attribute("md5", MD5),
    ]
    thing = {
        "first_seen": "2026-01-05T00:00:00+09:00",
        "last_seen": "2026-02-10",
        "Attribute": inner,
    }
    rows, _ = loaded(json.dumps(event(Object=[thing, {"deleted": True, "Attribute": inner}])))
    assert [(row["kind"], row["port"]) for row in rows] == [("address", 8443), ("md5", None)]
    assert rows[0]["first_seen"] == datetime(2026, 1, 4, 15, tzinfo=UTC)
    assert rows[0]["expires"] == datetime(2026, 3, 12, tzinfo=UTC)
    assert rows[1]["expires"] is None


def test_validity_counts_from_the_attributes_own_time(loaded: Callable[..., Any]) -> None:
    [row], _ = loaded(json.dumps(ONE), valid_days=1)
    assert row["first_seen"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert row["expires"] == datetime.fromtimestamp(1772000000 + 86400, tz=UTC)
    assert row["label"] == "a case"
