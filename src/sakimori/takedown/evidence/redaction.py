"""Leaving parts of records out, so that what is left still verifies and tells nothing of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError
from sakimori.takedown.evidence.record import (
    Halves,
    Record,
    canonical,
    field_name,
    object_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OBJECT = "object="
_SCOPED = re.compile(r"(\d+|[a-z][a-z_]*):(.+)", re.DOTALL)
_KEPT = ("seal", "stamp", "key")  # without their fields nothing could be verified
_SHORTEST = 4  # characters; shorter values stand everywhere by chance
_MOST = 500  # values that are looked for


@dataclass(frozen=True, slots=True)
class Redaction:
    """What to leave out and why. `what` is `PART`, `NUMBER:PART` or `KIND:PART`.

    PART is `actor`, the name of a field, or `object=` with an object's name or hash.
    """

    what: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse a redaction without a reason."""
        if not self.what.strip() or not self.reason.strip():
            raise ConfigError(
                "a redaction needs a part and a reason",
                hint="--redact FIELD --reason 'personal data of a victim'",
            )

    def parts(self, record: Record) -> Iterator[str]:
        """Give the names of the parts of a record that this leaves out."""
        match = _SCOPED.fullmatch(self.what)
        part = self.what  # a field may be called "a:b" itself
        if match and match[1] in (str(record.seq), record.kind):
            part = match[2]
        if part == "actor" and record.actor is not None:
            yield "actor"
        if part.startswith(OBJECT):
            wanted = part.removeprefix(OBJECT)
            for at, thing in enumerate(record.objects):
                if thing and wanted in (thing.name, thing.sha256):
                    yield object_name(at)
        elif part in record.body and record.kind not in _KEPT:
            yield field_name(part)


@dataclass
class Plan:
    """What to leave out of which record, and the values that must then stand nowhere."""

    parts: dict[int, dict[str, str]] = field(default_factory=dict)  # record: part: reason
    hashes: set[str] = field(default_factory=set)  # of objects that are left out
    values: set[str] = field(default_factory=set)

    @property
    def listed(self) -> list[dict[str, Any]]:
        """What is left out, as the bundle names it."""
        return [
            {"record": seq, "part": part, "reason": reason}
            for seq, parts in sorted(self.parts.items())
            for part, reason in parts.items()
        ]


def plan(records: Iterable[Record], redactions: tuple[Redaction, ...]) -> Plan:
    """Return what to leave out. An object is left out wherever its hash stands (see `close`).

    Raises ConfigError when a redaction fits no record: a slip of the pen must not look like success.
    """
    made, used = Plan(), set[str]()
    for record in records:
        for redaction in redactions:
            for part in redaction.parts(record):
                used.add(redaction.what)
                made.parts.setdefault(record.seq, {}).setdefault(part, redaction.reason)
                _remember(made, record, part)
    for redaction in redactions:
        if redaction.what not in used:
            raise ConfigError(
                f"no record has {redaction.what!r}, so nothing was left out or written",
                hint="INDEX.txt of a bundle names fields and objects",
            )
    return made


def close(made: Plan, record: Record, reason: str) -> None:
    """Add the objects of a record whose hash is left out elsewhere."""
    for at, thing in enumerate(record.objects):
        if thing and thing.sha256 in made.hashes:
            made.parts.setdefault(record.seq, {}).setdefault(object_name(at), reason)


def _remember(made: Plan, record: Record, part: str) -> None:
    if part == "actor":
        made.values.add(str(record.actor))
    elif part.startswith("object "):
        thing = record.objects[int(part.removeprefix("object ")) - 1]
        if thing:
            made.hashes.add(thing.sha256)
            made.values |= {thing.name, thing.sha256}
    else:
        made.values.update(_texts(record.body[part.removeprefix("field ")]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def without(halves: Halves, parts: dict[str, str]) -> Halves:
    """Return a record without these parts: salt and value are gone, the commitment stays."""
    if not parts:
        return halves
    opening = json.loads(halves.opening)
    for part in parts:
        if part == "actor":
            opening["actor"] = None
        elif part.startswith("object "):
            opening["objects"][int(part.removeprefix("object ")) - 1] = None
        else:
            opening["fields"][part.removeprefix("field ")] = None
    return Halves(halves.header, canonical(opening))


class Search:
    """Looks for values that were left out in what is still there."""

    def __init__(self, values: set[str]) -> None:
        """Take the values that are long enough to mean something."""
        wanted = sorted(v for v in values if len(v) >= _SHORTEST)
        self.cut = len(wanted) > _MOST
        raw = {form for v in wanted[:_MOST] for form in _forms(v)}
        self._find = re.compile(b"|".join(re.escape(v) for v in sorted(raw))) if raw else None

    def __call__(self, data: bytes) -> bool:
        """Whether one of them is in `data`."""
        return self._find is not None and self._find.search(data) is not None


def _forms(value: str) -> tuple[bytes, bytes]:
    """Return a text as it stands in a file, and as it stands in JSON."""
    return value.encode("utf-8", "surrogatepass"), canonical(value)[1:-1]
