"""Elastic Common Schema, JSON lines: findings of bots as alerts, controllers as threat indicators.

Source: ECS 8.17, fieldsets event, threat, host, source, destination, related, rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.exporters import _contract
from sakimori.exporters._contract import Item, Sharing, ident, lines, moment, stamp, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ecs"
TITLE = "ECS, JSON lines"
ROLES: tuple[str, ...] = ("controller", "bot")

_VERSION = "8.17.0"


def export(sharing: Sharing) -> str:
    """Return a line for each finding of a bot and for each controller; of nothing, an empty text."""
    alerts = (_alert(sharing, bot, f) for bot in sharing.of("bot") for f in bot.findings)
    return lines([*alerts, *(_indicator(sharing, c) for c in sharing.of("controller"))])


def _alert(sharing: Sharing, bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    first, last = (stamp(moment(finding[key])) for key in ("first_seen", "last_seen"))
    peer, (technique, sub) = finding["peer"], _contract.technique(finding["technique"])
    key = (bot.value, finding["detector"], str(peer), str(finding["peer_port"]), str(first))
    there = {4: "ip", 6: "ip"}.get(version_of(peer), "domain")
    return {
        "@timestamp": last, "ecs": {"version": _VERSION},
        "event": {
            "kind": "alert", "category": ["intrusion_detection"], "type": ["info"],
            "module": "sakimori", "dataset": "sakimori.finding", "start": first, "end": last,
            "risk_score": round(100 * float(finding["score"])), "id": str(ident("ecs", *key)),
            "provider": sharing.producer,
        },
        "rule": {"name": finding["detector"]},
        "threat": {"framework": "MITRE ATT&CK",
                   "technique": {"id": [technique], "subtechnique": {"id": [sub] if sub else []}}},
        "host": {"ip": [bot.value]}, "source": {"ip": bot.value, "address": bot.value},
        "destination": {"address": peer, there: peer, "port": finding["peer_port"]},
        "related": {"ip": [v for v in (bot.value, peer) if version_of(v)],
                    "hosts": [peer] if peer and there == "domain" else []},
        "labels": {"tlp": str(bot.tlp), "botnet": bot.botnet},
    }  # fmt: skip


def _indicator(sharing: Sharing, item: Item) -> dict[str, Any]:
    kinds = {"name": ("domain-name", {"url": {"domain": item.value}}),
             "url": ("url", {"url": {"full": item.value}})}  # fmt: skip
    address = (f"ipv{version_of(item.value)}-addr", {"ip": item.value})
    kind, where = kinds.get(item.kind, address)
    return {
        "@timestamp": stamp(item.last_seen or sharing.made), "ecs": {"version": _VERSION},
        "event": {"kind": "enrichment", "category": ["threat"], "type": ["indicator"],
                  "module": "sakimori", "dataset": "sakimori.controller",
                  "provider": sharing.producer},
        "threat": {
            "indicator": {
                "type": kind, "name": item.value, "provider": sharing.producer, "port": item.port,
                "first_seen": stamp(item.first_seen), "last_seen": stamp(item.last_seen),
                "sightings": len(item.peers) or None,
                "confidence": _contract.confidence(item.score).title(),
                "marking": {"tlp": str(item.tlp).upper(), "tlp_version": "2.0"}, **where,
            },
            # The field holds one name; all of them are in `tags`.
            "software": {"name": item.families[0], "type": "Malware"} if item.families else None,
        },
        "tags": list(item.families), "labels": {"tlp": str(item.tlp), "botnet": item.botnet},
    }  # fmt: skip
