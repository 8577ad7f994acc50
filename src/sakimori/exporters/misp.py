"""MISP events: one event with an attribute for each controller and bot, tagged with its TLP.

Controllers are marked for detection (`to_ids`), bots are not: they are victims. Source: MISP core
format; MISP taxonomy `tlp`, which has the labels of TLP 2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.exporters._contract import Item, Sharing, ident

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "misp"
TITLE = "MISP event"

_DISTRIBUTION = 0  # "your organisation only": who receives it decides, never we
_ANALYSIS_DONE = 2


def export(sharing: Sharing) -> str:
    """Return an event as MISP's JSON; of nothing, an event without attributes."""
    import pymisp  # noqa: PLC0415 - slow to import

    event = pymisp.MISPEvent()
    event.uuid = str(ident("misp", sharing.producer, sharing.title))
    event.info = sharing.title
    event.set_date(sharing.made.date())
    event.timestamp = sharing.made
    event.distribution = _DISTRIBUTION
    event.analysis = _ANALYSIS_DONE
    event.threat_level_id = 2
    organisation = pymisp.MISPOrganisation()
    organisation.name = sharing.producer
    organisation.uuid = str(ident("organisation", sharing.producer))
    event.Orgc = organisation
    event.add_tag(f"tlp:{sharing.tlp}")
    for item in sharing.items:
        attribute = pymisp.MISPAttribute()
        attribute.from_dict(**_attribute(sharing, item), Tag=[{"name": t} for t in _tags(item)])
        event.attributes.append(attribute)
    return str(event.to_json(sort_keys=True, indent=1)) + "\n"


def _attribute(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    kind = {"name": "domain", "url": "url"}.get(item.kind, "ip-dst" if controller else "ip-src")
    value = item.value
    if item.kind == "address" and controller and item.port is not None:
        kind, value = "ip-dst|port", f"{item.value}|{item.port}"
    return {
        "type": kind, "value": value, "category": "Network activity", "to_ids": controller,
        "uuid": str(ident("misp", sharing.producer, item.role, item.kind, item.value,
                          str(item.port))),
        "comment": f"{item.role} {item.botnet}".strip(), "timestamp": sharing.made,
        "first_seen": item.first_seen, "last_seen": item.last_seen,
        "distribution": 5,  # as the event
    }  # fmt: skip


def _tags(item: Item) -> Iterator[str]:
    yield f"tlp:{item.tlp}"
    yield from (f'misp-galaxy:botnet="{_plain(family)}"' for family in item.families)


def _plain(family: str) -> str:
    """Return a family's name without what would end the tag's value."""
    return "".join(c for c in family if c.isprintable() and c != '"')[:100]
