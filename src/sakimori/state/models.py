"""The state's tables (SQLAlchemy)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION = 1


class _Utc(TypeDecorator[datetime]):
    """Times go in and come out aware, in UTC, on SQLite as on PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The root of the state's tables."""

    type_annotation_map = {datetime: _Utc(), dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class Meta(Base):
    """One row: which version of these tables this is."""

    __tablename__ = "meta"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]


class SourceRow(Base):
    """One imported file. The content, not the path, is its identity."""

    __tablename__ = "source"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    path: Mapped[str]
    format: Mapped[str]
    head_length: Mapped[int]  # of the first bytes that find a candidate
    head_hash: Mapped[str] = mapped_column(index=True)
    length: Mapped[int]  # decompressed bytes in finished lines
    line: Mapped[int]  # the line after them
    hash: Mapped[str]  # of those bytes
    total_hash: Mapped[str]  # of all bytes, an unfinished last line included
    imported: Mapped[datetime]
    rejected: Mapped[int]
    skipped: Mapped[str] = mapped_column(default="")
    warnings: Mapped[list[str]]


class PartRow(Base):
    """One Parquet file of the lake that counts."""

    __tablename__ = "part"
    path: Mapped[str] = mapped_column(primary_key=True)
    table: Mapped[str] = mapped_column(index=True)
    day: Mapped[str]
    rows: Mapped[int]
    bytes: Mapped[int]
    first: Mapped[datetime | None]
    last: Mapped[datetime | None]
    filled: Mapped[list[str]]
    tail: Mapped[bool]
    sources: Mapped[list[str]]


class AllowRow(Base):
    """One entry of the allow list; acts when findings are viewed."""

    __tablename__ = "allow"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]  # address, cidr, name, pair, detector
    value: Mapped[str]
    reason: Mapped[str]
    created: Mapped[datetime]
    created_by: Mapped[str]
    expires: Mapped[datetime | None]


class RunRow(Base):
    """One hunt: when, with what, and what did not run."""

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    started: Mapped[datetime]
    seconds: Mapped[float]
    settings: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]


class CaseRow(Base):
    """One takedown. What happened in it stands in its chain of evidence; here is what holds now."""

    __tablename__ = "case"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    botnets: Mapped[list[str]]
    opened: Mapped[datetime]
    opened_by: Mapped[str]
    closed: Mapped[datetime | None]
    tlp: Mapped[str]
    approvals: Mapped[int]  # how many different people must approve each act


class AuthorityRow(Base):
    """Why we may act on something: our own network, an agreement, a court's order."""

    __tablename__ = "authority"
    id: Mapped[int] = mapped_column(primary_key=True)
    case: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    covers: Mapped[list[str]]
    reference: Mapped[str]
    file_sha256: Mapped[str]
    added: Mapped[datetime]
    added_by: Mapped[str]
    expires: Mapped[datetime | None]


class ProposalRow(Base):
    """One act that was proposed: what, why, until when, and how it is undone."""

    __tablename__ = "proposal"
    id: Mapped[int] = mapped_column(primary_key=True)
    case: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]  # block, sinkhole, notify, share
    what: Mapped[dict[str, Any]]
    why: Mapped[str]
    created: Mapped[datetime]
    created_by: Mapped[str]
    expires: Mapped[datetime | None]
    state: Mapped[str]  # proposed, done, undone, rejected


class ApprovalRow(Base):
    """One person's yes to one proposal."""

    __tablename__ = "approval"
    id: Mapped[int] = mapped_column(primary_key=True)
    proposal: Mapped[int] = mapped_column(index=True)
    by: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str]
