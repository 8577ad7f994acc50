"""The os-release file of a Linux system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import linux
from sakimori.endpoint.inventory.record import Record, note

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.source import Source

NAME = "os-release"
TITLE = "os-release"


def sniff(source: Source) -> bool:
    """Whether it assigns NAME or ID, and a version or a printable name."""
    values = linux.os_release(source.head) if re.search(r"(?m)^(NAME|ID)=", source.head) else {}
    return bool(values.keys() & {"NAME", "ID"}) and bool(
        values.keys() & {"VERSION_ID", "PRETTY_NAME", "VERSION", "ID_LIKE"}
    )


def read(source: Source) -> list[Record]:
    """Return one record of the distribution."""
    values = linux.os_release(source.text)
    return [
        Record(
            source=source.name,
            reader=NAME,
            os=linux.name_of(values),
            version=values.get("VERSION_ID") or None,
            build=values.get("BUILD_ID") or None,
            release=values.get("VERSION_CODENAME") or None,
            edition=values.get("VARIANT") or None,
            encoding=source.encoding,
            assumed=(*source.notes(), note("type-unknown")),
        )
    ]
