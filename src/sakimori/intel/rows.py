"""A CSV of the user's, row by row: a row that cannot be read is told with its line, not raised."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells by column without white space around, or `problem`. Lines count from 1."""

    line: int
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    ragged: bool = False  # more or fewer cells than the header; missing ones are ""


def read_rows(lines: Iterable[str], needed: Sequence[str], where: str = "") -> Iterator[Row]:
    """Give every row below the header. Raises SourceError when a needed column is missing."""
    rows = csv.DictReader(line.replace("\0", "") for line in lines)
    try:
        missing = [name for name in needed if name not in (rows.fieldnames or ())]
    except csv.Error as error:
        raise SourceError(f"the header cannot be read: {error}", where=where) from error
    if missing:
        raise SourceError(
            f"no column {', '.join(missing)}",
            where=f"{where}:1" if where else "",
            hint=f"the first line names the columns: at least {', '.join(needed)}",
        )
    while True:
        try:
            found = next(rows)
        except StopIteration:
            return
        except csv.Error as error:  # a cell over 128 KiB, say; the next row may be good
            yield Row(rows.reader.line_num, problem=str(error))
            continue
        cells = {str(k): str(v or "").strip() for k, v in found.items() if k is not None}
        yield Row(rows.line_num, cells, ragged=None in found or None in found.values())
