"""One row on a run of cleaning, for infection rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.machine_cleaning import Cleaned, Looked
    from sakimori.config import Machine


def add(path: Path, machine: Machine, looked: Looked, cleaned: Cleaned | None) -> None:
    """Add a row."""
    raise NotImplementedError
