"""A map as one HTML page: the picture, and beside it the tables that back it.

Static: no script, no link, nothing fetched; a content policy in the page forbids all of it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sakimori.takedown.map import tracing, words
from sakimori.takedown.map.draw import safe, svg
from sakimori.takedown.map.model import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.i18n import Translator
    from sakimori.takedown.map.model import BotnetMap, Group, Step
    from sakimori.takedown.map.tracing import Ask

MOST_ROWS = 2000
_STYLE = (
    "body{font:14px/1.5 'Noto Sans','Noto Sans CJK JP','Hiragino Sans','Yu Gothic',Meiryo,sans-serif;"
    "margin:16px;color:#1b1b1b;background:#fff}.p{overflow:auto;border:1px solid #ddd}.p svg{max-width:100%;height:auto}"
    "table{border-collapse:collapse;margin:8px 0 24px}td,th{padding:3px 10px;text-align:left;"
    "border-bottom:1px solid #e4e4e4;vertical-align:top;overflow-wrap:anywhere}th{background:#f4f4f4;white-space:nowrap}"
    "td.n{text-align:right}h2{font-size:16px;margin:20px 0 4px}.w{border-left:4px solid #D55E00;"
    "padding-left:8px}"
)


def html(botnets: BotnetMap, say: Translator, title: str = "", home: str | None = None) -> str:
    """Return the page. `home`: our country, for what asking costs."""
    head = say.tr("Map of botnet {botnet}", botnet=title or "-")
    parts = [
        "<!doctype html>",
        f'<html lang="{say.lang}"><head><meta charset="utf-8">',
        (
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
            " style-src 'unsafe-inline'\">"
        ),
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{safe(head)}</title><style>{_STYLE}</style></head><body>",
        *(f'<p class="w">{safe(words.told(w, say))}</p>' for w in botnets.warnings),
        f'<div class="p">{svg(botnets, say, title)}</div>',
        _groups(botnets, say),
        _notes(botnets, say),
        _asks(tracing.next_steps(botnets, home), say),
        _edges(botnets, say),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _table(
    head: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], say: Translator
) -> str:
    if not rows:
        return ""
    lines = [f"<h2>{safe(head)}</h2>", "<table><thead><tr>"]
    lines += [f"<th>{safe(column)}</th>" for column in columns]
    lines.append("</tr></thead><tbody>")
    for row in rows[:MOST_ROWS]:
        lines.append("<tr>" + "".join(_cell(value) for value in row) + "</tr>")
    lines.append("</tbody></table>")
    if len(rows) > MOST_ROWS:
        lines.append(f"<p>{safe(say.tr('and {count} more', count=len(rows) - MOST_ROWS))}</p>")
    return "".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    if hasattr(value, "strftime"):
        return f"<td>{value:%Y-%m-%d %H:%M}</td>"
    return f"<td>{safe(str(value) if value is not None else '')}</td>"


def _groups(botnets: BotnetMap, say: Translator) -> str:
    ranked = sorted(botnets.groups, key=lambda g: (-g.bots, g.id))
    rows = [(value_of(g.id), g.bots, in_order(g, say), ", ".join(g.hosts[:6])) for g in ranked]
    columns = [say.tr("group"), say.tr("bots"), say.tr("tries in this order"), say.tr("examples")]
    return _table(say.tr("Bot groups and what they fall back to"), columns, rows, say)


def in_order(group: Group, say: Translator, most: int = 12) -> str:
    """Return a group's fallback order in one line; days of generated names that follow as one."""
    told: list[str] = []
    for generated, steps in groupby(group.order, lambda step: step.kind == "dga-day"):
        its = list(steps)
        told += [_generated(its, say)] if generated else [_step(step, say) for step in its]
    if len(told) > most:
        told[most:] = [say.tr("and {count} more", count=len(told) - most)]
    return " → ".join(told)


def _generated(steps: list[Step], say: Translator) -> str:
    days = sorted(step.date for step in steps if step.date)
    count = sum(len(step.targets) for step in steps)
    if days[0] == days[-1]:
        return say.tr("generated names of {date}: {count}", date=days[0], count=count)
    return say.tr(
        "generated names of {first} to {last}: {count}", first=days[0], last=days[-1], count=count
    )


def _step(step: Step, say: Translator) -> str:
    return value_of(step.targets[0]) if step.targets else say.tr("ways that are not known")


def _edges(botnets: BotnetMap, say: Translator) -> str:
    relations = words.relations(say)
    rows = [
        (words.label_of(botnets.nodes[e.source]), relations[e.relation],
         words.label_of(botnets.nodes[e.target]),
         ", ".join(e.sources), e.first_seen, e.last_seen, e.count or None)
        for e in botnets.edges
    ]  # fmt: skip
    columns = [
        say.tr("from"), say.tr("relation"), say.tr("to"), say.tr("who says so"),
        say.tr("first seen"), say.tr("last seen"), say.tr("sightings"),
    ]  # fmt: skip
    return _table(say.tr("Edges"), columns, rows, say)


def _notes(botnets: BotnetMap, say: Translator) -> str:
    rows = [(value_of(n.node), words.told(n, say)) for n in botnets.notes]
    columns = [say.tr("node"), say.tr("reason")]
    return _table(say.tr("Where the map ends, and why"), columns, rows, say)


def _asks(asks: Iterable[Ask], say: Translator) -> str:
    rows = [(tracing.told(a, say), a.cost, round(a.value, 2)) for a in asks]
    columns = [say.tr("step"), say.tr("cost"), say.tr("value")]
    return _table(say.tr("Finding who stands behind it: next steps"), columns, rows, say)
