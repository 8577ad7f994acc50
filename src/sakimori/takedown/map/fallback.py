"""What bots try next: an analyst's list of servers, domain-generator days, peers and dead drops.

CSV with the columns botnet,order,kind,value[,date], or a JSON list of such objects. `botnet` "*"
or empty: every botnet on the map. Kinds: server, dga-day, peer, dead-drop. `order` counts from 1;
lines of one order are tried alike. `date` (YYYY-MM-DD) is the day a value is used on; a dga-day
needs one. The list is the analyst's, from the malware's configuration or its reimplemented
generator: nothing is generated here.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.intel import Refusal, normalise
from sakimori.takedown.map.build import GENERATOR, NOTHING_KNOWN, PEERS, controller_kind
from sakimori.takedown.map.model import Step, Way, node_id, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sakimori.takedown.map._draft import Draft
    from sakimori.takedown.map.model import Group

KINDS = ("server", "dga-day", "peer", "dead-drop")
COLUMNS = ("botnet", "order", "kind", "value", "date")
_EVERY = ("", "*")


def parse_ways(text: str, where: str) -> list[Way]:
    """Return the lines of a list, CSV or JSON. Raises SourceError with `where:line` for a bad one."""
    ways = [_way(row, f"{where}:{line}", where) for line, row in _rows(text, where)]
    if not ways:
        raise SourceError("holds no line", where=where, hint=f"columns: {','.join(COLUMNS)}")
    return ways


def _rows(text: str, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if text.lstrip().startswith(("[", "{")):
        yield from _json_rows(text, where)
        return
    reader = csv.DictReader(text.splitlines())
    try:
        known = [c.strip().lower() for c in reader.fieldnames or ()]
        if missing := [c for c in COLUMNS[:4] if c not in known]:
            raise SourceError(
                f"lacks the columns {', '.join(missing)}", where=f"{where}:1",
                hint=f"the first line must be: {','.join(COLUMNS)}",
            )  # fmt: skip
        reader.fieldnames = known
        for row in reader:
            if any(isinstance(v, str) and v.strip() for v in row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        raise SourceError(f"is no CSV: {error}", where=f"{where}:{reader.line_num}") from error


def _json_rows(text: str, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise SourceError(f"is no JSON: {error}", where=f"{where}:{line}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(
            "is no JSON list of objects", where=where, hint=f"keys: {', '.join(COLUMNS)}"
        )
    yield from enumerate(rows, 1)


def _way(row: Mapping[str, Any], where: str, source: str) -> Way:
    cells = {c: str(row.get(c) if row.get(c) is not None else "").strip() for c in COLUMNS}
    if cells["kind"] not in KINDS:
        raise SourceError(f"no kind is named {cells['kind']!r}", where=where, hint=", ".join(KINDS))
    order = cells["order"]
    if not (order.isascii() and order.isdecimal() and 1 <= int(order) <= 1_000_000):
        raise SourceError(f"order is {order!r}, not 1, 2, 3, ...", where=where)
    value = normalise(None, cells["value"])
    if isinstance(value, Refusal) or value.kind not in ("address", "name", "url"):
        reason = value.reason if isinstance(value, Refusal) else f"it is a {value.kind}"
        raise SourceError(f"{cells['value']!r} is no address, name or URL: {reason}", where=where)
    day = _date(cells["date"], where)
    if cells["kind"] == "dga-day" and day is None:
        raise SourceError("a dga-day needs its date", where=where, hint="such as 2026-03-09")
    return Way(cells["botnet"], int(order), cells["kind"], value.value, day, source)


def _date(text: str, where: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise SourceError(f"{text!r} is no date", where=where, hint="YYYY-MM-DD") from error


def with_orders(draft: Draft, ways: Iterable[Way], today: date, days: int = 30) -> None:
    """Give groups the order that the list names: first what they call now, then the list's steps.

    A dated way counts from `today` on for `days` days. A server that a group calls and that the
    list names keeps the list's place. Names of one day and registry are one step.
    """
    of_botnet: defaultdict[str, list[Way]] = defaultdict(list)
    left: Counter[tuple[str, str]] = Counter()
    for way in ways:
        if way.date is not None and way.date < today:
            left["past", way.source] += 1
        elif way.date is not None and way.date >= today + timedelta(days=days):
            left["beyond", way.source] += 1
        else:
            of_botnet["*" if way.botnet in _EVERY else way.botnet].append(way)
    for (reason, source), count in left.items():
        draft.warn(reason, count=count, source=source, days=days, today=today.isoformat())
    known = {group.botnet for group in draft.groups}
    for name in sorted(set(of_botnet) - known - {"*"}):
        draft.warn("no_such_botnet", botnet=name, source=of_botnet[name][0].source)
    plans = {
        botnet: _steps(draft, botnet, sorted([*of_botnet["*"], *of_botnet[botnet]], key=_tried))
        for botnet in sorted(known)
    }
    draft.groups = [_ordered(draft, group, plans[group.botnet]) for group in draft.groups]
    for botnet in sorted(
        {g.botnet for g in draft.groups if any(s.source == GENERATOR for s in g.order)}
    ):
        draft.warn("generator", botnet=botnet)


def _tried(way: Way) -> tuple[int, date, str, str]:
    return way.order, way.date or date.min, way.kind, way.value


def _steps(draft: Draft, botnet: str, ways: Iterable[Way]) -> list[Step]:
    """Return the ways as steps, their nodes added; the names of one day and registry together."""
    together: dict[tuple[Any, ...], list[Way]] = {}
    for way in ways:
        last = _zone(way.value) if way.kind == "dga-day" else way.value
        together.setdefault((way.order, way.kind, way.date, last), []).append(way)
    return [_step(draft, botnet, its) for its in together.values()]


def _step(draft: Draft, botnet: str, ways: Sequence[Way]) -> Step:
    first = ways[0]
    targets = tuple(sorted({node_id(way.value) for way in ways}))
    step = Step(first.kind, targets, first.date, f"analyst:{first.source}")
    if first.kind == "dga-day":
        draft.node(
            day_node(botnet, step), "dga_day",
            f"{first.date} .{_zone(first.value)} ({len(targets):,})",
            names=len(targets), examples=tuple(value_of(t) for t in targets[:5]),
        )  # fmt: skip
    else:
        kinds = {"peer": "peer", "dead-drop": "dead_drop"}
        draft.node(targets[0], kinds.get(first.kind) or controller_kind(first.value))
    return step


def _zone(name: str) -> str:
    return name.rpartition(".")[2]


def day_node(botnet: str, step: Step) -> str:
    """Return the id of the node for a generator's day in one registry's zone."""
    return f"dga:{botnet}/{step.date}/{_zone(step.targets[0])}"


def _ordered(draft: Draft, group: Group, steps: list[Step]) -> Group:
    named = {t for step in steps for t in step.targets}
    unknown = [s for s in group.order if s.kind == "unknown" and not _told(s.source, steps)]
    if not unknown and any(step.kind == "peer" for step in steps):
        unknown = [Step("unknown", (), None, PEERS)]  # a list of peers is never whole
    called = [s for s in group.order if s.kind != "unknown" and not named.issuperset(s.targets)]
    for place, step in enumerate(steps, 1 + len(called)):
        target = day_node(group.botnet, step) if step.kind == "dga-day" else step.targets[0]
        draft.edge((group.id, target, "falls back to"), step.source)
        draft.facts.setdefault(target, {}).setdefault("place", place)
    return replace(group, order=(*called, *steps, *unknown))


def _told(unknown: str, steps: Iterable[Step]) -> bool:
    """Whether the list says what was not known."""
    kinds = {step.kind for step in steps}
    if unknown == GENERATOR:
        return "dga-day" in kinds
    return unknown == NOTHING_KNOWN and bool(kinds)
