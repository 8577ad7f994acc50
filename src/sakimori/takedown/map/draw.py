"""A map as a picture: one static SVG, no script, no link, nothing fetched.

Labels are made by attackers: control and direction marks are shown, not obeyed, and everything is
escaped. The full text of a cut label and who says what stands in a box's or line's tooltip.
Colours: Okabe and Ito's, which colour-blind readers tell apart.
"""

from __future__ import annotations

import math
import unicodedata
from html import escape
from typing import TYPE_CHECKING, Any

from sakimori.hostile import defanged
from sakimori.takedown.map import words
from sakimori.takedown.map.layout import BOX, MARGIN, WIDTH, lay_out
from sakimori.takedown.map.model import CONTROLLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sakimori.i18n import Translator
    from sakimori.takedown.map.layout import Box, Heading, Layout, Link
    from sakimori.takedown.map.model import BotnetMap, Edge, Node

LABEL = 27  # widths of a Latin letter that fit into a box
COLOURS: Mapping[str, str] = {
    "group": "#0072B2", "family": "#0072B2", "controller_name": "#D55E00", "controller_address": "#D55E00",
    "peer": "#D55E00", "url": "#D55E00", "dead_drop": "#E69F00", "dga_day": "#E69F00",
    "name": "#7A7A7A", "address": "#7A7A7A", "country": "#CC79A7", "upstream": "#009E73",
}  # fmt: skip
_OTHER = "#009E73"
_STYLE = (
    "text{font:12px 'Noto Sans','Noto Sans CJK JP','Hiragino Sans','Yu Gothic',Meiryo,sans-serif;"
    "fill:#1b1b1b}.h{font-size:11px;font-weight:600;fill:#555;paint-order:stroke;stroke:#fff;stroke-width:4px}.t{font-size:16px;font-weight:600}"
    ".s{fill:#555}.b{fill:#fff;stroke-width:1.2}.l{fill:none;stroke:#8a8a8a;stroke-opacity:.55}"
    ".c{stroke:#D55E00;stroke-opacity:.5}.f{stroke-dasharray:5 4;stroke:#E69F00;stroke-opacity:.6}"
    ".m{font-style:italic;fill:#555}.k{stroke-dasharray:3 3}"
)


def svg(botnets: BotnetMap, say: Translator, title: str = "", most: int = 12) -> str:
    """Return the picture. `title`: of whom; `most`: boxes of one kind, the others become one."""
    layout = lay_out(botnets, most)
    stops = {note.node: words.told(note, say) for note in botnets.notes}
    kinds, relations = words.kinds(say), words.relations(say)
    width, height = f"{layout.width:g}", f"{layout.height:g}"
    head = _title(botnets, say, title)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img" aria-label="{safe(head[0])}"'
            f' lang="{say.lang}">'
        ),
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="t" x="{MARGIN}" y="28">{safe(head[0])}</text>',
        f'<text class="s" x="{MARGIN}" y="48">{safe(head[1])}</text>',
        *(_link(layout, link, botnets, relations) for link in layout.links),
        *(_heading(one, kinds) for one in layout.headings),
        *(_box(box, botnets, stops, say) for box in layout.boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts)


def _title(botnets: BotnetMap, say: Translator, title: str) -> tuple[str, str]:
    controllers = sum(node.kind in CONTROLLERS for node in botnets.nodes.values())
    head = say.tr("Map of botnet {botnet}", botnet=title or "-")
    told = say.tr(
        "bots: {bots}, groups: {groups}, controllers: {controllers}; dashed: fallback; bar at the"
        " right edge: not followed beyond",
        bots=sum(g.bots for g in botnets.groups), groups=len(botnets.groups),
        controllers=controllers,
    )  # fmt: skip
    return head, told


def safe(text: str) -> str:
    """Return hostile text for SVG and HTML: visible, no live link, escaped, no lone surrogates."""
    return escape(defanged(text, 2000).encode("utf-8", "replace").decode("utf-8"))


