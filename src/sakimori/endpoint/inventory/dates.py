"""Dates as Windows prints them in the user's format, which the file does not name."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARTS = re.compile(r"(?<![\d.])(\d{1,4})([-/.])\s?(\d{1,2})\2\s?(\d{1,4})(?![\d])")
_PACKED = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?:\d{6}\.|(?!\d))")


def order_of(texts: Iterable[str]) -> str:
    """Return the order of day and month that texts of one file show: "dmy", "mdy", or "".

    A number over 12 tells which place holds the day; a dot means that the day comes first. Texts that
    contradict each other tell nothing.
    """
    seen: set[str] = set()
    for text in texts:
        for first, mark, second, third in _PARTS.findall(text):
            if len(first) == 4 or len(third) != 4:
                continue
            if int(first) > 12 or mark == ".":
                seen.add("dmy")
            elif int(second) > 12:
                seen.add("mdy")
    return seen.pop() if len(seen) == 1 else ""


def iso(text: str, order: str = "") -> str:
    """Return the first date of a text as ISO 8601, or "" where there is none or it can be two days."""
    packed = _PACKED.search(text)
    found = _PARTS.search(text)
    if found is None:
        return _date(*packed.groups()) if packed else ""
    first, _, second, third = found.groups()
    if len(first) == 4:
        return _date(first, second, third)
    if len(third) != 4:
        return ""
    order = order or order_of((text,)) or ("dmy" if first == second else "")
    if not order:
        return ""
    return _date(third, second, first) if order == "dmy" else _date(third, first, second)


def _date(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
