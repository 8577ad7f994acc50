"""Which records start by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sakimori.endpoint.snapshot.model import Record


def is_autorun(record: Record) -> bool:
    """Whether what a record describes is run without anybody asking for it."""
    return record.object == "job"
