"""A machine's state as one file, and what differs between two of them, in layers."""

from __future__ import annotations

from sakimori.endpoint.snapshot.diff import compare, diff
from sakimori.endpoint.snapshot.format import read_snapshot, write_snapshot
from sakimori.endpoint.snapshot.model import Record, Snapshot

__all__ = ["Record", "Snapshot", "compare", "diff", "read_snapshot", "write_snapshot"]
