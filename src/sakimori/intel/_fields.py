"""Small fields that several formats share: times, confidences, TLP, families."""

from __future__ import annotations

import re
from datetime import UTC, datetime

TLP = ("clear", "green", "amber", "amber+strict", "red")  # each stricter than the one before
LONGEST_TEXT = 1000
_WORDS = {"none": 0.0, "low": 0.15, "medium": 0.5, "med": 0.5, "moderate": 0.5, "high": 0.85}
_UNITS = {9: 1, 10: 1, 11: 1, 13: 1_000, 16: 1_000_000}
_NOT_SAID = frozenset(("", "-", "--", "none", "null", "nil", "n/a", "na", "unknown", "nan"))
_NO_FAMILY = frozenset(("unknown malware", "unknown_malware", "generic", "malware", "other"))


def said(text: object) -> str | None:
    """Return the text, at most 1000 characters, or None for empty and the usual placeholders."""
    if not isinstance(text, str):
        return None
    plain = text.strip()
    return None if plain.lower() in _NOT_SAID else plain[:LONGEST_TEXT]


def family(text: object) -> str | None:
    """Return a malware family's name, None where the source says it does not know."""
    name = said(text)
    return None if name is None or name.lower() in _NO_FAMILY else name


def time(text: object) -> datetime | None:
    """Return a UTC time from ISO 8601 (UTC where no zone is given) or an epoch in s, ms or µs.

    None for everything else: a time that cannot be read is no time.
    """
    plain = str(text).strip() if isinstance(text, (str, int)) else ""
    try:
        if plain.isascii() and plain.isdigit() and len(plain) in _UNITS:
            return datetime.fromtimestamp(int(plain) / _UNITS[len(plain)], tz=UTC)
        found = datetime.fromisoformat(plain.removesuffix("UTC").removesuffix("GMT").strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def confidence(text: object) -> float | None:
    """Return 0..1 from 0..1, 0..100, a percentage, or STIX 2.1's words (appendix A).

    1 means certain: sources that count to 100 have no use for 1 percent.
    """
    plain = str(text).strip().lower() if isinstance(text, (str, int, float)) else ""
    if plain in _WORDS:
        return _WORDS[plain]
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{0,9})?%?", plain):
        return None
    number = float(plain.rstrip("%"))
    if plain.endswith("%") or number > 1:
        number /= 100
    return number if number <= 1 else None


def tlp(text: object) -> str | None:
    """Return the TLP 2.0 word of `TLP:AMBER+STRICT`, `amber`, `white` (now clear), or None."""
    plain = str(text).strip().lower() if isinstance(text, str) else ""
    plain = plain.removeprefix("tlp:").strip().replace("white", "clear")
    return plain if plain in TLP else None


def strictest(words: list[str | None]) -> str | None:
    """Return the strictest TLP word, None when there is none."""
    known = [word for word in words if word]
    return max(known, key=TLP.index, default=None)
