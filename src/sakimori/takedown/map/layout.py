"""Where each box of the picture stands: columns from the bots outwards, few boxes a kind. Pure.

Layers are given by what a node is, so no general graph layout is needed: bots, controllers, what
is related, what it hangs on, whose law. In a column each kind has a section; the order within one
follows the neighbours to the left, twice forth and back (barycentre method: Sugiyama, Tagawa,
Toda 1981). Of a kind with more than `most` nodes the best joined are shown and the others become one
box with their number, so that hundreds of nodes stay readable and none is left out of the count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sakimori.takedown.map.model import BotnetMap, Edge, Node

COLUMNS = (
    ("group", "family"),
    ("controller_name", "controller_address", "peer", "url", "dead_drop", "dga_day"),
    ("name", "address"),
    ("cert", "ja3s", "ja4s", "ja4", "uri", "name_server", "registrar", "registrant", "registry",
     "hosting", "asn"),
    ("upstream", "country"),
)  # fmt: skip
WIDTH, GAP, ROW, HEAD, TOP, MARGIN = 216, 92, 26, 24, 64, 24
BOX = 20  # height of a box in its row


@dataclass(frozen=True, slots=True)
class Box:
    """One box: a node, or `more` of a kind's nodes together (`node` is then empty)."""

    id: str
    kind: str
    x: float
    y: float
    node: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """All edges between two boxes: their number, whether one is a fallback, and the edges."""

    source: str
    target: str
    fallback: bool
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's heading."""

    kind: str
    count: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture, in pixels."""

    boxes: Mapping[str, Box]
    links: tuple[Link, ...]
    headings: tuple[Heading, ...]
    width: float
    height: float


def lay_out(botnets: BotnetMap, most: int = 12) -> Layout:
    """Return where everything stands. `most`: boxes of one kind.

    A name's registry and country are left out where its registrar is drawn: the tables have them.
    """
    botnets = _plainer(botnets)
    shown = _chosen(botnets, most)
    links = _links(botnets.edges, shown)
    columns = [c for c in (_column(kinds, botnets, shown) for kinds in COLUMNS) if c]
    for _ in range(2):
        _ordered(columns, links)
        _ordered(columns[::-1], links)
    return _placed(columns, links, botnets)


def _plainer(botnets: BotnetMap) -> BotnetMap:
    """Return the map without edges that say little, and without what then hangs on nothing."""
    locked = {e.source for e in botnets.edges if e.relation == "is registered through"}
    edges = tuple(
        e
        for e in botnets.edges
        if not (e.source in locked and e.relation in ("is in the zone of", "is in"))
    )
    joined = {end for e in edges for end in (e.source, e.target)}
    nodes = {
        name: node
        for name, node in botnets.nodes.items()
        if name in joined or node.kind not in ("registry", "country")
    }
    return replace(botnets, nodes=nodes, edges=edges)


_Section = tuple[str, list[str]]  # kind, ids of its boxes


def _chosen(botnets: BotnetMap, most: int) -> dict[str, str]:
    """Return the box of each node: its own, or its kind's box of the others."""
    degree: Counter[str] = Counter()
    for edge in botnets.edges:
        degree.update((edge.source, edge.target))
    of_kind: defaultdict[str, list[Node]] = defaultdict(list)
    for node in botnets.nodes.values():
        of_kind[node.kind].append(node)
    shown: dict[str, str] = {}
    for kind, nodes in of_kind.items():
        ranked = sorted(nodes, key=lambda n: (-_size(n), -degree[n.id], n.label))
        # One more fits where the box of the others would stand.
        kept = most if len(nodes) > most + 1 else len(nodes)
        shown.update({n.id: n.id if at < kept else f"more:{kind}" for at, n in enumerate(ranked)})
    return shown


def _size(node: Node) -> float:
    return float(node.attributes.get("bots") or node.attributes.get("score") or 0)


def _links(edges: Iterable[Edge], shown: Mapping[str, str]) -> tuple[Link, ...]:
    between: defaultdict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in edges:
        between[shown[edge.source], shown[edge.target]].append(edge)
    return tuple(
        Link(source, target, all(e.relation == "falls back to" for e in its), tuple(its))
        for (source, target), its in sorted(between.items())
        if source != target
    )


def _column(kinds: Sequence[str], botnets: BotnetMap, shown: Mapping[str, str]) -> list[_Section]:
    sections: dict[str, list[str]] = {kind: [] for kind in kinds}
    for node in botnets.nodes.values():
        if node.kind in sections and shown[node.id] not in sections[node.kind]:
            sections[node.kind].append(shown[node.id])
    return [(kind, ids) for kind, ids in sections.items() if ids]


def _ordered(columns: Sequence[list[_Section]], links: Iterable[Link]) -> None:
    """Sort each section by the mean place of its neighbours in the columns before; in place."""
    beside: defaultdict[str, list[str]] = defaultdict(list)
    for link in links:
        beside[link.source].append(link.target)
        beside[link.target].append(link.source)
    places: dict[str, float] = {}
    for column in columns:
        for _, ids in column:
            mean = {
                box: sum(its) / len(its) if (its := [places[b] for b in beside[box] if b in places])
                else 0.5
                for box in ids
            }  # fmt: skip
            ids.sort(key=lambda box: (box.startswith("more:"), mean[box], box))
        boxes = [box for _, ids in column for box in ids]
        places.update({box: at / max(1, len(boxes) - 1) for at, box in enumerate(boxes)})


def _placed(
    columns: Sequence[list[_Section]], links: tuple[Link, ...], botnets: BotnetMap
) -> Layout:
    counts = Counter(node.kind for node in botnets.nodes.values())
    tall = max((_height(c) for c in columns), default=0)
    boxes: dict[str, Box] = {}
    headings: list[Heading] = []
    for at, column in enumerate(columns):
        x = MARGIN + at * (WIDTH + GAP)
        y = TOP + (tall - _height(column)) / 2
        for kind, ids in column:
            headings.append(Heading(kind, counts[kind], x, y))
            y += HEAD
            for box in ids:
                is_node = box in botnets.nodes
                more = 0 if is_node else counts[kind] - (len(ids) - 1)
                boxes[box] = Box(box, kind, x, y, box if is_node else "", more)
                y += ROW
    width = 2 * MARGIN + len(columns) * WIDTH + max(0, len(columns) - 1) * GAP
    return Layout(boxes, links, tuple(headings), max(width, 480), TOP + tall + MARGIN + 16)


def _height(column: list[_Section]) -> float:
    return sum(HEAD + len(ids) * ROW for _, ids in column)
