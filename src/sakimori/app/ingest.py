"""Import: files in, parts of the lake out. Twice adds nothing; a grown file adds its new part."""

from __future__ import annotations

import glob
import hashlib
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from sakimori.app import tending
from sakimori.errors import SourceError
from sakimori.readers import Options, Reject, Rows, Source, load_all, name_of, recognise
from sakimori.state import SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sakimori.engine.lake import Lake, Part, PartWriter
    from sakimori.readers import Reader
    from sakimori.state import PartRow, Store

_REJECTS_AT_A_TIME = 5_000
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one path. `skipped` says why nothing was read; `added` is rows per table."""

    path: str
    format: str = ""
    added: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    skipped: str = ""
    failed: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()  # the first three
    grown: bool = False  # rows were there before, though this time perhaps none were new
    empty: bool = False  # the file says that there was nothing, which is an answer too


@dataclass(frozen=True, slots=True)
class _Known:
    """Where a source's content stands against what was imported before."""

    before: SourceRecord | None = None
    same: bool = False
    digest: object = None


@dataclass(slots=True)
class Importer:
    """Reads paths into a lake and its records. `on_file` and `on_bytes` report progress."""

    lake: Lake
    store: Store
    options: Options
    on_file: Callable[[str], None] = lambda _name: None
    on_bytes: Callable[[int], None] = lambda _count: None

    def run(self, paths: Sequence[str]) -> list[Outcome]:
        """Import every file the paths name.

        Raises SourceError for a path that does not exist. A file that cannot be read is an
        Outcome with `failed`; the others are still read.
        """
        self.lake.sweep({part.path for part in self.store.parts()})
        readers = tuple(load_all().values())
        with _given_back():
            return [self._one(path, readers) for path in expand(paths)]

    def _one(self, path: Path | None, readers: Sequence[Reader]) -> Outcome:
        name = name_of(path) if path else "-"
        self.on_file(name)
        try:
            source = Source(path, spool=self.lake.staging())
            source.on_bytes = self.on_bytes
            if not source.head:
                return Outcome(name, skipped="empty")
            reader = recognise(source, readers, self.options)
            if reader is None:
                return Outcome(name, skipped="format not recognised")
            return self._import(source, reader)
        except SourceError as error:
            return Outcome(name, failed=str(error), hint=error.hint)

    def _import(self, source: Source, reader: Reader) -> Outcome:
        known = self._known(source)
        if known.same and known.before:
            skipped = known.before.skipped or "already imported"
            return Outcome(source.name, known.before.format, skipped=skipped)
        before = known.before
        if before and before.length and reader.GROWS:
            source.begin_at(before.length, before.line, known.digest)
        writer = self.lake.writer(before.id if before else uuid.uuid4().hex[:12])
        try:
            taken = _Taken(writer, source.name)
            taken.take(reader.read(source, self.options))
            return self._record(source, reader, taken, before)
        except BaseException:
            writer.discard()
            raise

    def _record(
        self, source: Source, reader: Reader, taken: _Taken, before: SourceRecord | None
    ) -> Outcome:
        """Publish the parts and write the record: from here on the source counts."""
        skipped = getattr(reader, "skipped", lambda _source: "")(source)
        record_id = taken.writer.source_id
        parts = taken.writer.publish()
        old = [] if before is None else self._parts_to_drop(before, whole=not reader.GROWS)
        parts += [kept for part in old if (kept := self._without(part, record_id))]
        if reader.GROWS:
            length, line, digest = source.finished, source.line, source.digest
            total = digest.copy()
            total.update(source.rest)
        else:
            length, line, digest = 0, 1, source.digest_of()
            total = digest
        head = source.head[: length or None] if reader.GROWS else source.head
        rejected_before = _kept_rejects(before, old) if before and reader.GROWS else 0
        record = SourceRecord(
            id=record_id,
            path=source.name,
            format=reader.NAME,
            head_length=len(head),
            head_hash=_hash(head),
            length=length,
            line=line,
            hash=digest.hexdigest(),
            total_hash=total.hexdigest(),
            imported=datetime.now(UTC),
            rejected=rejected_before + taken.rejected,
            skipped=skipped,
            warnings=list(source.warnings),
        )
        self.store.record(record, parts, [part.path for part in old])
        self.lake.remove([part.path for part in old])
        return Outcome(
            source.name, reader.NAME, taken.added, taken.rejected, skipped,
            warnings=tuple(source.warnings), rejects=tuple(taken.first),
            grown=before is not None and self._has_rows(record_id),
            empty=_says_nothing(reader, taken),
        )  # fmt: skip

    def _has_rows(self, source_id: str) -> bool:
        return any(p.table != "rejects" and source_id in p.sources for p in self.store.parts())

    def _parts_to_drop(self, before: SourceRecord, *, whole: bool) -> list[PartRow]:
        return [
            part
            for part in self.store.parts()
            if before.id in part.sources and (whole or part.tail)
        ]

    def _without(self, part: PartRow, source_id: str) -> Part | None:
        """Write a compacted part again without one source's rows; None when none are left."""
        others = tuple(s for s in part.sources if s != source_id)
        if not others:
            return None
        return tending.rewritten(self.lake, part, others)

    def _known(self, source: Source) -> _Known:
        """Compare the content with what was imported: the same, grown, or new."""
        for length in self.store.head_lengths():
            if length > len(source.head):
                continue
            for record in self.store.sources_by_head(_hash(source.head[:length])):
                known = self._against(source, record)
                if known.before:
                    return known
        return _Known()

    def _against(self, source: Source, record: SourceRecord) -> _Known:
        if source.digest_of().hexdigest() == record.total_hash:
            return _Known(record, same=True)
        if record.length:
            digest = source.digest_of(record.length)
            if digest is not None and digest.hexdigest() == record.hash:
                return _Known(record, digest=digest)
        elif record.path == source.name:  # a format that is read whole: read it again
            return _Known(record)
        return _Known()


