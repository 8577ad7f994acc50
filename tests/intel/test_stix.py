from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.intel._pattern import PatternError, alternatives

if TYPE_CHECKING:
    from collections.abc import Callable

MD5, SHA1, SHA256 = "a1" * 16, "b2" * 20, "c3" * 32
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"
TRAFFIC = "network-traffic:dst_ref"
EITHER_ON_81 = (
    "[network-traffic:protocols[*] = 'tcp' AND network-traffic:dst_port = 81 AND "
    f"({TRAFFIC}.value = '203.0.113.7' OR {TRAFFIC}.value = 'evil.example')]"
)


def indicator(pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--1",
        "pattern_type": "stix",
        "pattern": pattern,
        "valid_from": "2026-02-01T00:00:00.000Z",
    } | more


def bundle(*things: dict[str, Any]) -> str:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": list(things)})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '203.0.113.7']", [("address", "203.0.113.7", None)]),
        ("[ipv4-addr:value = '203.0.113.0/24']", [("cidr", "203.0.113.0/24", None)]),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", [("cidr", "203.0.113.0/24", None)]),
        ("[ipv6-addr:value='2001:DB8::1']", [("address", "2001:db8::1", None)]),
        ("[domain-name:value = 'Evil.Example']", [("name", "evil.example", None)]),
        ("[url:value = 'http://evil.example/it\\'s']", [("url", "http://evil.example/it's", None)]),
        (f"[file:hashes.'SHA-256' = '{SHA256}']", [("sha256", SHA256, None)]),
        (f"[file:hashes.MD5 = '{MD5}']", [("md5", MD5, None)]),
        (
            f"[file:hashes.'SHA-1' = '{SHA1}' OR file:hashes.MD5 = '{MD5}']",
            [("sha1", SHA1, None), ("md5", MD5, None)],
        ),
        (
            f"[file:hashes.MD5 = '{MD5}' AND file:hashes.'SHA-256' = '{SHA256}']",
            [("sha256", SHA256, None)],
        ),
        (
            "[email-message:from_ref.value = 'bad@evil.example']",
            [("mail", "bad@evil.example", None)],
        ),
        (
            f"[{TRAFFIC}.value = '203.0.113.7' AND network-traffic:dst_port = 443]",
            [("address", "203.0.113.7", 443)],
        ),
        (
            f"[{TRAFFIC}.type = 'ipv4-addr' AND {TRAFFIC}.value = '203.0.113.7']",
            [("address", "203.0.113.7", None)],
        ),
        (
            EITHER_ON_81,
            [("address", "203.0.113.7", 81), ("name", "evil.example", 81)],
        ),
        (f"[network-traffic:extensions.'x-tls-ext'.x_ja3_hash = '{MD5}']", [("ja3", MD5, None)]),
        (f"[x-fingerprint:ja4 = '{JA4}']", [("ja4", JA4, None)]),
        (
            "[domain-name:value IN ('a.example', 'b.example')]",
            [("name", "a.example", None), ("name", "b.example", None)],
        ),
        (
            "[ipv4-addr:value = '203.0.113.7'] OR ([url:value = 'http://a.example/'])",
            [("address", "203.0.113.7", None), ("url", "http://a.example/", None)],
        ),
    ],
)
def test_each_alternative_that_matches_alone_is_an_indicator(
    loaded: Callable[..., Any], pattern: str, expected: list[Any]
) -> None:
    rows, rejects = loaded(bundle(indicator(pattern)))
    assert [(row["kind"], row["value"], row["port"]) for row in rows] == expected
    assert rejects == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[domain-name:value = 'a.example' AND url:value = 'http://b.example/']", "only together"),
        ("[domain-name:value = 'a.example' AND domain-name:value = 'b.example']", "only together"),
        ("[file:name = 'a.exe' AND file:hashes.MD5 = '" + MD5 + "']", "only together"),
        (f"[{TRAFFIC}.value = '203.0.113.7' AND network-traffic:src_port = 1]", "only together"),
        (f"[{TRAFFIC}.value = '203.0.113.7' AND {TRAFFIC}.value = '203.0.113.8']", "only together"),
        (f"[{TRAFFIC}.value = '203.0.113.7' AND network-traffic:protocols[*] = 'tcp']", "only tog"),
        (f"[{TRAFFIC}.value = '203.0.113.7' AND network-traffic:dst_port = 70000]", "no port"),
        ("[url:value = 'http://a.example/'] AND [ipv4-addr:value = '203.0.113.7']", "several"),
        (
            "[url:value = 'http://a.example/'] FOLLOWEDBY [url:value = 'http://b.example/']",
            "several",
        ),
        ("[url:value = 'http://a.example/'] REPEATS 5 TIMES WITHIN 60 SECONDS", "repetitions"),
        ("[domain-name:value != 'a.example']", "!="),
        ("[domain-name:value NOT = 'a.example']", "NOT ="),
        ("[domain-name:value NOT IN ('a.example')]", "NOT IN"),
        ("[url:value LIKE 'http://%']", "LIKE"),
        ("[url:value MATCHES '.*']", "MATCHES"),
        ("[mutex:name = 'x']", "no table holds mutex:name"),
        ("[ipv4-addr:value = '10.0.0.1']", "your own hosts"),
        ("[network-traffic:x_ja3s = '" + MD5 + "']", "no table holds"),
        ("[network-traffic:dst_port = 443]", "no table holds"),
        ("[EXISTS url:value]", "EXISTS"),
        ("[ipv4-addr:value = '203.0.113.7'", "not ']'"),
        ("ipv4-addr:value = '203.0.113.7'", "not '['"),
        ("[ipv4-addr:value = '203.0.113.7]", "cannot be read"),
        ("[ipv4-addr:value = '203.0.113.7'] x", "the pattern has 'x'"),
        ("[" + "(" * 100, "nested"),
        ("", "not '['"),
    ],
)
def test_a_pattern_that_means_more_than_a_value_is_refused(
    loaded: Callable[..., Any], pattern: str, reason: str
) -> None:
    rows, [reject] = loaded(bundle({"type": "identity"}, indicator(pattern)))
    assert rows == []
    assert reject.line == 2
    assert reason in reject.reason


