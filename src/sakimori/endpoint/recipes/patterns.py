r"""Patterns that can be trusted: globs that match little, regular expressions that end soon.

The subset of regular expressions: letters, `.`, classes, escapes such as `\\` and `\d`, groups without
a quantifier, `|`, and quantifiers on single characters or classes, at most two of them open-ended, with
few choices beside. No look-around, no references, no quantified groups: so the time is at most a
small multiple of the square of the length, and texts longer than 2,048 characters do not match.
"""

from __future__ import annotations

import re
from functools import cache

LONGEST_TEXT = 2_048
_LONGEST_PATTERN = 500
_CHOICES = (8, 8, 4)  # question marks and bars, by how many quantifiers are open-ended
_WILD = re.compile(r"[*?\[\]]")
_ESCAPES = set("dDwWsS.\\/()[]{}|*+?^$-$@%#&~!\"':;,<>=")
_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\\[]|\\[dws\\\]\[.^-])*\]")


def wrong_expression(pattern: str) -> str:
    """Return why a regular expression is not of the safe subset, "" when it is."""
    if len(pattern) > _LONGEST_PATTERN:
        return f"longer than {_LONGEST_PATTERN} characters"
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return _walk(pattern)


def _walk(pattern: str) -> str:
    at, opened, choices, atom = 0, 0, pattern.count("|"), False
    while at < len(pattern):
        found = _QUANTIFIER.match(pattern, at)
        if found:
            if not atom:
                return f"{found[0]!r} at {at} must follow one character or class"
            opened += _is_open(found)
            choices += found[0] == "?"
            at, atom = found.end(), False
            continue
        length, atom = _atom(pattern, at)
        if not length:
            return f"{pattern[at : at + 3]!r} at {at} is not allowed"
        at += length
    if opened >= len(_CHOICES):
        return "more than two open-ended quantifiers"
    allowed = _CHOICES[opened]
    return f"more than {allowed} choices (? and |)" if choices > allowed else ""


def _is_open(found: re.Match[str]) -> bool:
    return found[0] in ("*", "+") or (found[2] is not None and found[3] != found[1])


def _atom(pattern: str, at: int) -> tuple[int, bool]:
    """Return the length of what stands here (0: not allowed), and whether it can be quantified."""
    char = pattern[at]
    if char == "\\":
        good = at + 1 < len(pattern) and pattern[at + 1] in _ESCAPES
        return (2, True) if good else (0, False)
    if char == "[":
        found = _CLASS.match(pattern, at)
        return (len(found[0]), True) if found else (0, False)
    if char == "(":
        return (0, False) if pattern.startswith("(?", at) else (1, False)
    if char in ")|":
        return 1, False
    return (0, False) if char in "]{}^$" else (1, True)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def expression_matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches, without regard to case; never for a very long text."""
    return len(text) <= LONGEST_TEXT and bool(_compiled(pattern).fullmatch(text))


def is_wild(part: str) -> bool:
    """Whether one part of a path holds wildcards."""
    return bool(_WILD.search(part))


def wrong_glob(parts: list[str]) -> str:
    """Return why a path's wildcards are too wide, "" when they are not.

    One part may hold wildcards, not the first, and besides `*` it must fix three characters or more.
    """
    wild = [part for part in parts if is_wild(part)]
    if not wild:
        return ""
    if len(wild) > 1:
        return "only one part of a path may hold wildcards"
    if is_wild(parts[0]) or "**" in wild[0]:
        return "a wildcard may not stand for folders or in the first part"
    fixed = len(re.sub(r"\[[^\]]*\]", "x", wild[0]).replace("*", ""))
    return "" if fixed >= 3 else f"{wild[0]!r} could match too much: fix three characters or more"
