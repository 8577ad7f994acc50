"""Events as n6 takes them: JSON lines with its field names.

Source: the field specification of n6's REST API: names, categories and restrictions only.
"""

from __future__ import annotations

from typing import Any

from sakimori.exporters._contract import Item, Sharing, ident, lines, stamp

NAME = "n6"
TITLE = "n6 events, JSON lines"

# n6 knows three restrictions; a label becomes the next stricter one, never a looser.
_RESTRICTION = {
    "clear": "public", "green": "need-to-know", "amber": "need-to-know",
    "amber+strict": "internal", "red": "internal",
}  # fmt: skip
_CONFIDENCE = ((0.8, "high"), (0.5, "medium"), (0.0, "low"))


def export(sharing: Sharing) -> str:
    """Return a line for each controller and bot; of nothing, an empty text."""
    return lines(_line(sharing, item) for item in sharing.items)


def _line(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    return {
        "id": ident("n6", item.role, item.kind, item.value, str(item.port)).hex,
        "source": "sakimori.findings",
        "category": "cnc" if controller else "bots",
        "origin": "c2" if controller else None,
        "confidence": next(name for least, name in _CONFIDENCE if item.score >= least),
        "restriction": _RESTRICTION[str(item.tlp)],
        "time": stamp(item.last_seen or sharing.made),
        "address": [{"ip": item.value}] if item.kind == "address" else None,
        "fqdn": item.value if item.kind == "name" else None,
        "url": item.value if item.kind == "url" else None,
        "dport" if not controller else "sport": item.port,
        "name": ",".join(f.lower() for f in item.families) or item.botnet,
    }  # fmt: skip
