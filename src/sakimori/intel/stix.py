"""STIX 2.0 and 2.1: bundles, TAXII envelopes, lists of objects.

Only `indicator` objects count: an address that lies in a bundle as an observable is something
somebody saw, not something bad. A pattern gives one indicator for each alternative that matches
alone. "This AND that" is never cut in two, with three exceptions that mean the same: address and
port of one connection, its declared type beside its value, hashes of one file (the strongest).
Source: OASIS STIX 2.1; OASIS STIX Common Objects for the TLP 2.0 markings.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sakimori.intel import _fields, _json, _pattern, _values
from sakimori.intel._contract import Indicator, Options, Reject
from sakimori.intel._values import Refusal, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sakimori.intel._pattern import Alternative, Test

NAME = "stix"
TITLE = "STIX 2.0 and 2.1 bundles"

_SIGNS = re.compile(
    rb'"type"\s*:\s*"(bundle|indicator|marking-definition|relationship|malware|identity)"'
    rb'|"spec_version"\s*:\s*"2\.|"pattern_type"\s*:|"objects"\s*:\s*\[\s*\{'
)
_MARKINGS = {
    "613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",  # TLP 1: white
    "34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
    "94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",  # TLP 2
    "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
}
_FAMILIES = ("malware", "tool")  # ATT&CK files Cobalt Strike under tools
_KINDS = {
    ("ipv4-addr", "value"): "address",
    ("ipv6-addr", "value"): "address",
    ("domain-name", "value"): "name",
    ("url", "value"): "url",
    ("email-addr", "value"): "mail",
    ("email-message", "from_ref", "value"): "mail",
    ("email-message", "sender_ref", "value"): "mail",
    ("network-traffic", "dst_ref", "value"): "host",
    ("network-traffic", "src_ref", "value"): "host",
}
_HASHED = ("file", "artifact", "x509-certificate")
_HASHES = {"md5": "md5", "sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256"}
_STRENGTH = ("md5", "sha1", "sha256")
_IP_TYPES = ("ipv4-addr", "ipv6-addr", "domain-name")
_TOGETHER = "it holds only together with other conditions; alone it would match too much"


@dataclass
class _Graph:
    """What the other objects say about indicators."""

    markings: dict[str, str] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)  # indicator id -> family


def recognises(head: bytes) -> bool:
    """Whether it is JSON with STIX's words in it."""
    return _json.looks_like_json(head) and _SIGNS.search(head) is not None


def read(path: Path, options: Options) -> Iterator[Indicator | Reject]:
    """Read the indicators of one bundle.

    Revoked indicators, and those called benign, are told as rejects. Times: `first_seen` is
    valid_from (2.0 and 2.1 require it), `expires` is valid_until. Raises SourceError for bad JSON.
    """
    del options  # what the source leaves open is filled by `load`
    found = _json.document(path)
    things = _json.objects(found.get("objects", found) if isinstance(found, dict) else found)
    graph = _graph(things)
    skipped: Counter[str] = Counter()
    for number, thing in enumerate(things, start=1):
        if thing.get("type") != "indicator":
            continue
        if reason := _unwanted(thing):
            skipped[reason] += 1
        else:
            yield from _indicators(number, thing, graph)
    for reason, count in skipped.items():
        yield Reject(0, f"{count} indicators: {reason}")


def _unwanted(thing: dict[str, Any]) -> str:
    if thing.get("revoked") is True:
        return "the source revoked them"
    if "benign" in _texts(thing.get("indicator_types")) + _texts(thing.get("labels")):
        return "the source calls them benign"
    return ""


def _indicators(number: int, thing: dict[str, Any], graph: _Graph) -> Iterator[Indicator | Reject]:
    pattern = str(thing.get("pattern", ""))
    kind = thing.get("pattern_type", "stix")
    if kind != "stix":
        yield Reject(number, f"patterns of type {str(kind)[:20]!r} are not read", pattern)
        return
    try:
        found = _pattern.alternatives(pattern)
    except _pattern.PatternError as error:
        yield Reject(number, str(error), pattern)
        return
    common = _common(thing, graph)
    for alternative in found:
        value = _value(alternative)
        if isinstance(value, Refusal):
            yield Reject(number, value.reason, pattern)
        else:
            yield replace(common, kind=value.kind, value=value.value, port=value.port)


def _common(thing: dict[str, Any], graph: _Graph) -> Indicator:
    """Return an indicator without its value: what holds for every alternative."""
    words = [*_texts(thing.get("indicator_types")), *_texts(thing.get("labels"))]
    label = "; ".join(dict.fromkeys(w for w in (_fields.said(thing.get("name")), *words) if w))
    number = thing.get("confidence")
    since = _fields.time(thing.get("valid_from"))
    marks = _texts(thing.get("object_marking_refs")) + [
        str(granular.get("marking_ref"))
        for granular in _json.objects(thing.get("granular_markings"))
    ]
    return Indicator(
        kind="",
        value="",
        family=graph.families.get(str(thing.get("id"))),
        label=_fields.said(label),
        confidence=number / 100 if type(number) is int and 0 <= number <= 100 else None,
        first_seen=since,
        expires=_fields.time(thing.get("valid_until")),
        tlp=_fields.strictest([graph.markings.get(mark) for mark in marks]),
        last_seen=_latest(since, _fields.time(thing.get("modified"))),
    )


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time), default=None)


