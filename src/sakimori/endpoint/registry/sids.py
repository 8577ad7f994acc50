"""Security identifiers: bytes, text, and the two-letter names that SDDL has for well-known ones.

Source: Microsoft, [MS-DTYP] 2.4.2 (SID) and 2.5.1.1 (SDDL SID strings).
"""

from __future__ import annotations

import re
import struct

_TABLE = """
AC S-1-15-2-1 / AN S-1-5-7 / AO S-1-5-32-548 / AS S-1-18-1 / AU S-1-5-11 / BA S-1-5-32-544
AA S-1-5-32-579 / BG S-1-5-32-546 / BO S-1-5-32-551 / BU S-1-5-32-545 / CD S-1-5-32-574 / CG S-1-3-1
CO S-1-3-0 / CY S-1-5-32-569 / ED S-1-5-9 / ER S-1-5-32-573 / ES S-1-5-32-576 / HA S-1-5-32-578
HI S-1-16-12288 / IS S-1-5-32-568 / IU S-1-5-4 / LS S-1-5-19 / LU S-1-5-32-559 / LW S-1-16-4096
ME S-1-16-8192 / MP S-1-16-8448 / MS S-1-5-32-577 / MU S-1-5-32-558 / NO S-1-5-32-556 / NS S-1-5-20
NU S-1-5-2 / OW S-1-3-4 / PO S-1-5-32-550 / PS S-1-5-10 / PU S-1-5-32-547 / RA S-1-5-32-575
RC S-1-5-12 / RD S-1-5-32-555 / RE S-1-5-32-552 / RM S-1-5-32-580 / RU S-1-5-32-554 / SI S-1-16-16384
SO S-1-5-32-549 / SS S-1-18-2 / SU S-1-5-6 / SY S-1-5-18 / UD S-1-5-84-0-0-0-0-0 / WD S-1-1-0
WR S-1-5-33
"""
ALIASES = dict(pair.split() for pair in _TABLE.replace("\n", "/").split("/") if pair.strip())
_NAMES = {sid: alias for alias, sid in ALIASES.items()}
_TEXT = re.compile(r"S-1-(0x[0-9a-fA-F]{1,12}|[0-9]{1,15})((?:-[0-9]{1,10}){0,15})")


def sid_text(raw: bytes, at: int = 0) -> tuple[str, int]:
    """Return a SID as SDDL has it, and the offset after it. Raises ValueError saying what is wrong."""
    if at < 0 or at + 8 > len(raw):
        raise ValueError(f"SID at {at} lies outside the descriptor")
    revision, count = raw[at], raw[at + 1]
    if revision != 1 or count > 15:
        raise ValueError(f"SID at {at} has revision {revision} and {count} parts")
    end = at + 8 + 4 * count
    if end > len(raw):
        raise ValueError(f"SID at {at} is cut off")
    authority = int.from_bytes(raw[at + 2 : at + 8], "big")
    parts = struct.unpack_from(f"<{count}I", raw, at + 8)
    head = f"{authority}" if authority < 1 << 32 else f"0x{authority:012x}"
    text = "-".join(("S-1", head, *map(str, parts)))
    return _NAMES.get(text, text), end


def sid_bytes(text: str) -> bytes:
    """Return a SID's bytes from `S-1-...` or a two-letter name. Raises ValueError."""
    found = _TEXT.fullmatch(ALIASES.get(text.upper(), text))
    if found is None:
        raise ValueError(f"{text[:80]!r} is no SID")
    authority = int(found[1], 0 if found[1].startswith("0x") else 10)
    parts = [int(part) for part in found[2].split("-")[1:]]
    if authority >= 1 << 48 or any(part >= 1 << 32 for part in parts):
        raise ValueError(f"{text[:80]!r} has a part that is too large")
    return (
        bytes((1, len(parts)))
        + authority.to_bytes(6, "big")
        + struct.pack(f"<{len(parts)}I", *parts)
    )
