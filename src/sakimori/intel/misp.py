"""MISP: event exports, searches (`response`), feed event files; attributes and objects' attributes.

What is not marked for detection (`to_ids`) is left out and counted. Source: MISP core format
(draft-dulaunoy-misp-core-format), MISP taxonomies and galaxies for the tags.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.intel import _fields, _json, _values
from sakimori.intel._contract import Indicator, Options, Reject
from sakimori.intel._values import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "misp"
TITLE = "MISP events and feeds"

_SIGNS = re.compile(rb'"(Event|Attribute|Object|Orgc|to_ids|EventReport)"\s*:')
_KINDS = {  # attribute type -> kinds of its parts, cut at "|"; "" leaves a part out
    "ip-dst": ("host",),
    "ip-src": ("host",),
    "domain": ("name",),
    "hostname": ("name",),
    "domain|ip": ("name", "address"),
    "url": ("url",),
    "uri": ("url",),
    "email": ("mail",),
    "email-src": ("mail",),
    "md5": ("md5",),
    "sha1": ("sha1",),
    "sha256": ("sha256",),
    "malware-sample": ("", "md5"),
    "filename|md5": ("", "md5"),
    "filename|sha1": ("", "sha1"),
    "filename|sha256": ("", "sha256"),
    "x509-fingerprint-sha1": ("sha1",),
    "ja3-fingerprint-md5": ("ja3",),
}
_WITH_PORT = {"ip-dst|port": "host", "ip-src|port": "host", "hostname|port": "name"}
_TAG = re.compile(r"(?P<name>[^=]+)=\"(?P<value>[^\"]+)\"")
_FAMILY_TAGS = (  # the first kind that is there names the family
    "misp-galaxy:malpedia",
    "misp-galaxy:botnet",
    "misp-galaxy:mitre-malware",
    "misp-galaxy:rat",
    "misp-galaxy:banker",
    "misp-galaxy:stealer",
    "misp-galaxy:backdoor",
    "misp-galaxy:ransomware",
    "misp-galaxy:tool",
    "misp-galaxy:mitre-tool",
)
_CONFIDENCE = {
    "completely-confident": 1.0,
    "usually-confident": 0.75,
    "fairly-confident": 0.5,
    "rarely-confident": 0.25,
    "unconfident": 0.0,
}
_NOT_FOR_DETECTION = "not marked for detection (to_ids)"


@dataclass(frozen=True, slots=True)
class _About:
    """What holds for an attribute because of where it stands."""

    number: int
    tags: tuple[str, ...] = ()
    info: str | None = None
    first_seen: Any = None
    last_seen: Any = None
    port: int | None = None


def recognises(head: bytes) -> bool:
    """Whether it is JSON with MISP's words in it."""
    return _json.looks_like_json(head) and _SIGNS.search(head) is not None


def read(path: Path, options: Options) -> Iterator[Indicator | Reject]:
    """Read the attributes of every event.

    `first_seen` is the attribute's, else its object's, else the event's date. Validity counts
    from last_seen, else from the attribute's own timestamp. Raises SourceError for bad JSON.
    """
    for number, event in enumerate(_events(_json.document(path)), start=1):
        yield from _event(number, event, options)


def _events(found: Any) -> list[dict[str, Any]]:
    """Return the events; a search for attributes is an event of its own."""
    if isinstance(found, dict) and "response" in found:
        found = found["response"]
    events = []
    for item in _json.objects(found):
        event = item.get("Event", item)
        if isinstance(event, dict) and ("Attribute" in event or "Object" in event):
            events.append(event)
        elif "value" in item and "type" in item:
            events.append({"Attribute": [item]})
    return events


def _event(number: int, event: dict[str, Any], options: Options) -> Iterator[Indicator | Reject]:
    skipped: Counter[str] = Counter()
    about = _About(number, _tags(event), _fields.said(event.get("info")), event.get("date"))
    for where, attribute in _attributes(event, about):
        reason = _unwanted(attribute, options)
        if reason:
            skipped[reason] += 1
        else:
            yield from _indicators(attribute, where)
    for reason, count in sorted(skipped.items()):
        yield Reject(number, f"{count} attributes: {reason}", about.info or "")


