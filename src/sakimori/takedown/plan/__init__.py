"""Which controllers to cut, so that the most bots are isolated at the least collateral.

A group of bots is isolated when every path it can still take holds a cut resource.
"""

from __future__ import annotations

from sakimori.takedown.plan.gates import Lists
from sakimori.takedown.plan.model import Graph, Group, Later, Limits, Plan, Remains, Resource
from sakimori.takedown.plan.reading import as_object, graph_of
from sakimori.takedown.plan.solve import make_plan

__all__ = [
    "Graph", "Group", "Later", "Limits", "Lists", "Plan", "Remains", "Resource", "as_object",
    "graph_of", "make_plan",
]  # fmt: skip