def test_a_pattern_keeps_its_good_alternatives(loaded: Callable[..., Any]) -> None:
    pattern = "[domain-name:value = 'a.example' OR (mutex:name = 'x' AND url:value = 'http://b/')]"
    rows, [reject] = loaded(bundle(indicator(pattern)))
    assert [row["value"] for row in rows] == ["a.example"]
    assert "only together" in reject.reason


def test_and_binds_tighter_than_or() -> None:
    a, b = alternatives("[x:a = 1 OR x:b = 2 AND x:c = 3]")
    assert [test.path for test in a.tests] == [("a",)]
    assert [test.path for test in b.tests] == [("b",), ("c",)]


def test_alternatives_cannot_multiply_without_end() -> None:
    either = "(" + " OR ".join(["x:a = 1"] * 60) + ")"
    with pytest.raises(PatternError, match="alternatives"):
        alternatives("[" + " AND ".join([either] * 60) + "]")
    with pytest.raises(PatternError, match="conditions"):
        alternatives("[" + " AND ".join(["x:a = 1"] * 5000) + "]")


def test_the_rest_of_the_bundle_tells_family_tlp_and_validity(loaded: Callable[..., Any]) -> None:
    text = bundle(
        indicator(
            "[domain-name:value = 'a.example']",
            name="C2 of a case",
            confidence=80,
            indicator_types=["malicious-activity"],
            valid_until="2026-02-05T00:00:00Z",
            object_marking_refs=[
                "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
                "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
            ],
        ),
        {"type": "malware", "id": "malware--1", "name": "Mozi"},
        {"type": "tool", "id": "tool--1", "name": "Tool"},
        {"type": "relationship", "relationship_type": "indicates", "source_ref": "indicator--1",
         "target_ref": "tool--1"},
        {"type": "relationship", "relationship_type": "indicates", "source_ref": "indicator--1",
         "target_ref": "malware--1"},
    )  # fmt: skip
    [row], rejects = loaded(text)
    assert rejects == []
    assert (row["family"], row["tlp"], row["confidence"]) == ("Mozi", "amber+strict", 0.8)
    assert row["label"] == "C2 of a case; malicious-activity"
    assert row["first_seen"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert row["expires"] == datetime(2026, 2, 5, tzinfo=UTC)
    assert row["sinkhole"] is False


@pytest.mark.parametrize(
    ("marking", "word"),
    [
        ({"definition_type": "tlp", "definition": {"tlp": "amber"}}, "amber"),
        ({"extensions": {"x": {"tlp_2_0": "green"}}}, "green"),
        ({"name": "TLP:AMBER+STRICT"}, "amber+strict"),
        ({"name": "our own rules"}, None),
    ],
)
def test_a_marking_in_the_bundle_is_understood(
    loaded: Callable[..., Any], marking: dict[str, Any], word: str | None
) -> None:
    thing = indicator("[domain-name:value = 'a.example']", object_marking_refs=["m--1"])
    [row], _ = loaded(bundle(thing, {"type": "marking-definition", "id": "m--1"} | marking))
    assert row["tlp"] == word


def test_observables_are_no_indicators_and_withdrawn_ones_are_counted(
    loaded: Callable[..., Any],
) -> None:
    rows, rejects = loaded(
        bundle(
            {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "203.0.113.7"},
            {"type": "domain-name", "id": "domain-name--1", "value": "a.example"},
            indicator("[domain-name:value = 'b.example']", revoked=True),
            indicator("[domain-name:value = 'c.example']", indicator_types=["benign"]),
            indicator("rule x {}", pattern_type="yara"),
            indicator("[domain-name:value = 'd.example']", labels=["sinkhole"]),
        )
    )
    assert [(row["value"], row["sinkhole"]) for row in rows] == [("d.example", True)]
    assert [reject.reason for reject in rejects] == [
        "patterns of type 'yara' are not read",
        "1 indicators: the source revoked them",
        "1 indicators: the source calls them benign",
    ]


def test_a_taxii_envelope_and_a_bare_list_are_read(loaded: Callable[..., Any]) -> None:
    thing = indicator("[domain-name:value = 'a.example']")
    for text in (json.dumps({"more": False, "objects": [thing]}), json.dumps([thing])):
        assert [row["value"] for row in loaded(text)[0]] == ["a.example"]


PIECES = ["[", "]", "(", ")", " AND ", " OR ", " FOLLOWEDBY ", "url:value", "file:hashes.'MD5'",
          " = ", " IN ", "'a'", "'", "\\", "1", ",", " NOT ", " START t'x'", " REPEATS 2 TIMES"]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_pattern_is_alternatives_or_an_error_of_ours(pattern: str) -> None:
    with contextlib.suppress(PatternError):
        assert alternatives(pattern)
