"""From one file to its records, whatever kind of file it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.readers import BUILTIN, named
from sakimori.endpoint.inventory.source import HIVE, Source, load
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.endpoint.inventory.readers import Reader
    from sakimori.endpoint.inventory.record import Record


def read_file(path: Path) -> list[Record]:
    """Return what a file says: one record, or one per machine where it tells of several.

    Raises SourceError when it cannot be read, is empty, or is of no kind that is known.
    """
    return read_source(load(path))


def read_source(source: Source) -> list[Record]:
    """Return the records of a source. Raises SourceError as read_file does."""
    reader = reader_of(source)
    records = reader.read(source)
    if not records:
        raise SourceError(f"this looks like {reader.TITLE}, but says nothing", where=source.name)
    return records


def reader_of(source: Source) -> Reader:
    """Return the first reader that recognises a source. Raises SourceError when none does."""
    for reader in BUILTIN:
        if reader.sniff(source):
            return reader
    if not source.data.strip():
        why = "the file is empty"
    elif source.decoded is None and source.data[:4] != HIVE:
        why = "this is neither text nor a registry hive"
    else:
        why = "this is no kind of inventory that is known"
    raise SourceError(why, where=source.name, hint=f"accepted: {named()}")
