"""Declared registry data as the raw bytes they become in a hive."""

from __future__ import annotations

import re
from typing import Any

from sakimori.endpoint.registry.model import TYPES

_NUMBERS = {name: number for number, name in TYPES.items()}
_SHORT = {"SZ": "REG_SZ", "STRING": "REG_SZ", "EXPANDSTRING": "REG_EXPAND_SZ", "BINARY": "REG_BINARY",
          "DWORD": "REG_DWORD", "QWORD": "REG_QWORD", "MULTISTRING": "REG_MULTI_SZ"}  # fmt: skip
_HEX = re.compile(r"^(?:[0-9A-Fa-f]{2}[\s,]*)+$")
TEXTS = ("REG_SZ", "REG_EXPAND_SZ", "REG_MULTI_SZ", "REG_LINK")


def type_of(text: object) -> str | None:
    """Return a type's name from its name, short name or number; None for anything else."""
    bare = str(text).strip().upper().replace(" ", "")
    if bare in _NUMBERS:
        return bare
    if bare in _SHORT or f"REG_{bare}" in _NUMBERS:
        return _SHORT.get(bare, f"REG_{bare}")
    try:
        number = int(bare, 0)
    except ValueError:
        return None
    return TYPES.get(number, f"0x{number:x}")


def terminated(text: str) -> bytes:
    """Return a string as Windows stores it: UTF-16LE with its terminating NUL."""
    return (text + "\0").encode("utf-16-le", "surrogatepass")


def raw_of(kind: str | None, data: Any) -> tuple[bytes, ...]:
    """Return the raw bytes that a declared datum may be; empty where it can be none.

    Text may also be given as the hexadecimal of its raw bytes, so both are returned. Numbers may be
    decimal, `0x` hexadecimal or `dword:` hexadecimal.
    """
    if data is None:
        return ()
    if isinstance(data, bytes):
        return (data,)
    if kind in ("REG_DWORD", "REG_QWORD", "REG_DWORD_BIG_ENDIAN"):
        return _numbers(kind, data)
    if kind == "REG_MULTI_SZ":
        parts = data if isinstance(data, list) else re.split(r"\n|\[~\]", str(data))
        return (_multi([str(p) for p in parts]), *_hexadecimal(data))
    if kind in TEXTS or kind is None:
        return (terminated(str(data)), *_hexadecimal(data))
    return _hexadecimal(data)


def _multi(parts: list[str]) -> bytes:
    return b"".join(terminated(part) for part in parts if part) + b"\0\0"


def _hexadecimal(data: Any) -> tuple[bytes, ...]:
    text = re.sub(r"(?i)^hex(\([0-9a-f]+\))?:", "", str(data)).strip()
    if not _HEX.match(text):
        return ()
    try:
        return (bytes.fromhex(re.sub(r"[\s,]", "", text)),)
    except ValueError:
        return ()


def _numbers(kind: str, data: Any) -> tuple[bytes, ...]:
    size = 8 if kind == "REG_QWORD" else 4
    order = "big" if kind == "REG_DWORD_BIG_ENDIAN" else "little"
    text = str(data).strip().lower()
    spelled = re.fullmatch(r"([dq]word:)?(0x)?([0-9a-f]+)h?", text)
    found: list[bytes] = []
    try:
        number = int(spelled[3], 16) if spelled and (spelled[1] or spelled[2]) else int(text)
        found.append(
            (number % (1 << (8 * size))).to_bytes(size, "big" if order == "big" else "little")
        )
    except ValueError:
        pass
    if len(text) == 2 * size:
        found.extend(_hexadecimal(text))
    return tuple(found)
