"""Events as IntelMQ takes them: JSON lines with its dotted field names.

Source: IntelMQ's data format (harmonisation), field names and classification types only.
"""

from __future__ import annotations

from typing import Any

from sakimori.exporters._contract import Item, Sharing, lines, stamp

NAME = "intelmq"
TITLE = "IntelMQ events, JSON lines"


def export(sharing: Sharing) -> str:
    """Return a line for each controller and bot; of nothing, an empty text."""
    return lines(_line(sharing, item) for item in sharing.items)


def _line(sharing: Sharing, item: Item) -> dict[str, Any]:
    controller = item.role == "controller"
    where = {"name": "source.fqdn", "url": "source.url"}.get(item.kind, "source.ip")
    peer = next(iter(item.peers), None) if not controller else None
    there = "destination.ip" if _is_address(peer) else "destination.fqdn"
    return {
        "__type": "Event",
        "feed.name": "Sakimori", "feed.provider": sharing.producer,
        "feed.accuracy": round(100 * item.score, 1),
        "classification.taxonomy": "malicious-code",
        "classification.type": "c2-server" if controller else "infected-system",
        "classification.identifier": item.botnet,
        "malware.name": ",".join(f.lower() for f in item.families),
        "time.source": stamp(item.last_seen or sharing.made),
        "time.observation": stamp(sharing.made),
        where: item.value, "source.port": item.port if controller else None, there: peer,
        "tlp": str(item.tlp).upper(), "extra.tlp_version": "2.0",
    }  # fmt: skip


def _is_address(text: str | None) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415

    try:
        return bool(text) and ip_address(str(text)) is not None
    except ValueError:
        return False
