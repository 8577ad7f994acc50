"""A map while it is drawn: the only changeable value here, never given to callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sakimori.takedown.map.model import KINDS, BotnetMap, Edge, Group, Node, Note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_PLAIN = frozenset(
    {"name", "address"}
)  # kinds that say only what a node is, not what part it plays
_RANK = {kind: at for at, kind in enumerate(KINDS)}


@dataclass(slots=True)
class _Line:
    """An edge whose sightings are being added up."""

    sources: set[str]
    first: datetime | None
    last: datetime | None
    count: int


@dataclass(slots=True)
class Draft:
    """Nodes and edges by key; the same edge from two sources becomes one with both named."""

    kinds: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[tuple[str, str, str], _Line] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    notes: dict[tuple[str, str], Note] = field(default_factory=dict)
    warnings: dict[str, Note] = field(default_factory=dict)
    taken: set[object] = field(default_factory=set)  # records met: from both ends, counted once

    def node(self, name: str, kind: str, label: str = "", **facts: Any) -> None:
        """Add a node, or what is new about one. A part it plays outweighs what it is."""
        known = self.kinds.get(name)
        if known is None or (known in _PLAIN and kind not in _PLAIN):
            self.kinds[name] = kind
        self.labels.setdefault(name, label or name.partition(":")[2])
        given = {k: v for k, v in facts.items() if v is not None}
        if given:
            self.facts.setdefault(name, {}).update(given)

    def edge(self, key: tuple[str, str, str], source: str, seen: Seen | None = None) -> None:
        """Add an edge (source, target, relation), or a further source and time of one."""
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = _Line(set(), None, None, 0)
        line.sources.add(source)
        if seen is not None:
            line.first = _least(line.first, seen.first)
            line.last = _most(line.last, seen.last)
            line.count += seen.count

    def note(self, node: str, reason: str, **values: Any) -> None:
        """Say where the map ends and why; the first of a kind about a node stands."""
        self.notes.setdefault((node, reason), Note(node, reason, MappingProxyType(values)))

    def warn(self, reason: str, **values: Any) -> None:
        """Say what makes the map less than it seems."""
        self.warnings[f"{reason} {sorted(values.items())}"] = Note(
            "", reason, MappingProxyType(values)
        )

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the ids of nodes of these kinds, in the order they came."""
        return [name for name, kind in self.kinds.items() if kind in kinds]

    def finished(self) -> BotnetMap:
        """Return it as a value, nodes by kind and label, edges by their ends."""
        order = sorted(self.kinds, key=lambda n: (_RANK[self.kinds[n]], self.labels[n], n))
        nodes = {name: self._node(name) for name in order}
        edges = tuple(self._edges())
        return BotnetMap(
            tuple(self.groups), MappingProxyType(nodes), edges, tuple(self.notes.values()),
            tuple(self.warnings.values()),
        )  # fmt: skip

    def _node(self, name: str) -> Node:
        facts = MappingProxyType(self.facts.get(name, {}))
        return Node(name, self.kinds[name], self.labels[name], facts)

    def _edges(self) -> Iterable[Edge]:
        for (source, target, relation), line in sorted(
            self.lines.items(), key=lambda item: item[0]
        ):
            yield Edge(
                source, target, relation, tuple(sorted(line.sources)), line.first, line.last,
                line.count,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """First and last sighting, and how many."""

    first: datetime | None = None
    last: datetime | None = None
    count: int = 0


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None else one if other is None else min(one, other)


def _most(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None else one if other is None else max(one, other)
