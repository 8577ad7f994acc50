"""How large a botnet is, honestly: footprint, daily active and peak at once, each with an interval."""

from __future__ import annotations

from sakimori.takedown.size.estimate import size
from sakimori.takedown.size.model import DEFINITIONS, Churn, Hits, Note, Quantity, Sizing
from sakimori.takedown.size.recapture import chao_one, chao_two, chapman

__all__ = [
    "DEFINITIONS", "Churn", "Hits", "Note", "Quantity", "Sizing", "chao_one", "chao_two", "chapman",
    "size",
]  # fmt: skip
