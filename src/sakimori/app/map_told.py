"""A map in tables for a terminal, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.app.telling import Block
from sakimori.hostile import defanged
from sakimori.i18n import Translator
from sakimori.takedown.map import tracing, words
from sakimori.takedown.map.model import value_of
from sakimori.takedown.map.page import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.takedown.map.model import BotnetMap

MOST = 30  # rows of one table; --format json and csv hold all


def tell(drawn: BotnetMap, lang: str, home: str | None = None) -> list[Block]:
    """Return a map as blocks to print: warnings, groups, edges, where it ends, next steps."""
    say = Translator(lang)
    warnings = tuple(
        say.tr("Warning: {warning}", warning=words.told(w, say)) for w in drawn.warnings
    )
    return [
        Block(lines=warnings), *_groups(drawn, say), _notes(drawn, say), _asks(drawn, say, home),
        *_edges(drawn, say),
    ]  # fmt: skip


def _block(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Block:
    """Return a table; terminals make links of URLs, so these are broken."""
    safe = [[defanged(c, 400) if isinstance(c, str) else c for c in row] for row in rows]
    return Block(
        title=title, columns=tuple(columns),
        rows=tuple(dict(zip(columns, row, strict=True)) for row in safe),
    )  # fmt: skip


def _more(say: Translator, count: int) -> list[Block]:
    return [Block(lines=(say.tr("and {count} more", count=count),))] if count > 0 else []


def _groups(drawn: BotnetMap, say: Translator) -> list[Block]:
    ranked = sorted(drawn.groups, key=lambda g: (-g.bots, g.id))
    columns = [say.tr("group"), say.tr("bots"), say.tr("tries in this order"), say.tr("examples")]
    rows = [(value_of(g.id), g.bots, in_order(g, say, 6), g.hosts[:4]) for g in ranked[:MOST]]
    title = say.tr("Bot groups and what they fall back to")
    return [_block(title, columns, rows), *_more(say, len(ranked) - MOST)]


def _edges(drawn: BotnetMap, say: Translator) -> list[Block]:
    relations = words.relations(say)
    edges = [e for e in drawn.edges if e.relation != "is in the zone of"]
    columns = [say.tr("from"), say.tr("relation"), say.tr("to"), say.tr("who says so"),
               say.tr("first seen"), say.tr("last seen"), say.tr("sightings")]  # fmt: skip
    rows = [
        (words.label_of(drawn.nodes[e.source]), relations[e.relation],
         words.label_of(drawn.nodes[e.target]),
         e.sources, e.first_seen, e.last_seen, e.count or None)
        for e in edges[:MOST]
    ]  # fmt: skip
    return [_block(say.tr("Edges"), columns, rows), *_more(say, len(edges) - MOST)]


def _notes(drawn: BotnetMap, say: Translator) -> Block:
    rows = [(value_of(n.node), words.told(n, say)) for n in drawn.notes[:MOST]]
    columns = [say.tr("node"), say.tr("reason")]
    return _block(say.tr("Where the map ends, and why"), columns, rows)


def _asks(drawn: BotnetMap, say: Translator, home: str | None) -> Block:
    asks = tracing.next_steps(drawn, home)[:10]
    columns = [say.tr("step"), say.tr("cost"), say.tr("value")]
    rows = [(tracing.told(a, say), a.cost, round(a.value, 2)) for a in asks]
    return _block(say.tr("Finding who stands behind it: next steps"), columns, rows)
