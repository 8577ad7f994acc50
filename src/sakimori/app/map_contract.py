"""The JSON contract of `botnets show` and `botnets pivots`; the schema is `botnet_map.schema.json`.

Fields are only added within a version. Text is raw: whoever shows it must escape it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sakimori.i18n import Translator
from sakimori.takedown.map import tracing, words

if TYPE_CHECKING:
    from sakimori.takedown.map import model
    from sakimori.takedown.map.model import BotnetMap, Note
    from sakimori.takedown.map.pivots import Proposal

SCHEMA_VERSION = "1"


def as_object(
    drawn: BotnetMap, botnet: str | None = None, home: str | None = None, lang: str = "en"
) -> dict[str, Any]:
    """Return a map as plain JSON values: the schema is `botnet_map.schema.json`. Text is raw."""
    say = Translator(lang)
    return {
        "schema": SCHEMA_VERSION,
        "botnet": botnet,
        "groups": [_group(g) for g in drawn.groups],
        "nodes": [
            {"id": n.id, "kind": n.kind, "label": n.label, "attributes": _plain(n.attributes)}
            for n in drawn.nodes.values()
        ],
        "edges": [edge(e) for e in drawn.edges],
        "notes": [_note(n, say) for n in drawn.notes],
        "warnings": [words.told(n, say) for n in drawn.warnings],
        "next_steps": [ask(a, say) for a in tracing.next_steps(drawn, home)],
    }


def _group(group: model.Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "botnet": group.botnet,
        "bots": group.bots,
        "peer_to_peer": group.peer_to_peer,
        "hosts": list(group.hosts),
        "order": [
            {"kind": s.kind, "targets": list(s.targets), "date": _plain(s.date), "source": s.source}
            for s in group.order
        ],
    }


def edge(one: model.Edge) -> dict[str, Any]:
    """Return an edge as plain JSON values."""
    return {
        "source": one.source,
        "target": one.target,
        "relation": one.relation,
        "sources": list(one.sources),
        "first_seen": _plain(one.first_seen),
        "last_seen": _plain(one.last_seen),
        "count": one.count,
    }


def _note(note: Note, say: Translator) -> dict[str, Any]:
    return {"node": note.node, "reason": note.reason, "text": words.told(note, say)}


def ask(one: tracing.Ask, say: Translator) -> dict[str, Any]:
    """Return a next step as plain JSON values."""
    return {
        "kind": one.kind,
        "partner": one.partner,
        "about": list(one.about),
        "hops": one.hops,
        "countries": list(one.countries),
        "partners": one.partners,
        "cost": one.cost,
        "value": one.value,
        "text": tracing.told(one, say),
    }


def proposal(one: Proposal) -> dict[str, Any]:
    """Return a proposal as plain JSON values."""
    return {
        "says": "proposal",
        "a": one.a,
        "b": one.b,
        "strength": one.strength,
        "evidence": [
            {"kind": s.kind, "value": s.value, "weight": round(s.weight, 4), "others": s.others,
             "on_a": list(s.on_a), "on_b": list(s.on_b)}
            for s in one.evidence
        ],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "items"):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value
