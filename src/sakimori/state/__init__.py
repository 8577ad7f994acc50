"""What people and machines change: imported sources, parts of the lake, allow lists, runs."""

from __future__ import annotations

from sakimori.state.cases import Approval, Authority, CaseRecord, Cases, Proposal
from sakimori.state.models import PartRow
from sakimori.state.store import AllowEntry, RunRecord, SourceRecord, Store

__all__ = [
    "AllowEntry", "Approval", "Authority", "CaseRecord", "Cases", "PartRow", "Proposal",
    "RunRecord", "SourceRecord", "Store",
]  # fmt: skip
