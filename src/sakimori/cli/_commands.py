"""Importing this registers every command. One line per file."""

from __future__ import annotations

from sakimori.cli import allow, explain, hunt, intel, lake, simulate, size, tables, views

__all__ = ["allow", "explain", "hunt", "intel", "lake", "simulate", "size", "tables", "views"]
