"""Updates that Windows Update offers: `KB4100347: title`, as its search for missing updates prints.

The list comes from a search for `IsInstalled=0` (for example the script _listupdates.vbs of wesng's
validation set): what it names is missing, so nothing of it counts as installed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.record import Record, note

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.source import Source

NAME = "offered"
TITLE = "a list of missing updates (KB: title)"

_LINE = re.compile(r"^\s*((?:KB\d{5,7}(?:,\s*)?)+):\s+\S")
_NONE = "There are no applicable updates."


def sniff(source: Source) -> bool:
    """Whether every line is KB numbers, a colon and a title."""
    lines = [line for line in source.head.splitlines()[:200] if line.strip()]
    return bool(lines) and (
        lines == [_NONE] or all(_LINE.match(line) for line in lines[:-1] or lines)
    )


def read(source: Source) -> list[Record]:
    """Return one record whose `offered` are the numbers."""
    names: list[str] = []
    for line in source.text.splitlines():
        found = _LINE.match(line)
        names += re.findall(r"KB\d{5,7}", found[1]) if found else ()
    offered = tuple(dict.fromkeys(names))
    return [
        Record(
            source=source.name,
            reader=NAME,
            encoding=source.encoding,
            offered=offered,
            assumed=(*source.notes(), note("offered", count=len(offered))),
        )
    ]