def cut(text: str, limit: int = LABEL) -> str:
    """Return `text` made visible and cut to so many widths of a Latin letter; its end stays.

    Names and addresses differ at their ends as often as at their begins, so the middle goes.
    """
    shown = defanged(text, 2000)
    if _wide(shown) <= limit:
        return shown
    head, tail = shown[: limit // 2], ""
    while _wide(head) > limit // 2:
        head = head[:-1]
    for char in reversed(shown):
        if _wide(head) + _wide(tail) + _wide(char) + 1 > limit:
            break
        tail = char + tail
    return f"{head}…{tail}"


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _heading(one: Heading, kinds: Mapping[str, str]) -> str:
    words_of = f"{kinds[one.kind]} · {one.count:,}" if one.count > 1 else kinds[one.kind]
    return f'<text class="h" x="{one.x:g}" y="{one.y + 15:g}">{safe(words_of)}</text>'


def _box(box: Box, botnets: BotnetMap, stops: Mapping[str, str], say: Translator) -> str:
    colour = COLOURS.get(box.kind, _OTHER)
    node = botnets.nodes.get(box.node)
    sunk = node is not None and bool(node.attributes.get("sinkhole"))
    label = cut(node.label) if node else say.tr("and {count} more", count=box.more)
    if node and sunk:
        mark = say.tr(" (sinkhole)")
        label = cut(node.label, LABEL - _wide(mark)) + mark
    style = "b k" if sunk or node is None else "b"
    stop = stops.get(box.node, "")
    bar = (
        f'<rect x="{box.x + WIDTH - 4:g}" y="{box.y:g}" width="4" height="{BOX}" fill="{colour}"/>'
        if stop else ""
    )  # fmt: skip
    told = "\n".join([label if node is None else _tip(node), *([stop] if stop else [])])
    return (
        f'<g><title>{_lines(told)}</title><rect class="{style}" x="{box.x:g}" y="{box.y:g}"'
        f' width="{WIDTH}" height="{BOX}" rx="4" stroke="{colour}"/>{bar}'
        f'<text class="{"m" if node is None else "n"}" x="{box.x + 8:g}" y="{box.y + 14:g}">'
        f"{safe(label)}</text></g>"
    )


def _tip(node: Node) -> str:
    facts = [f"{key}: {_plain(value)}" for key, value in sorted(node.attributes.items())]
    return "\n".join([node.label, *facts])


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(str(one) for one in value)
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def _lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.split("\n"))


def _link(layout: Layout, link: Link, botnets: BotnetMap, relations: Mapping[str, str]) -> str:
    left, right = layout.boxes[link.source], layout.boxes[link.target]
    calls = any(edge.relation == "calls" for edge in link.edges)
    style = "l f" if link.fallback else "l c" if calls else "l"
    bots = sum(_weight(e, botnets) for e in link.edges)
    size = 1.0 if link.fallback else min(3.0, 1 + math.log10(1 + bots) / 3)
    return (
        f'<path class="{style}" stroke-width="{size:.2g}" d="{_curve(left, right)}">'
        f"<title>{_lines(_edges_told(link.edges, botnets, relations))}</title></path>"
    )


def _weight(edge: Edge, botnets: BotnetMap) -> float:
    return float(botnets.nodes[edge.source].attributes.get("bots") or 1)


def _curve(left: Box, right: Box) -> str:
    """Return a line from box to box; within a column it bows out to the right."""
    y1, y2 = left.y + BOX / 2, right.y + BOX / 2
    if left.x == right.x:
        x = left.x + WIDTH
        return f"M{x:g},{y1:g}C{x + 46:g},{y1:g} {x + 46:g},{y2:g} {x:g},{y2:g}"
    x1, x2 = (left.x + WIDTH, right.x) if left.x < right.x else (left.x, right.x + WIDTH)
    bend = (x2 - x1) / 2
    return f"M{x1:g},{y1:g}C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"


def _edges_told(
    edges: Iterable[Edge], botnets: BotnetMap, relations: Mapping[str, str], most: int = 5
) -> str:
    its = list(edges)
    lines = [
        f"{botnets.nodes[e.source].label} — {relations[e.relation]} — {botnets.nodes[e.target].label}"
        f" ({', '.join(e.sources)})"
        for e in its[:most]
    ]
    return "\n".join([*lines, *(["…"] if len(its) > most else [])])
