"""In which layers two states of one thing differ, and how a state is shown in a change."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.changes import LAYERS
from sakimori.endpoint.registry.model import TEXT_TYPES, Value, text_of, type_name

if TYPE_CHECKING:
    from sakimori.endpoint.snapshot.model import Record

LONGEST = 64 * 1024  # bytes of a value that are shown; the snapshot holds all of them
_REGISTRY = {
    "type": "type",
    "owner": "owner",
    "group": "owner",
    "dacl": "acl",
    "sacl": "acl",
    "key_time": "time",
}
_FILE = {
    "type": "type",
    "linked_to": "type",
    "mode": "mode",
    "uid": "owner",
    "gid": "owner",
    "acl": "acl",
    "xattrs": "acl",
    "capabilities": "acl",
    "mtime": "time",
    "owner": "",  # names follow from the numbers; a renamed account is a change of the user
    "group": "",
    "unread": "",
    "runs": "",  # follows from the bytes
}
# Attributes that are no content; those not named here are "bytes", those with "" are only shown.
_LAYER: dict[str, dict[str, str]] = {
    "registry": _REGISTRY,
    "file": _FILE,
    "job": {"mtime": "time", "mode": "mode", "uid": "owner", "gid": "owner"},
    "service": {"mtime": "time"},
}


def layers(one: Record, other: Record) -> tuple[str, ...]:
    """Return in which layers two records of one place differ, in the order of LAYERS; empty: in none that counts.

    Attributes that either side does not know (None) are not compared. "time" is told only where
    nothing else differs: whatever changes a thing moves its time too, and the states carry both times.
    """
    kind, before, after = one.object, one.state, other.state
    table = _LAYER.get(kind, {})
    found = {
        table.get(name, "bytes")
        for name in before.keys() | after.keys()
        if _differ(before, after, name)
    }
    found.discard("")
    if (
        kind == "registry"
        and one.name is not None
        and "bytes" in found
        and _same_text(before, after)
    ):
        found.remove("bytes")
        found.add("terminator")
    if len(found) > 1 or one.name is not None:
        found.discard("time")  # a value has no time of its own: it carries its key's
    return tuple(one for one in LAYERS if one in found)


def _differ(before: dict[str, Any], after: dict[str, Any], name: str) -> bool:
    absent = ""  # not None: a missing attribute is known to be missing
    one, other = before.get(name, absent), after.get(name, absent)
    return one is not None and other is not None and one != other


def _same_text(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two states are values of a text type whose text is the same."""
    if before["type"] not in TEXT_TYPES or after["type"] not in TEXT_TYPES:
        return False
    return _unended(before["data"]) == _unended(after["data"])


def _unended(data: str) -> str:
    """Return a text's UTF-16 units in hexadecimal without half a unit at the end and ending NULs.

    What hides behind a NUL in the middle stays: that is content.
    """
    end = len(data) - len(data) % 4
    while end and data[end - 4 : end] == "0000":
        end -= 4
    return data[:end]


def shown(record: Record) -> dict[str, Any]:
    """Return a record's state as a change tells it: names for numbers, long data cut, autoruns marked."""
    from sakimori.endpoint.snapshot.autoruns import is_autorun  # noqa: PLC0415 - patterns

    state = dict(record.state)
    if record.object == "registry" and record.name is not None:
        state = _shown_value(record.name, state)
    if is_autorun(record):
        state["autorun"] = True
    return state


def _shown_value(name: str, state: dict[str, Any]) -> dict[str, Any]:
    data = bytes.fromhex(state["data"])
    value = Value(name, state["type"], data[:LONGEST])
    told: dict[str, Any] = {"type": type_name(value.type), "data": value.data.hex()}
    text = text_of(value)
    if text is not None:
        told["text"] = text
    if len(data) > LONGEST:
        told["size"] = len(data)
        told["sha256"] = hashlib.sha256(data).hexdigest()
    return told | {k: v for k, v in state.items() if k not in ("type", "data")}