def _graph(things: list[dict[str, Any]]) -> _Graph:
    graph = _Graph({f"marking-definition--{key}": word for key, word in _MARKINGS.items()})
    names: dict[str, tuple[str, str]] = {}
    for thing in things:
        kind, key = thing.get("type"), str(thing.get("id"))
        if kind == "marking-definition" and (word := _marking(thing)):
            graph.markings[key] = word
        elif kind in _FAMILIES and (name := _fields.family(thing.get("name"))):
            names[key] = (str(kind), name)
    for wanted in _FAMILIES:  # malware first
        for thing in things:
            if thing.get("relationship_type") != "indicates" or thing.get("revoked") is True:
                continue
            kind, name = names.get(str(thing.get("target_ref")), ("", ""))
            if kind == wanted:
                graph.families.setdefault(str(thing.get("source_ref")), name)
    return graph


def _marking(thing: dict[str, Any]) -> str | None:
    """Return the TLP word of a marking a bundle brings along: TLP 1, TLP 2, or by its name."""
    definition, extensions = thing.get("definition"), thing.get("extensions")
    told = [thing.get("name"), thing.get("x_opencti_definition")]
    if isinstance(definition, dict):
        told.append(definition.get("tlp"))
    if isinstance(extensions, dict):
        told += [one.get("tlp_2_0") for one in extensions.values() if isinstance(one, dict)]
    return _fields.strictest([_fields.tlp(one) for one in told])


def _texts(found: Any) -> list[str]:
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _value(alternative: Alternative) -> Value | Refusal:
    """Return what matches alone, or why nothing does."""
    if alternative.qualified or alternative.observations > 1:
        return Refusal("it needs several observations, repetitions or times")
    for test in alternative.tests:
        if test.operator != "=" and not _is_subset(test):
            return Refusal(f"the comparison {test.operator} is not read")
    if len(alternative.tests) == 1:
        return _alone(alternative.tests[0])
    things = {test.object for test in alternative.tests}
    if things == {"network-traffic"}:
        return _traffic(alternative.tests)
    if len(things) == 1 and things <= set(_HASHED):
        return _same_file(alternative.tests)
    return Refusal(_TOGETHER)


def _is_subset(test: Test) -> bool:
    return test.operator == "ISSUBSET" and _KINDS.get((test.object, *test.path)) == "address"


def _alone(test: Test) -> Value | Refusal:
    kind = _kind(test)
    if not kind:
        where = ".".join(test.path)
        return Refusal(f"no table holds {test.object}:{where}"[:100])
    return _values.normalise(kind, test.value)


def _kind(test: Test) -> str:
    if test.object in _HASHED and test.path[:1] == ("hashes",) and len(test.path) == 2:
        return _HASHES.get(test.path[1], "")
    words = set(re.split(r"[^a-z0-9]+", " ".join((test.object, *test.path)).replace("_", " ")))
    if "ja3" in words:
        return "ja3"
    return "ja4" if "ja4" in words else _KINDS.get((test.object, *test.path), "")


def _traffic(tests: tuple[Test, ...]) -> Value | Refusal:
    """Read `dst_ref.value` with `dst_port`; the type beside it and the transport add nothing."""
    said: dict[str, str] = {}
    for test in tests:
        where = ".".join(test.path)
        if said.setdefault(where, test.value) != test.value:
            return Refusal(_TOGETHER)
    implied = {
        key for key, value in said.items() if key.endswith("_ref.type") and value in _IP_TYPES
    }
    if "dst_port" in said:
        implied |= {key for key, value in said.items() if _is_transport(key, value)}
    left = set(said) - implied
    if left in ({"dst_ref.value"}, {"src_ref.value"}):
        return _values.normalise("host", said[left.pop()])
    if left != {"dst_ref.value", "dst_port"}:
        return Refusal(_TOGETHER)
    value = _values.normalise("host", said["dst_ref.value"])
    port = said["dst_port"]
    if isinstance(value, Refusal):
        return value
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return Refusal("the port is no port")
    return Value(value.kind, value.value, int(port))


def _is_transport(where: str, value: str) -> bool:
    return where.startswith("protocols") and value in ("tcp", "udp", "ipv4", "ipv6")


def _same_file(tests: tuple[Test, ...]) -> Value | Refusal:
    """Return the strongest of one file's hashes: it implies the others."""
    kinds = [_kind(test) for test in tests]
    if not all(kind in _STRENGTH for kind in kinds) or len(set(kinds)) != len(kinds):
        return Refusal(_TOGETHER)
    best = max(range(len(tests)), key=lambda at: _STRENGTH.index(kinds[at]))
    return _values.normalise(kinds[best], tests[best].value)
