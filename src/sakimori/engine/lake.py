"""The lake: `lake/<table>/day=YYYY-MM-DD/<source>-<n>.parquet`, written aside and then renamed.

A part counts only once the caller has recorded it; a file that nobody recorded is the rest of a
crash and may be removed. Any DuckDB, Spark, Trino or pandas user can read the folder.
"""

from __future__ import annotations

import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sakimori.errors import EngineError
from sakimori.hostile import visible
from sakimori.tables import ALL, REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ROW_GROUP = 122_880  # what DuckDB reads at a time on one thread
_TOLD_BYTES = 6 * 1024 * 1024  # events that carry whole foreign records wait in fewer rows
_MOST_OPEN = 64  # days written at once; beyond, the fullest is closed and a new part begun
# Values hardly repeat, so a dictionary of them costs time and saves nothing.
_ALL_DIFFERENT = ("ts", "uid", "duration", "rtt", "file_id", "answers", "ttls", "file_ids")
_MOST_AHEAD = 3  # batches that wait to be written
_STAGING = ".staging"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of the lake. `path` is relative to the lake; `filled` has data."""

    path: str
    table: str
    day: str  # YYYY-MM-DD, or "" for rejects
    tail: bool = False
    sources: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    filled: tuple[str, ...] = ()


@dataclass(slots=True)
class _Open:
    """A part being written."""

    writer: pq.ParquetWriter
    path: Path
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0


class Lake:
    """The folder of parts."""

    def __init__(self, root: Path) -> None:
        """Nothing is created until something is written."""
        self.root = root

    def writer(self, source_id: str) -> PartWriter:
        """Return a writer for one source's rows, which numbers on from its parts of before."""
        before = [
            int(f.stem.rpartition("-")[2]) for f in self.root.glob(f"*/**/{source_id}-*.parquet")
        ]
        return PartWriter(self.root, source_id, max(before, default=-1) + 1)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove parts; one that is gone already is no error."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)

    def put(self, staged: Path, part: Part) -> None:
        """Move a file written aside to its place."""
        target = self.root / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    def staging(self) -> Path:
        """Return the folder to write aside in."""
        folder = self.root / _STAGING
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sweep(self, recorded: set[str]) -> list[str]:
        """Remove what no record names: the rest of a run that was cut off. Returns the paths."""
        shutil.rmtree(self.root / _STAGING, ignore_errors=True)
        strays = [path for path in self.files() if path not in recorded]
        self.remove(strays)
        return strays

    def files(self) -> list[str]:
        """Return every part file there is, relative to the lake, sorted."""
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in self.root.glob("*/**/*.parquet")
            if _STAGING not in path.parts
        )


