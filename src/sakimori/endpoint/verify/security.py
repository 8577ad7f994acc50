"""Security descriptors as SDDL, in their parts."""

from __future__ import annotations

import re

PARTS = {"O": "owner", "G": "group", "D": "dacl", "S": "sacl"}
_PART = re.compile(r"([OGDS]):(.*?)(?=[OGDS]:|$)", re.DOTALL)
_AUTO = re.compile(r"^([DS]:)(P?)(?:AR|AI)*")


def parts_of(sddl: str) -> dict[str, str]:
    """Return owner, group, dacl and sacl of an SDDL text; the lists keep their `D:` or `S:`.

    Source: [MS-DTYP] 2.5.1.1. SIDs and rights hold no colon, so that a letter before one starts a part.
    """
    found: dict[str, str] = {}
    for letter, rest in _PART.findall(re.sub(r"\s+", "", sddl)):
        name = PARTS[letter]
        found[name] = f"{letter}:{rest}" if letter in "DS" else rest
    return found


def same_part(name: str, one: str | None, other: str | None) -> bool:
    """Whether two parts say the same: the order of flags and letter case do not matter.

    AR and AI only say how inheritance came about and are left out; the order of entries matters.
    """
    return _plain(name, one) == _plain(name, other)


def _plain(name: str, part: str | None) -> str:
    text = re.sub(r"\s+", "", part or "").upper()
    letter = {"owner": "O", "group": "G", "dacl": "D", "sacl": "S"}[name]
    bare = text.removeprefix(f"{letter}:")
    return _AUTO.sub(r"\1\2", f"{letter}:{bare}") if letter in "DS" else bare
