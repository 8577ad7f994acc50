r"""Keys and values as every source gives them: raw bytes, last-write time, security as SDDL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

TYPES = {
    0: "REG_NONE",
    1: "REG_SZ",
    2: "REG_EXPAND_SZ",
    3: "REG_BINARY",
    4: "REG_DWORD",
    5: "REG_DWORD_BIG_ENDIAN",
    6: "REG_LINK",
    7: "REG_MULTI_SZ",
    8: "REG_RESOURCE_LIST",
    9: "REG_FULL_RESOURCE_DESCRIPTOR",
    10: "REG_RESOURCE_REQUIREMENTS_LIST",
    11: "REG_QWORD",
}
TEXT_TYPES = (1, 2, 6, 7)


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `name` is "" for the default value; `type` is the number; `data` the raw bytes."""

    name: str
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Key:
    r"""One key with its values.

    `path` starts with the name the source was mounted as (`SOFTWARE\Microsoft\...`). `written` is the
    last-write time in UTC, None where the source has none (`.reg`). `owner`, `group`, `dacl` and
    `sacl` are parts of the security descriptor as SDDL (`BA`, `SY`, `D:P(A;...)`), None where unknown.
    """

    path: str
    written: datetime | None
    owner: str | None
    group: str | None
    dacl: str | None
    sacl: str | None
    values: tuple[Value, ...]


def type_name(number: int) -> str:
    """Return the type's name, or its number in hexadecimal where it has none."""
    return TYPES.get(number, f"0x{number:x}")


def text_of(value: Value) -> str | None:
    """Return a text value up to its terminator, None for other types; broken units as U+FFFD.

    REG_MULTI_SZ gives its strings joined by newlines.
    """
    if value.type not in TEXT_TYPES:
        return None
    text = value.data[: len(value.data) & ~1].decode("utf-16-le", "replace")
    if value.type == 7:
        return "\n".join(part for part in text.split("\0") if part)
    return text.split("\0", 1)[0]
