"""What a reader is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from sakimori.readers._source import Source


@dataclass(frozen=True, slots=True)
class Rows:
    """Good rows of one table: a batch with exactly `schema_of(table)`.

    `tail` marks rows from a last line without its newline: they are replaced when the file grows.
    """

    table: str
    batch: pa.RecordBatch
    tail: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A line or record that could not be read. `text` is shown escaped and cut."""

    line: int
    reason: str
    text: str = ""
    tail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings that change how files are read ([import] in sakimori.toml)."""

    timezone: str = "UTC"  # of times that carry none: argus, nfdump, mail logs
    year: int | None = None  # of syslog times that carry none; None: the file's last change
    columns: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # map name -> ours:theirs
    threads: int = 2
    shadowserver_schema: Path | None = None  # the published schema, to tell drift from it


class Reader(Protocol):
    """What the importer needs of a reader module."""

    NAME: str  # as shown in `sources[].format`
    TITLE: str  # for people: "Zeek TSV logs"
    GROWS: bool  # True: a grown file's new part can be read alone, given the head
    # MAY_BE_EMPTY (optional): True where a file without rows is whole, such as a report of nothing

    @property
    def WRITES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """Tables it can give."""

    @property
    def recognises(self) -> Callable[[Source], bool]:
        """Whether the content (never the name) is this format. Looks at `source.head` only."""

    @property
    def read(self) -> Callable[[Source, Options], Iterator[Rows | Reject]]:
        """Stream the source's rows and rejects in bounded memory.

        Raises SourceError only when the file as a whole is unreadable.
        """


def schema_of(table: str) -> pa.Schema:
    """Return the Arrow schema a reader's batch has: the stored columns without source_id."""
    schema = TELEMETRY[table].arrow()
    return schema.remove(schema.get_field_index("source_id"))


def conform(table: str, columns: Mapping[str, Any], length: int) -> pa.RecordBatch:
    """Return a batch of `table` from some of its columns; the others are null.

    Columns are Arrow arrays of the declared type, or castable to it.
    """
    import pyarrow as pa  # noqa: PLC0415

    schema = schema_of(table)
    arrays = []
    for wanted in schema:
        array = columns.get(wanted.name)
        if array is None:
            array = pa.nulls(length, wanted.type)
        elif array.type != wanted.type:
            array = _fitted(array, wanted.type)
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fitted(array: Any, kind: pa.DataType) -> Any:
    """Cast; a number that does not fit (a port of 70 digits) becomes null."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if kind == pa.int32() and pa.types.is_integer(array.type):
        fits = pc.and_(pc.greater_equal(array, -(2**31)), pc.less(array, 2**31))
        array = pc.if_else(fits, array, pa.scalar(None, array.type))
    return array.cast(kind)