class PartWriter:
    """Writes one source's batches into parts, split by day, in bounded memory."""

    def __init__(self, root: Path, source_id: str, first_number: int) -> None:
        """Files appear in a staging folder until `publish`."""
        self._root, self.source_id = root, source_id
        self._staging = root / _STAGING / source_id
        self._open: dict[tuple[str, str, bool], _Open] = {}
        self._done: list[tuple[Part, Path]] = []
        self._next = first_number
        # Compressing goes on in one thread of its own while the caller reads on.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lake")
        self._ahead: deque[Future[None]] = deque()

    def add(self, table: str, batch: pa.RecordBatch, *, tail: bool = False) -> None:
        """Take rows of a telemetry table (its stored columns without source_id)."""
        self._later(self._add, table, batch, tail)

    def _add(self, table: str, batch: pa.RecordBatch, tail: bool) -> None:
        whole = batch.append_column(
            "source_id", pa.repeat(pa.scalar(self.source_id), batch.num_rows)
        )
        for day, rows in _by_day(whole):
            self._put((table, day, tail), rows)

    def _later(self, work: Callable[..., None], *given: Any) -> None:
        """Hand work to the thread, few pieces ahead; raises what earlier work raised."""
        self._ahead.append(self._thread.submit(work, *given))
        if len(self._ahead) > _MOST_AHEAD:
            with self._disk():
                self._ahead.popleft().result()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError(
                f"the lake cannot be written: {error}",
                where=str(self._root),
                hint="free some disk space or choose another --workspace",
            ) from error

    def add_rejects(self, rejects: list[tuple[str, int, str, str]], *, tail: bool = False) -> None:
        """Take (path, line, reason, text) of lines that could not be read."""
        path, line, reason, text = zip(*rejects, strict=True)
        shown = [visible(t) for t in text]
        source = [self.source_id] * len(rejects)
        batch = pa.record_batch([path, line, reason, shown, source], schema=REJECTS.arrow())
        self._later(self._put, ("rejects", "", tail), batch)

    def publish(self) -> list[Part]:
        """Close the parts and rename them into the lake. Returns what to record.

        Raises EngineError when the disk refuses.
        """
        with self._disk():
            while self._ahead:
                self._ahead.popleft().result()
            for key in list(self._open):
                self._close(key)
            for part, staged in self._done:
                target = self._root / part.path
                target.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(target)
        self._thread.shutdown()
        shutil.rmtree(self._staging, ignore_errors=True)
        return [part for part, _ in self._done]

    def discard(self) -> None:
        """Forget everything that was not published."""
        self._thread.shutdown(cancel_futures=True)
        for part in self._open.values():
            with suppress(OSError):  # a full disk must not hide the first failure
                part.writer.close()
        self._open.clear()
        shutil.rmtree(self._staging, ignore_errors=True)

    def _put(self, key: tuple[str, str, bool], batch: pa.RecordBatch) -> None:
        part = self._open.get(key) or self._begin(key, batch.schema)
        part.waiting.append(batch)
        part.rows += batch.num_rows
        part.bytes += batch.get_total_buffer_size()
        if part.rows >= ROW_GROUP or (part.bytes >= _TOLD_BYTES and ALL[key[0]].told):
            self._flush(part)

    def _begin(self, key: tuple[str, str, bool], schema: pa.Schema) -> _Open:
        if len(self._open) >= _MOST_OPEN:
            self._close(next(iter(self._open)))
        table, day, _ = key
        number = self._next
        self._next += 1
        self._staging.mkdir(parents=True, exist_ok=True)
        path = self._staging / f"{table}-{day}-{number}.parquet"
        writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            write_page_checksum=True,
            use_dictionary=[name for name in schema.names if name not in _ALL_DIFFERENT],
        )
        self._open[key] = _Open(writer, path)
        return self._open[key]

    def _flush(self, part: _Open) -> None:
        if part.waiting:
            part.writer.write_table(pa.Table.from_batches(part.waiting), row_group_size=ROW_GROUP)
            part.waiting.clear()
            part.rows = part.bytes = 0
            pa.default_memory_pool().release_unused()  # the peak is what bounds a small machine

    def _close(self, key: tuple[str, str, bool]) -> None:
        part = self._open.pop(key)
        self._flush(part)
        part.writer.close()
        table, day, tail = key
        number = part.path.stem.rsplit("-", 1)[1]
        folder = f"{table}/day={day}" if day else table
        path = f"{folder}/{self.source_id}-{number}.parquet"
        planned = Part(path, table, day, tail, (self.source_id,))
        self._done.append((measured(planned, part.path), part.path))


def measured(part: Part, file: Path) -> Part:
    """Return the record with what the written file says: rows, bytes, times, filled columns."""
    meta = pq.read_metadata(file)
    filled: set[str] = set()
    times: list[datetime] = []
    for group in (meta.row_group(i) for i in range(meta.num_row_groups)):
        for column in (group.column(i) for i in range(group.num_columns)):
            stats, name = column.statistics, column.path_in_schema.split(".")[0]
            if stats is None or stats.null_count < column.num_values:
                filled.add(name)
            if name == "ts" and stats is not None and stats.has_min_max:
                times += [_aware(stats.min), _aware(stats.max)]
    return replace(
        part,
        rows=meta.num_rows,
        bytes=file.stat().st_size,
        first=min(times, default=None),
        last=max(times, default=None),
        filled=tuple(c.name for c in ALL[part.table].stored if c.name in filled),
    )


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _by_day(batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """Split rows by UTC day; most batches lie in one."""
    days = batch.column("ts").cast(pa.date32())
    edges = pc.min_max(days)
    if edges["min"] == edges["max"]:
        return [(str(edges["min"].as_py()), batch)]
    return [(str(day), batch.filter(pc.equal(days, day))) for day in days.unique().drop_null()]
