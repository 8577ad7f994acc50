"""The state's one door: a database by URL, SQLite (WAL) by default."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, delete, event, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from sakimori.errors import StateError
from sakimori.state.models import VERSION, AllowRow, Base, Meta, PartRow, RunRow, SourceRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """One imported file; see `SourceRow` for the columns."""

    id: str
    path: str
    format: str
    head_length: int
    head_hash: str
    length: int
    line: int
    hash: str
    total_hash: str
    imported: datetime
    rejected: int
    skipped: str
    warnings: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowEntry:
    """What is to be left out of results, why, by whom, until when (None: for good)."""

    id: int
    kind: str
    value: str
    reason: str
    created: datetime
    created_by: str
    expires: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One hunt."""

    id: str
    started: datetime
    seconds: float
    settings: dict[str, Any]
    result: dict[str, Any]


class Store:
    """Reads and writes the state. Every method is one transaction.

    Raises StateError when the database cannot be opened or was written by a newer version.
    """

    def __init__(self, url: str) -> None:
        """Open, and create the tables where there are none."""
        self.url = url
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_manners)
        with self.session() as session:
            Base.metadata.create_all(session.connection())
            meta = session.get(Meta, 1)
            if meta is None:
                session.add(Meta(id=1, version=VERSION))
            elif meta.version > VERSION:
                raise StateError(
                    f"this workspace was written by a newer version (state {meta.version})",
                    where=url,
                    hint="update sakimori",
                )

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # Sources and parts

    def sources(self) -> list[SourceRecord]:
        """Return every imported source, oldest first."""
        with self.session() as session:
            rows = session.scalars(select(SourceRow).order_by(SourceRow.imported, SourceRow.path))
            return [SourceRecord(**values_of(row)) for row in rows]

    def head_lengths(self) -> list[int]:
        """Return the lengths of heads on record, longest first."""
        with self.session() as session:
            lengths = session.scalars(select(SourceRow.head_length).distinct())
            return sorted(lengths, reverse=True)

    def sources_by_head(self, head_hash: str) -> list[SourceRecord]:
        """Return the sources that begin with these bytes, longest first."""
        with self.session() as session:
            rows = session.scalars(
                select(SourceRow)
                .where(SourceRow.head_hash == head_hash)
                .order_by(SourceRow.length.desc())
            )
            return [SourceRecord(**values_of(row)) for row in rows]

    def record(self, source: SourceRecord, add: Iterable[Any], drop: Iterable[str]) -> None:
        """Write a source with its new parts and without the dropped ones, all or nothing."""
        with self.session() as session:
            session.merge(SourceRow(**values_of(source)))
            session.execute(delete(PartRow).where(PartRow.path.in_(list(drop))))
            session.add_all(PartRow(**values_of(part)) for part in add)

    def replace_parts(self, add: Iterable[Any], drop: Iterable[str]) -> None:
        """Swap parts (compaction, retention), all or nothing."""
        with self.session() as session:
            session.execute(delete(PartRow).where(PartRow.path.in_(list(drop))))
            session.add_all(PartRow(**values_of(part)) for part in add)

    def parts(self, table: str | None = None) -> list[PartRow]:
        """Return the lake's parts, by day and path."""
        with self.session() as session:
            query = select(PartRow).order_by(PartRow.day, PartRow.path)
            rows = session.scalars(query.where(PartRow.table == table) if table else query)
            return list(rows)

    # Allow list

    def allow(self, entry: AllowEntry) -> int:
        """Add an entry; its id is given. Returns the id."""
        with self.session() as session:
            row = AllowRow(**{**values_of(entry), "id": None})
            session.add(row)
            session.flush()
            return row.id

    def allowed(self) -> list[AllowEntry]:
        """Return every entry, also those that have expired."""
        with self.session() as session:
            rows = session.scalars(select(AllowRow).order_by(AllowRow.id))
            return [AllowEntry(**values_of(row)) for row in rows]

    def disallow(self, number: int) -> bool:
        """Remove an entry; False when there is none of that id."""
        with self.session() as session:
            row = session.get(AllowRow, number)
            if row is not None:
                session.delete(row)
            return row is not None

    # Runs

    def record_run(self, run: RunRecord) -> None:
        """Keep a hunt."""
        with self.session() as session:
            session.add(RunRow(**values_of(run)))

    def last_run(self) -> RunRecord | None:
        """Return the newest hunt, or None."""
        with self.session() as session:
            newest = select(RunRow).order_by(RunRow.started.desc(), RunRow.id.desc()).limit(1)
            row = session.scalars(newest).first()
            return RunRecord(**values_of(row)) if row else None

    def count(self) -> int:
        """Return how many sources there are."""
        with self.session() as session:
            return session.scalar(select(func.count()).select_from(SourceRow)) or 0

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a transaction: kept when the block ends well. Raises StateError."""
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise StateError(
                f"the workspace's state cannot be used: {reason}",
                where=self.url,
                hint="check the disk and permissions, or restore state.sqlite from a copy",
            ) from error


def values_of(thing: Any) -> dict[str, Any]:
    """Return the columns of a row, or the fields of a record, by name."""
    if hasattr(thing, "__table__"):
        return {c.key: getattr(thing, c.key) for c in thing.__table__.columns}
    names: Sequence[str] = tuple(thing.__dataclass_fields__)
    return {
        name: list(value) if isinstance(value := getattr(thing, name), tuple) else value
        for name in names
    }


def _sqlite_manners(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=10000")
