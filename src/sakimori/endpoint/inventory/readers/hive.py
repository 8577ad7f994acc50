"""Registry hives, recognised by their content: SOFTWARE, SYSTEM, a user's, or a part of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.registry import record_of, troubles
from sakimori.endpoint.inventory.source import HIVE
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sakimori.endpoint.inventory.record import Record
    from sakimori.endpoint.inventory.source import Source

NAME = "hive"
TITLE = "a registry hive (SOFTWARE, SYSTEM, NTUSER.DAT)"


def sniff(source: Source) -> bool:
    """Whether it begins as a hive does."""
    return source.data[:4] == HIVE


def read(source: Source) -> list[Record]:
    """Return one record of what the hive says. Raises SourceError where that is nothing."""
    told = read_named({"HIVE": source.path})
    if told is None:
        raise SourceError(
            "no system, product or update is in this hive",
            where=source.name,
            hint="SOFTWARE and SYSTEM hold them",
        )
    return [replace(told, source=source.name)]


def read_named(hives: Mapping[str, Path]) -> Record | None:
    """Return the record of the hives of one machine, by the names they are mounted as; None for nothing.

    Raises SourceError when one of them cannot be read.
    """
    from sakimori.endpoint.registry.hive import read_hive  # noqa: PLC0415 - slow to import

    reads = [read_hive(path, name) for name, path in hives.items()]
    where = " + ".join(map(str, hives.values()))
    told = record_of(where, NAME, (key for one in reads for key in one.keys))
    if told is None:
        return None
    problems = [p for one in reads for p in one.problems]
    return replace(told, assumed=(*told.assumed, *troubles(problems)))
