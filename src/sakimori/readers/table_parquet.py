"""Any Parquet file whose columns follow a known vocabulary, or a map in `options.columns`.

The map is that of `table_csv`. Fields of structs are called by their path (`id.orig_h`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sakimori.errors import SourceError
from sakimori.readers._columns import check_zone, flat, sift
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._plan import extra_of, known, plan_for, values
from sakimori.readers._source import Block
from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._plan import Plan
    from sakimori.readers._source import Source

NAME = "parquet"
TITLE = "Tables as Parquet"
WRITES = tuple(TELEMETRY)
GROWS = False

_MAGIC = b"PAR1"
_ROWS = 65_536
_DEEPEST = 8
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


def recognises(source: Source) -> bool:
    """Whether it is Parquet whose columns follow a known vocabulary.

    The columns stand at the file's end, so this looks there. A damaged file is recognised, that
    `read` can say what is wrong with it.
    """
    if not source.head.startswith(_MAGIC):
        return False
    try:
        return known(_columns(source)) is not None
    except SourceError:
        return True


def fits(source: Source, options: Options) -> bool:
    """Whether a map of the settings, or else a known vocabulary, fits the columns."""
    try:
        plan_for(_columns(source), options.columns)
    except SourceError:
        return False
    return True


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read rows of the one table the columns fit; `uid` is `file:record` where there is none.

    Raises SourceError when nothing fits, or the file is damaged.
    """
    check_zone(options.timezone, source.name)
    with _opened(source) as file:
        plan = plan_for(_names(file), options.columns, source.name)
        first = 1
        wanted = None if plan.table == "event" else sorted(set(plan.theirs.values()))
        for batch in file.iter_batches(_ROWS, columns=wanted):
            yield from _parse(batch, first, plan, (source.name, options.timezone))
            first += batch.num_rows


@contextmanager
def _opened(source: Source) -> Iterator[pq.ParquetFile]:
    try:
        with source.local_file() as path, pq.ParquetFile(path) as file:
            yield file
    except _DAMAGED as error:
        reason = str(error).split("\n")[0][:200]
        raise SourceError(
            f"the Parquet file cannot be read: {reason}",
            where=source.name,
            hint="it may be cut short; copy it again",
        ) from error


def _columns(source: Source) -> list[str]:
    with _opened(source) as file:
        return _names(file)


def _names(file: pq.ParquetFile) -> list[str]:
    """Return the paths of the columns, struct fields with dots."""
    return _flattened(file.schema_arrow.empty_table()).column_names  # type: ignore[no-any-return]


def _flattened(table: pa.Table) -> pa.Table:
    for _ in range(_DEEPEST):
        if not any(pa.types.is_struct(kind) for kind in table.schema.types):
            break
        table = table.flatten()
    return table


def _parse(batch: pa.RecordBatch, first: int, plan: Plan, how: tuple[str, str]) -> Parsed:
    name, zone = how
    table = _flattened(pa.Table.from_batches([batch]))
    read = {column: _decoded(flat(table[column])) for column in table.column_names}
    records = pa.array(np.arange(first, first + table.num_rows, dtype=np.int64))
    ours, checks = values(plan, read, zone)
    ours |= extra_of(plan, read, table.num_rows)
    good, rejects = sift(Block(b"", first, 0), records, checks)
    out: Parsed = list(rejects)
    records = records.filter(good)
    if len(records):
        ours = {column: flat(array).filter(good) for column, array in ours.items()}
        place = pc.binary_join_element_wise(name, records.cast(pa.string()), ":")
        ours["uid"] = pc.coalesce(ours["uid"], place) if "uid" in ours else place
        out.append(Rows(plan.table, conform(plan.table, ours, len(records))))
    return out


def _decoded(column: pa.Array) -> pa.Array:
    """Return a column as one of the types `values` takes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _decoded(column.dictionary_decode())
    if pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_date(kind) or pa.types.is_null(kind):
        return column.cast(pa.timestamp("us") if pa.types.is_date(kind) else pa.string())
    return column
