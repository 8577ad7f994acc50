"""Text that may stand in every format: remarks, times; and the diff of two files.

An attacker may have written a reason. Of it only characters that mean nothing in any of the
formats are kept: a remark cannot end a line, a string or a comment.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

MARK = "sakimori block"
_HARMLESS = re.compile(r"(?:[A-Za-z0-9_,./()-]+ )*[A-Za-z0-9_,./()-]+")
_OTHERS = re.compile(r"[^A-Za-z0-9_,./()-]+")


def remark(entry: BlockEntry, *, limit: int = 80, ascii_only: bool = False) -> str:
    """Return `until TIME - reason` on one line; "" when there is neither.

    Kept are ASCII letters, digits, `_,./()-`, single spaces, and letters and digits of scripts
    that run from left to right; the rest is a space. `limit` cuts the reason, in characters.
    """
    until = f"until {stamp(entry.expires)}" if entry.expires else ""
    reason = harmless(entry.reason, limit, ascii_only=ascii_only)
    return f"{until} - {reason}" if until and reason else until or reason


@lru_cache(4096)  # lists give many entries one reason
def harmless(text: str, limit: int, *, ascii_only: bool = False) -> str:
    """Return what `remark` keeps of a text."""
    cut = text[:limit]
    if _HARMLESS.fullmatch(cut):
        return cut
    if ascii_only or cut.isascii():
        return _OTHERS.sub(" ", cut).strip()
    return _OTHERS.sub(lambda m: _letters(m[0]), cut).strip()


def _letters(text: str) -> str:
    kept = "".join(
        c if ord(c) > 127 and c.isalnum() and unicodedata.bidirectional(c) in ("L", "EN") else " "
        for c in text
    )
    return re.sub(" +", " ", kept)


@lru_cache(4096)
def stamp(time: datetime) -> str:
    """Return a time as `2026-12-01T00:00:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_stamp(text: str) -> datetime:
    """Read what `stamp` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def header(sign: str, name: str, *lines: str) -> str:
    """Return the comment lines at the top of a file, with the line that `check` looks for."""
    return "".join(f"{sign} {line}\n" for line in (f"{MARK}: {name}", *lines))


def check(text: str, sign: str, name: str) -> None:
    """Raise SourceError when a file is not one of this format that we wrote. "" is an empty one."""
    if text and not text.startswith(f"{sign} {MARK}: {name}\n"):
        raise SourceError(
            f"the previous file is no {name} file that `sakimori block` wrote",
            hint="give the file written before, or the list it was written from",
        )


def unchanged(_before: str, after: str) -> str:
    """Return the file as it is: this format counts nothing."""
    return after


def restored(_after: str, before: str | None, empty: str) -> str:
    """Return the file that was there before, or the empty one."""
    return empty if before is None else before


def patch(before: str, after: str) -> str:
    """Return a unified diff without context, for `patch`; "" when the two are the same.

    Lines of both that stand once and in one order stay; all between them goes and comes. That is
    a good diff for sorted lists of unique lines, in O(n log n).
    """
    if before == after:
        return ""
    old, new = before.splitlines(), after.splitlines()
    out = ["--- before", "+++ after"]
    at_old = at_new = 0
    for o, n in (*_anchors(old, new), (len(old), len(new))):
        if o > at_old or n > at_new:
            out.append(f"@@ -{_range(at_old, o)} +{_range(at_new, n)} @@")
            out += [f"-{line}" for line in old[at_old:o]]
            out += [f"+{line}" for line in new[at_new:n]]
        at_old, at_new = o + 1, n + 1
    return "\n".join(out) + "\n"


def _range(start: int, end: int) -> str:
    """Return lines as `first,count`; an empty range names the line before it."""
    return f"{start + 1 if end > start else start},{end - start}"


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of positions of common unique lines, growing on both sides."""
    places, many = _places(new)
    again = _places(old)[1]
    pairs = [
        (at, places[line])
        for at, line in enumerate(old)
        if line in places and line not in many and line not in again
    ]
    return _growing(pairs)


def _places(lines: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    places: dict[str, int] = {}
    many: set[str] = set()
    for at, line in enumerate(lines):
        if line in places:
            many.add(line)
        places[line] = at
    return places, many


def _growing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest run of pairs whose second numbers grow too (patience sorting)."""
    if all(a[1] < b[1] for a, b in pairwise(pairs)):  # sorted lists: nearly always
        return pairs
    tails: list[int] = []
    heads: list[int] = []  # index of the pair that ends the run of each length
    previous = [-1] * len(pairs)
    for index, (_, value) in enumerate(pairs):
        length = bisect_left(tails, value)
        previous[index] = heads[length - 1] if length else -1
        if length == len(tails):
            tails.append(value)
            heads.append(index)
        else:
            tails[length], heads[length] = value, index
    run: list[tuple[int, int]] = []
    at = heads[-1] if heads else -1
    while at >= 0:
        run.append(pairs[at])
        at = previous[at]
    return run[::-1]


def patch_of(sign: str, name: str, before: str, after: str, _options: Options) -> str:
    """Return `patch` of two files of one format, checked."""
    check(before, sign, name)
    return patch(before, after)
