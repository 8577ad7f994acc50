"""Importing this registers every command. One line per file."""

from __future__ import annotations

from sakimori.cli import (
    allow,
    block,
    case,
    explain,
    hunt,
    intel,
    lake,
    letter,
    notify,
    plan,
    simulate,
    tables,
    views,
)

__all__ = [
    "allow",
    "block",
    "case",
    "explain",
    "hunt",
    "intel",
    "lake",
    "letter",
    "notify",
    "plan",
    "simulate",
    "tables",
    "views",
]
from sakimori.cli import allow, evidence, explain, hunt, intel, lake, simulate, tables, views

__all__ = ["allow", "evidence", "explain", "hunt", "intel", "lake", "simulate", "tables", "views"]
from sakimori.cli import allow, botnets, explain, hunt, intel, lake, simulate, tables, views

__all__ = ["allow", "botnets", "explain", "hunt", "intel", "lake", "simulate", "tables", "views"]
from sakimori.cli import allow, effect, explain, hunt, intel, lake, simulate, tables, views

__all__ = ["allow", "effect", "explain", "hunt", "intel", "lake", "simulate", "tables", "views"]
from sakimori.cli import allow, explain, hunt, intel, lake, simulate, sinkhole, tables, views

__all__ = ["allow", "explain", "hunt", "intel", "lake", "simulate", "sinkhole", "tables", "views"]
