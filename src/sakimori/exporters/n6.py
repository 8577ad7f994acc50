"""Events as n6 takes them: JSON lines with its field names.

Source: the data specification of n6's SDK: names, categories and restrictions only.
"""

from __future__ import annotations

from typing import Any

from sakimori.exporters._contract import (
    Item,
    Sharing,
    confidence,
    ident,
    lines,
    stamp,
    version_of,
)

NAME = "n6"
TITLE = "n6 events, JSON lines"
ROLES: tuple[str, ...] = ("controller", "bot")

# n6 knows three restrictions; a label becomes the next stricter one, never a looser.
_RESTRICTION = {
    "clear": "public", "green": "need-to-know", "amber": "need-to-know",
    "amber+strict": "internal", "red": "internal",
}  # fmt: skip
_LONGEST_NAME = 255


def export(sharing: Sharing) -> str:
    """Return a line for each controller and bot; of nothing, an empty text."""
    return lines(_line(sharing, item) for item in sharing.items)


def _line(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    key = "ipv6" if version_of(item.value) == 6 else "ip"
    called = [] if controller else [peer for peer in item.peers if version_of(peer) == 4]
    return {
        "id": ident("n6", item.role, item.kind, item.value, str(item.port)).hex,
        "source": "sakimori.findings",
        "category": "cnc" if controller else "bots",
        "origin": "ids",
        "confidence": confidence(item.score),
        "restriction": _RESTRICTION[str(item.tlp)],
        "time": stamp(item.last_seen or sharing.made),
        "address": [{key: item.value}] if item.kind == "address" else None,
        "fqdn": item.value if item.kind == "name" else None,
        "url": item.value if item.kind == "url" else None,
        "dip": next(iter(called), None),
        "dport": item.port if controller else None,
        "name": (",".join(item.families).lower() or item.botnet)[:_LONGEST_NAME],
    }  # fmt: skip