def _attributes(event: dict[str, Any], about: _About) -> Iterator[tuple[_About, dict[str, Any]]]:
    for attribute in _json.objects(event.get("Attribute", [])):
        yield about, attribute
    for thing in _json.objects(event.get("Object", [])):
        if _true(thing.get("deleted")):
            continue
        inner = _json.objects(thing.get("Attribute", []))
        where = _About(
            about.number,
            about.tags,
            about.info,
            thing.get("first_seen") or about.first_seen,
            thing.get("last_seen"),
            _port(inner),
        )
        for attribute in inner:
            yield where, attribute


def _port(attributes: list[dict[str, Any]]) -> int | None:
    """Return an object's one destination port; with several, none can be told apart."""
    found = [
        str(attribute.get("value"))
        for attribute in attributes
        if attribute.get("type") == "port"
        and attribute.get("object_relation") in ("dst-port", "port")
        and not _true(attribute.get("deleted"))
    ]
    good = len(found) == 1 and found[0].isascii() and found[0].isdigit() and len(found[0]) < 6
    return int(found[0]) if good and 0 < int(found[0]) < 65536 else None


def _unwanted(attribute: dict[str, Any], options: Options) -> str:
    kind = str(attribute.get("type"))
    if _true(attribute.get("deleted")):
        return "deleted"
    if kind not in _KINDS and kind not in _WITH_PORT:
        return f"no table holds type {kind[:40]!r}"
    return "" if options.context or _true(attribute.get("to_ids")) else _NOT_FOR_DETECTION


def _true(found: Any) -> bool:
    return found in (True, 1, "1", "true")


def _indicators(attribute: dict[str, Any], about: _About) -> Iterator[Indicator | Reject]:
    kind, text = str(attribute.get("type")), str(attribute.get("value", ""))
    if kind in _WITH_PORT:
        parts = [(_WITH_PORT[kind], text)]
    else:
        kinds = _KINDS[kind]
        cut = text.rsplit("|", len(kinds) - 1) if len(kinds) > 1 else [text]
        parts = [(part, piece) for part, piece in zip(kinds, cut, strict=False) if part]
        if len(cut) != len(kinds):
            yield Reject(about.number, f"the value has not the parts of {kind}", text)
            return
    for part, piece in parts:
        value = _values.normalise(part, piece)
        if isinstance(value, Refusal):
            yield Reject(about.number, value.reason, text)
        else:
            yield _indicator(value, attribute, about)


def _indicator(value: _values.Value, attribute: dict[str, Any], about: _About) -> Indicator:
    own = _tags(attribute)
    comment = _fields.said(attribute.get("comment"))
    first = attribute.get("first_seen") or about.first_seen
    last = attribute.get("last_seen") or about.last_seen or attribute.get("timestamp")
    tags = (*own, *about.tags)
    sinkhole = any("sinkhole" in tag.lower() for tag in tags)
    port = value.port or (about.port if value.kind in ("address", "name") else None)
    return Indicator(
        value.kind,
        value.value,
        port,
        family=_family(own) or _family(about.tags),
        label="; ".join(text for text in (comment, about.info) if text) or None,
        confidence=_confidence(tags),
        sinkhole=sinkhole,
        first_seen=_fields.time(first),
        tlp=_fields.strictest([_fields.tlp(tag) for tag in tags]),
        last_seen=_fields.time(last),
    )


def _tags(thing: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the tags, and of the galaxy clusters, that hang on an object."""
    names = [tag.get("name") for tag in _json.objects(thing.get("Tag", []))]
    for galaxy in _json.objects(thing.get("Galaxy", [])):
        clusters = _json.objects(galaxy.get("GalaxyCluster", []))
        names += [cluster.get("tag_name") for cluster in clusters]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def _family(tags: tuple[str, ...]) -> str | None:
    found: dict[str, str] = {}
    for tag in tags:
        if parts := _TAG.fullmatch(tag.strip()):
            found.setdefault(parts["name"].lower(), parts["value"])
    name = next((found[wanted] for wanted in _FAMILY_TAGS if wanted in found), None)
    return _fields.family(re.sub(r" - S[0-9]{4}$", "", name)) if name else None


def _confidence(tags: tuple[str, ...]) -> float | None:
    for tag in tags:
        parts = _TAG.fullmatch(tag.strip())
        if parts and parts["name"] == "misp:confidence-level":
            return _CONFIDENCE.get(parts["value"])
    return None
