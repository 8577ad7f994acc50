"""Events as IntelMQ takes them: JSON lines with its dotted field names.

Source: IntelMQ's data format (harmonisation), field names and classification types only.
"""

from __future__ import annotations

from typing import Any

from sakimori.exporters._contract import Item, Sharing, is_name, lines, stamp, version_of

NAME = "intelmq"
TITLE = "IntelMQ events, JSON lines"
ROLES: tuple[str, ...] = ("controller", "bot")

# IntelMQ has the labels of TLP 1; where one is missing, the next stricter. `extra.tlp` is exact.
_TLP = {
    "clear": "WHITE", "green": "GREEN", "amber": "AMBER", "amber+strict": "RED", "red": "RED",
}  # fmt: skip


def export(sharing: Sharing) -> str:
    """Return a line for each controller and bot; of nothing, an empty text."""
    return lines(_line(sharing, item) for item in sharing.items)


def _line(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    where = {"name": "source.fqdn", "url": "source.url"}.get(item.kind, "source.ip")
    called = [] if controller else [p for p in item.peers if version_of(p) or is_name(p)]
    peer = called[0] if called else None
    there = "destination.ip" if version_of(peer) else "destination.fqdn"
    return {
        "__type": "Event",
        "feed.name": "Sakimori", "feed.provider": sharing.producer,
        "feed.accuracy": round(100 * item.score, 1),
        "classification.taxonomy": "malicious-code",
        "classification.type": "c2-server" if controller else "infected-system",
        "classification.identifier": item.botnet,
        "malware.name": _printable(",".join(item.families)).lower(),
        "time.source": _time(stamp(item.last_seen or sharing.made)),
        "time.observation": _time(stamp(sharing.made)),
        where: item.value.lower() if item.kind == "name" else item.value,
        "source.port": item.port if controller else None, there: peer,
        "tlp": _TLP[str(item.tlp)], "extra.tlp": f"TLP:{str(item.tlp).upper()}",
        "extra.tlp_version": "2.0",
    }  # fmt: skip


def _time(text: str | None) -> str:
    return str(text).replace("Z", "+00:00")  # the form IntelMQ itself writes


def _printable(text: str) -> str:
    """Return ASCII text; IntelMQ takes no other in a malware's name."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)
