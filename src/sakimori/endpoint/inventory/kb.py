"""Names of updates: KB numbers in every spelling that Windows and its tools use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.record import Note, Update, note

if TYPE_CHECKING:
    from collections.abc import Iterable

# KB961371, KB961371-v2, KB893803v2, KB2834904-v2_WM11, KB2510531-IE8, Q147222, 943729
ID = re.compile(
    r"(?i)(?P<letter>kb|q)?(?P<number>\d{5,7})(?!\d)"
    r"(?:-?v(?P<release>\d{1,2}))?(?P<rest>(?:[-_][A-Za-z0-9.]+)*)"
)
KB = re.compile(r"(?i)(?<![A-Za-z0-9])KB(\d{5,7})(?![0-9])")
# what a list may hold in place of a KB number: a file of an update (XP), a GUID, a package's name
OTHER = re.compile(r"(?i)file \d+|\{[0-9a-f-]{36}\}|[A-Za-z][\w.-]{2,60}")


def bare(item: str) -> str:
    """Return an item of a list without the kind that XP writes after it, and without commas."""
    plain = " ".join(item.split()).strip(" ,;")
    return plain.partition(" - ")[0].strip(" ,;")


def update_of(item: str, **more: str) -> Update | None:
    """Return the update that an item names, None where the item is no KB, Q or bare number.

    `more` are title, installed and by.
    """
    written = bare(item)
    found = ID.fullmatch(written)
    if found is None:
        return None
    release = int(found["release"]) if found["release"] else None
    return Update(id=f"KB{found['number']}", written=written, release=release, **more)


def unique(updates: Iterable[Update]) -> tuple[Update, ...]:
    """Return the updates in their order, each spelling once; the entry that says more is kept."""
    kept: dict[str, Update] = {}
    for update in updates:
        known = kept.get(update.written.lower())
        if known is None or (update.installed and not known.installed):
            kept[update.written.lower()] = update
    return tuple(kept.values())


def spelling_notes(updates: Iterable[Update]) -> list[Note]:
    """Say which numbers were written in another way than "KB" and the number."""
    updates = tuple(updates)
    odd = {u.written: u.id for u in updates if not u.written.upper().startswith("KB")}
    again = [u.written for u in updates if u.release]
    notes = [note("number", written=written, id=known) for written, known in odd.items()]
    if again:
        notes.append(note("releases", names=", ".join(again[:8]), count=len(again)))
    return notes


def is_entry(text: str) -> bool:
    """Whether a cell is an entry of an update list."""
    written = bare(text)
    return bool(ID.fullmatch(written) or OTHER.fullmatch(written))
