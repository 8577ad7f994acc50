"""Care of a workspace: intelligence files, compaction, retention, verification."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sakimori import intel
from sakimori.engine.lake import Part, measured
from sakimori.tables import INDICATOR

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.engine.lake import Lake
    from sakimori.state import Store


def import_intel(folder: Path, path: Path, options: dict[str, Any]) -> tuple[int, list[Any]]:
    """Read indicators and keep them under their source's name. See `Workspace.intel_import`."""
    source = options.pop("source", "") or path.name
    now: datetime = options.pop("now", None) or datetime.now(UTC)
    table, refused = intel.load(path, intel.Options(source=source, **options), now)
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    aside = folder / f".{name}.parquet"
    pq.write_table(table, aside, compression="zstd")
    aside.replace(folder / f"{name}.parquet")
    return table.num_rows, refused


def read_intel(folder: Path) -> pa.Table:
    """Return every indicator kept."""
    files = sorted(folder.glob("[!.]*.parquet"))
    empty = INDICATOR.arrow().empty_table()
    return pa.concat_tables([empty, *(pq.read_table(file) for file in files)])


def compact(lake: Lake, store: Store) -> tuple[int, int]:
    """Join the files of each table and day. Unfinished tails stay apart: they may be replaced."""
    groups: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for part in store.parts():
        if not part.tail:
            groups[part.table, part.day].append(part)
    before = after = 0
    for (table, day), parts in groups.items():
        before += len(parts)
        after += 1
        if len(parts) < 2:
            continue
        joined = _joined(lake, table, day, parts)
        store.replace_parts([joined], [p.path for p in parts])
        lake.remove([p.path for p in parts])
    return before, after


def _joined(lake: Lake, table: str, day: str, parts: list[Any], only: tuple[str, ...] = ()) -> Part:
    """Write one file of several, group by group, so that memory stays bounded."""
    name = f"compact{uuid.uuid4().hex[:10]}"
    aside = lake.staging() / f"{name}.parquet"
    schema = pq.read_schema(lake.root / parts[0].path)
    with pq.ParquetWriter(
        aside, schema, compression="zstd", compression_level=3, write_page_checksum=True
    ) as writer:
        for part in parts:
            file = pq.ParquetFile(lake.root / part.path)
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group).cast(schema)
                if only:
                    rows = rows.filter(pc.is_in(rows["source_id"], pa.array(only)))
                writer.write_table(rows)
    folder = f"{table}/day={day}" if day else table
    sources = only or tuple(sorted({s for part in parts for s in part.sources}))
    part = measured(Part(f"{folder}/{name}-0.parquet", table, day, sources=sources), aside)
    lake.put(aside, part)
    return part


def rewritten(lake: Lake, part: Any, sources: tuple[str, ...]) -> Part:
    """Write a part again with the rows of these sources only."""
    return _joined(lake, part.table, part.day, [part], sources)


def retain(lake: Lake, store: Store, days: int, now: datetime) -> int:
    """Drop whole days before the limit. Sources stay on record, so that they are not read again."""
    limit = (now.astimezone(UTC) - timedelta(days=days)).date().isoformat()
    old = [part for part in store.parts() if part.day and part.day < limit]
    store.replace_parts([], [part.path for part in old])
    lake.remove([part.path for part in old])
    return sum(part.rows for part in old)


def verify(lake: Lake, store: Store) -> list[str]:
    """Compare the records with the files."""
    recorded = {part.path: part for part in store.parts()}
    there = set(lake.files())
    wrong = [f"{path}: recorded but missing" for path in recorded if path not in there]
    wrong += [
        f"{path}: not recorded (left by a crash; the next import removes it)"
        for path in sorted(there - set(recorded))
    ]
    for path in sorted(there & set(recorded)):
        wrong += _damage(lake.root / path, path, recorded[path].rows)
    return wrong


def _damage(file: Path, path: str, rows: int) -> list[str]:
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            found = sum(batch.num_rows for batch in opened.iter_batches())
    except (OSError, pa.ArrowException) as error:
        return [f"{path}: damaged: {str(error).splitlines()[0]}"]
    return [] if found == rows else [f"{path}: {found} rows, {rows} recorded"]
