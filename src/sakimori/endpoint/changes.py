"""One difference between two snapshots: the words that snapshot, verification and study share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OBJECTS = ("registry", "file", "package", "service", "job", "user", "socket", "module")
LAYERS = ("added", "removed", "bytes", "terminator", "type", "acl", "owner", "mode", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    r"""What differs in one object.

    `key` is the path of a file or registry key (`SOFTWARE\Microsoft\...`, as the hive was mounted), the
    name of a package, unit, job, user, socket or module. `name` is a registry value's name ("" for the
    default value); None where the change is to the key or object itself. `layers` are the ways in
    which it differs, in the order of LAYERS: "terminator" stands alone, without "bytes", where the text
    is the same and only its terminating NUL differs; "time" alone means that nothing else moved.
    `before` and `after` are the object's recorded attributes (None: it was not there), such as
    {"type": "REG_SZ", "data": "4500...", "text": "Explorer.exe", "key_time": "2009-11-25T..."}; data is
    hexadecimal, times are ISO 8601 in UTC.
    """

    object: str
    key: str
    name: str | None
    layers: tuple[str, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
