"""MISP events: one event with an attribute for each controller and bot, tagged with its TLP.

Controllers are marked for detection (`to_ids`), bots are not: they are victims. Source: MISP core
format; MISP taxonomy `tlp`, which has the labels of TLP 2.0.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sakimori.exporters._contract import Item, Sharing, ident

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "misp"
TITLE = "MISP event"
ROLES: tuple[str, ...] = ("controller", "bot")

_DISTRIBUTION = 0  # "your organisation only": who receives it decides, never we
_AS_THE_EVENT = 5
_ANALYSIS_DONE, _MEDIUM = 2, 2
_LONGEST_TAG = 100


def export(sharing: Sharing) -> str:
    """Return an event as MISP's JSON; of nothing, an event without attributes."""
    import pymisp  # noqa: PLC0415 - slow to import

    event = pymisp.MISPEvent()
    event.from_dict(
        uuid=str(ident("misp", sharing.producer, sharing.title)), info=sharing.title,
        date=sharing.made.date(), timestamp=sharing.made, distribution=_DISTRIBUTION,
        analysis=_ANALYSIS_DONE, threat_level_id=_MEDIUM, published=False,
        Orgc={"name": sharing.producer, "uuid": str(ident("organisation", sharing.producer))},
        Tag=[{"name": f"tlp:{sharing.tlp}"}],
    )  # fmt: skip
    for item in sharing.items:
        attribute = pymisp.MISPAttribute()
        attribute.from_dict(**_attribute(sharing, item), Tag=[{"name": t} for t in _tags(item)])
        event.attributes.append(attribute)
    # Once more through json: ASCII, so that nothing in it acts on a terminal.
    plain = {"Attribute": [], **json.loads(event.to_json())}
    return json.dumps({"Event": plain}, sort_keys=True, indent=1) + "\n"


def _attribute(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    kind, value = _typed(item)
    # MISP takes an attribute's id once, in whatever event: so the event's title is part of it.
    key = (sharing.producer, sharing.title, item.role, item.kind, item.value, str(item.port))
    about = (item.role, item.botnet, f"port {item.port}" if item.port and "|" not in kind else "")
    return {
        "type": kind, "value": value, "category": "Network activity", "to_ids": controller,
        "uuid": str(ident("misp attribute", *key)), "comment": " ".join(w for w in about if w),
        "timestamp": sharing.made, "distribution": _AS_THE_EVENT,
        "first_seen": item.first_seen, "last_seen": item.last_seen,
    }  # fmt: skip


def _typed(item: Item) -> tuple[str, str]:
    """Return MISP's type and value. A name's port is told in the comment: lists use bare names."""
    if item.kind != "address":
        return ("url" if item.kind == "url" else "domain"), item.value
    if item.role == "bot":
        return "ip-src", item.value
    return ("ip-dst|port", f"{item.value}|{item.port}") if item.port else ("ip-dst", item.value)


def _tags(item: Item) -> Iterator[str]:
    yield f"tlp:{item.tlp}"
    names = dict.fromkeys(_plain(family) for family in item.families)
    yield from (f'misp-galaxy:botnet="{name}"' for name in names if name)


def _plain(family: str) -> str:
    """Return a family's name without what would end the tag's value."""
    return "".join(c for c in family if c.isprintable() and c != '"').strip()[:_LONGEST_TAG]
