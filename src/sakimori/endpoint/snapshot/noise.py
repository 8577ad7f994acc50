"""Changes that only follow from others: times of folders and keys whose content moved, our own files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sakimori.endpoint.snapshot.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.snapshot.model import Record

_TIME = ("time",)
_GONE_OR_NEW = {"added", "removed"}


def is_snapshot(
    one: Record | None, other: Record | None, own: AbstractSet[tuple[str, str]]
) -> bool:
    """Whether a file that only one side has is one of the two snapshots itself, byte for byte."""
    record = one or other
    if record is None or record.object != "file" or (one is not None and other is not None):
        return False
    digest = record.state.get("sha256")
    name = record.key.rpartition("/")[2]
    return any(digest == known and path.replace("\\", "/").endswith(name) for path, known in own)


def settled(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield changes without times that moved because of another change; files that moved say where to."""
    held = list(changes)
    because = {place for change in held for place in _moves(change)}
    moved, times = _moved(held), _times(held)
    for change in held:
        if change.layers == _TIME and (change.object, _key(change)) in because:
            continue
        yield _timed(_pointed(change, moved), times)


def _moves(change: Change) -> Iterator[tuple[str, str]]:
    """Yield the folders or keys whose time a change moves as well."""
    if change.layers == _TIME and change.name is None:
        return
    key = _key(change)
    if change.object == "file":
        yield "file", key.rpartition("/")[0] or "/"
    elif change.object == "registry":
        if change.name is not None:
            yield "registry", key
        elif _GONE_OR_NEW & set(change.layers):
            yield "registry", key.rpartition("\\")[0]


def _key(change: Change) -> str:
    return canonical(change.key) if change.object == "registry" else change.key


def _times(changes: Iterable[Change]) -> dict[str, str]:
    """Return the new time of each registry key that stayed and whose time moved."""
    return {
        _key(change): change.after["key_time"]
        for change in changes
        if change.object == "registry" and change.name is None and change.before and change.after
        and change.after["key_time"] not in {None, change.before["key_time"]}
    }  # fmt: skip


def _timed(change: Change, times: dict[str, str]) -> Change:
    """Add when a removed value's key was written, and when the parent of a new or removed key was."""
    if change.object != "registry" or not _GONE_OR_NEW & set(change.layers):
        return change
    key = _key(change)
    name, place = ("key_time_after", key) if change.name is not None else (
        "parent_key_time", key.rpartition("\\")[0])  # fmt: skip
    if place not in times:
        return change
    if change.after is not None:
        told = change.name is not None  # an added value carries its key's time already
        return change if told else replace(change, after={**change.after, name: times[place]})
    return replace(change, before={**(change.before or {}), name: times[place]})


Moved = tuple[dict[str, str], dict[str, str]]


def _moved(changes: Iterable[Change]) -> Moved:
    """Return where content (by hash) went away and where it turned up, where that is one place each."""
    gone: dict[str, list[str]] = {}
    new: dict[str, list[str]] = {}
    for change in changes:
        state = change.before or change.after
        if change.object != "file" or not _GONE_OR_NEW & set(change.layers) or state is None:
            continue
        digest = state.get("sha256")
        if digest and state.get("size"):
            (gone if "removed" in change.layers else new).setdefault(digest, []).append(change.key)
    both = [
        digest for digest in gone.keys() & new.keys() if len(gone[digest]) == len(new[digest]) == 1
    ]
    return {d: new[d][0] for d in both}, {d: gone[d][0] for d in both}


def _pointed(change: Change, moved: Moved) -> Change:
    to, whence = moved
    if change.object != "file" or not to:
        return change
    if change.layers == ("removed",) and change.before and change.before.get("sha256") in to:
        return replace(change, before={**change.before, "moved_to": to[change.before["sha256"]]})
    if change.layers == ("added",) and change.after and change.after.get("sha256") in whence:
        return replace(change, after={**change.after, "moved_from": whence[change.after["sha256"]]})
    return change
