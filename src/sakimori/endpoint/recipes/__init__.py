"""Recipes that undo a family: data that says what is bad, and what to put back.

found = find([load(path)], system)                       # a dry run: changes nothing
Journal(folder).begin(Plan(...))                         # what a person approved
Cleaner(system, keeper).carry_out(journal, now)          # does it; again after a crash: goes on
Cleaner(system, keeper).undo(journal, now)               # puts back what was there
"""

from __future__ import annotations

from sakimori.endpoint.recipes.cleaner import Cleaner, Outcome, Undone
from sakimori.endpoint.recipes.find import Found, find
from sakimori.endpoint.recipes.findings import Finding, Unseen
from sakimori.endpoint.recipes.journal import Journal, Plan, Progress
from sakimori.endpoint.recipes.load import load, parse, read_bytes
from sakimori.endpoint.recipes.model import Recipe
from sakimori.endpoint.recipes.system import Keeper, System
from sakimori.endpoint.recipes.tree import Tree

__all__ = [
    "Cleaner",
    "Finding",
    "Found",
    "Journal",
    "Keeper",
    "Outcome",
    "Plan",
    "Progress",
    "Recipe",
    "System",
    "Tree",
    "Undone",
    "Unseen",
    "find",
    "load",
    "parse",
    "read_bytes",
]
