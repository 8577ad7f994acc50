"""Importing this registers every command. One line per file."""

from __future__ import annotations

from sakimori.cli import (
    allow,
    block,
    botnets,
    case,
    case_acts,
    effect,
    evidence,
    explain,
    export,
    hunt,
    intel,
    lake,
    letter,
    notify,
    plan,
    simulate,
    sinkhole,
    survival,
    tables,
    views,
)

__all__ = [
    "allow",
    "block",
    "botnets",
    "case",
    "case_acts",
    "effect",
    "evidence",
    "explain",
    "export",
    "hunt",
    "intel",
    "lake",
    "letter",
    "notify",
    "plan",
    "simulate",
    "sinkhole",
    "survival",
    "tables",
    "views",
]
from sakimori.cli import size

__all__ = ["allow", "explain", "hunt", "intel", "lake", "simulate", "size", "tables", "views"]
from sakimori.cli import events

__all__ = ["allow", "events", "explain", "hunt", "intel", "lake", "simulate", "tables", "views"]
