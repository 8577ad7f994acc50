"""Who said yes, to what. Nothing leaves without one."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's or policy's yes to one proposal: to these messages and no others."""

    by: str
    at: datetime
    proposal: str  # `proposal_of` the messages that were shown
    expires: datetime | None = None


def proposal_of(digests: Iterable[str]) -> str:
    """Return 64 hex digits that name exactly this set of messages."""
    return sha256("\n".join(sorted(set(digests))).encode()).hexdigest()


def check(approval: Approval | None, digests: Iterable[str], now: datetime) -> Approval:
    """Return the approval if it covers these messages now. Raises RefusedError otherwise."""
    if approval is None or not approval.by.strip():
        raise RefusedError("nobody approved these messages", hint="name who did: --approved-by")
    if approval.expires is not None and now >= approval.expires:
        raise RefusedError(f"the approval by {approval.by} expired at {approval.expires}")
    if approval.proposal != proposal_of(digests):
        raise RefusedError(
            f"{approval.by} approved other messages than these",
            hint="look at the messages in the outbox and approve these",
        )
    return approval
