"""Cases, their authorities, proposals and approvals in the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from sakimori.errors import SourceError
from sakimori.state.models import ApprovalRow, AuthorityRow, CaseRow, ProposalRow
from sakimori.state.store import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sakimori.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One takedown; see `CaseRow`."""

    name: str
    botnets: list[str]
    opened: datetime
    opened_by: str
    closed: datetime | None
    tlp: str
    approvals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Why we may act. `kind`: own-network, agreement or court-order.

    `covers` holds names (with those below them), addresses, CIDRs, or "*" for all of the case.
    """

    id: int = 0
    case: str
    kind: str
    covers: list[str]
    reference: str
    file_sha256: str
    added: datetime
    added_by: str
    expires: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposed act; `what` is made of plain JSON values."""

    id: int = 0
    case: str
    kind: str
    what: dict[str, Any]
    why: str
    created: datetime
    created_by: str
    expires: datetime | None
    state: str = "proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's yes."""

    id: int = 0
    proposal: int
    by: str
    at: datetime
    note: str


class Cases:
    """The cases of a workspace. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        """Use the workspace's database."""
        self._store = store

    def add(self, case: CaseRecord) -> None:
        """Open a case. Raises SourceError when there is one of that name."""
        with self._store.session() as session:
            if session.get(CaseRow, case.name) is not None:
                raise SourceError("there is a case of this name", where=case.name,
                                  hint="choose another name, or see `sakimori case list`")  # fmt: skip
            session.add(CaseRow(**values_of(case)))

    def all(self) -> list[CaseRecord]:
        """Return every case, oldest first."""
        with self._store.session() as session:
            rows = session.scalars(select(CaseRow).order_by(CaseRow.opened, CaseRow.name))
            return [CaseRecord(**values_of(row)) for row in rows]

    def get(self, name: str) -> CaseRecord:
        """Return a case. Raises SourceError when there is none of that name."""
        with self._store.session() as session:
            row = session.get(CaseRow, name)
            if row is None:
                raise SourceError("there is no case of this name", where=name,
                                  hint="see `sakimori case list`, or open one")  # fmt: skip
            return CaseRecord(**values_of(row))

    def close(self, name: str, at: datetime) -> None:
        """Mark a case as closed."""
        with self._store.session() as session:
            row = session.get(CaseRow, name)
            if row is not None:
                row.closed = at

    def authorise(self, authority: Authority) -> int:
        """Keep an authority; returns its id."""
        with self._store.session() as session:
            row = AuthorityRow(**{**values_of(authority), "id": None})
            session.add(row)
            session.flush()
            return row.id

    def authorities(self, case: str) -> list[Authority]:
        """Return a case's authorities, expired ones too."""
        with self._store.session() as session:
            rows = session.scalars(
                select(AuthorityRow).where(AuthorityRow.case == case).order_by(AuthorityRow.id)
            )
            return [Authority(**values_of(row)) for row in rows]

    def propose(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Keep proposals, all or none; returns them with their ids."""
        with self._store.session() as session:
            rows = [ProposalRow(**{**values_of(p), "id": None}) for p in proposals]
            session.add_all(rows)
            session.flush()
            return [Proposal(**values_of(row)) for row in rows]

    def proposals(self, case: str) -> list[Proposal]:
        """Return a case's proposals, oldest first."""
        with self._store.session() as session:
            rows = session.scalars(
                select(ProposalRow).where(ProposalRow.case == case).order_by(ProposalRow.id)
            )
            return [Proposal(**values_of(row)) for row in rows]

    def mark(self, ids: Sequence[int], state: str) -> None:
        """Give proposals a state."""
        with self._store.session() as session:
            for row in session.scalars(select(ProposalRow).where(ProposalRow.id.in_(ids))):
                row.state = state

    def approve(self, approvals: Sequence[Approval]) -> None:
        """Keep approvals, all or none."""
        with self._store.session() as session:
            session.add_all(ApprovalRow(**{**values_of(a), "id": None}) for a in approvals)

    def approvals(self, case: str) -> list[Approval]:
        """Return the approvals of a case's proposals."""
        with self._store.session() as session:
            of_case = select(ProposalRow.id).where(ProposalRow.case == case)
            rows = session.scalars(
                select(ApprovalRow)
                .where(ApprovalRow.proposal.in_(of_case))
                .order_by(ApprovalRow.id)
            )
            return [Approval(**values_of(row)) for row in rows]