@contextmanager
def _given_back() -> Iterator[None]:
    """Let Arrow take memory from the system and give it back.

    Its own allocator keeps what was freed: 35 MB more at the peak, on a report of a million rows.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _says_nothing(reader: Reader, taken: _Taken) -> bool:
    """Whether a file without rows is whole: a report of no events."""
    may_be = getattr(reader, "MAY_BE_EMPTY", False)
    return bool(may_be) and not taken.added and not taken.rejected


def _kept_rejects(before: SourceRecord, dropped: Sequence[PartRow]) -> int:
    """Return the rejects of before without those of an unfinished last line, now read again."""
    return before.rejected - sum(part.rows for part in dropped if part.table == "rejects")


class _Taken:
    """What a reader gave so far, handed on to the writer."""

    def __init__(self, writer: PartWriter, name: str) -> None:
        self.writer, self._name = writer, name
        self.added: dict[str, int] = {}
        self.rejected = 0
        self.first: list[Reject] = []

    def take(self, items: Iterable[Rows | Reject]) -> None:
        waiting: dict[bool, list[tuple[str, int, str, str]]] = {False: [], True: []}
        for item in items:
            if isinstance(item, Rows):
                self.writer.add(item.table, item.batch, tail=item.tail)
                self.added[item.table] = self.added.get(item.table, 0) + item.batch.num_rows
                continue
            self.rejected += 1
            if len(self.first) < _SHOWN:
                self.first.append(item)
            rows = waiting[item.tail]
            rows.append((self._name, item.line, item.reason, item.text))
            if len(rows) >= _REJECTS_AT_A_TIME:
                self.writer.add_rejects(rows, tail=item.tail)
                rows.clear()
        for tail, rows in waiting.items():
            if rows:
                self.writer.add_rejects(rows, tail=tail)


def expand(paths: Sequence[str]) -> Iterator[Path | None]:
    """Give the files that paths, folders (with all below), globs and "-" (None) name, once each.

    Raises SourceError for a path or glob that names nothing.
    """
    seen: set[Path] = set()
    for text in paths:
        if text == "-":
            yield None
            continue
        found = list(_files(text))
        if not found:
            is_empty = Path(text).is_dir()
            raise SourceError(
                "the folder holds no file"
                if is_empty
                else "no such file or folder, and no glob that matches",
                where=text,
                hint="give a log file, a folder, a glob in quotes, or - for stdin",
            )
        for path in found:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _files(text: str) -> Iterator[Path]:
    path = Path(text)
    if path.is_dir():
        yield from sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p, path))
    elif path.exists():
        yield path
    else:
        yield from sorted(Path(p) for p in glob.glob(text, recursive=True) if Path(p).is_file())  # noqa: PTH207


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
