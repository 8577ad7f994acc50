"""Importing this registers every command. One line per file."""

from __future__ import annotations

from sakimori.cli import allow, events, explain, hunt, intel, lake, simulate, tables, views

__all__ = ["allow", "events", "explain", "hunt", "intel", "lake", "simulate", "tables", "views"]
