"""What people and machines change: imported sources, parts of the lake, allow lists, runs."""

from __future__ import annotations

from sakimori.state.models import PartRow
from sakimori.state.store import AllowEntry, RunRecord, SourceRecord, Store

__all__ = ["AllowEntry", "PartRow", "RunRecord", "SourceRecord", "Store"]
