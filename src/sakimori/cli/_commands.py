"""Importing this registers every command. One line per file."""

from __future__ import annotations

from sakimori.cli import (
    allow,
    effect,
    explain,
    hunt,
    intel,
    lake,
    simulate,
    survival,
    tables,
    views,
)

__all__ = [
    "allow",
    "effect",
    "explain",
    "hunt",
    "intel",
    "lake",
    "simulate",
    "survival",
    "tables",
    "views",
]
