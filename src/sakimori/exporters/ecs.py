"""Elastic Common Schema, JSON lines: bots as alerts, controllers as threat indicators.

Source: ECS 8.17, fieldsets event, threat, host, rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.exporters._contract import Item, Sharing, ident, lines, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ecs"
TITLE = "ECS, JSON lines"

_VERSION = "8.17.0"
_CONFIDENCE = ((0.8, "High"), (0.5, "Medium"), (0.0, "Low"))


def export(sharing: Sharing) -> str:
    """Return a line for each finding of a bot and for each controller; of nothing, an empty text."""
    alerts = (_alert(sharing, bot, f) for bot in sharing.of("bot") for f in bot.findings)
    return lines([*alerts, *(_indicator(sharing, c) for c in sharing.of("controller"))])


def _alert(sharing: Sharing, bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@timestamp": finding["last_seen"], "ecs": {"version": _VERSION},
        "event": {
            "kind": "alert", "category": ["intrusion_detection"], "type": ["info"],
            "module": "sakimori", "dataset": "sakimori.finding", "start": finding["first_seen"],
            "end": finding["last_seen"], "risk_score": round(100 * float(finding["score"])),
            "id": str(ident("ecs", bot.value, str(finding["detector"]), str(finding["peer"]),
                            str(finding["peer_port"]))),
            "provider": sharing.producer,
        },
        "rule": {"name": finding["detector"]},
        "threat": {"framework": "MITRE ATT&CK", "technique": {"id": [finding["technique"]]}},
        "host": {"ip": [bot.value]}, "source": {"ip": bot.value},
        "destination": _there(finding), "labels": {"tlp": str(bot.tlp), "botnet": bot.botnet},
    }  # fmt: skip


def _there(finding: Mapping[str, Any]) -> dict[str, Any]:
    there = {"address": finding["peer"], "port": finding["peer_port"]}
    return {k: v for k, v in there.items() if v is not None}


def _indicator(sharing: Sharing, item: Item) -> dict[str, Any]:
    kind = {"name": "domain-name", "url": "url"}.get(
        item.kind, "ipv6-addr" if ":" in item.value else "ipv4-addr"
    )
    where = {"name": "url.domain", "url": "url.full"}.get(item.kind, "ip")
    indicator: dict[str, Any] = {
        "type": kind, "provider": sharing.producer, "first_seen": stamp(item.first_seen),
        "last_seen": stamp(item.last_seen), "port": item.port, "sightings": len(item.peers),
        "confidence": next(name for least, name in _CONFIDENCE if item.score >= least),
        "marking": {"tlp": str(item.tlp).upper(), "tlp_version": "2.0"}, where: item.value,
    }  # fmt: skip
    return {
        "@timestamp": stamp(item.last_seen or sharing.made), "ecs": {"version": _VERSION},
        "event": {"kind": "enrichment", "category": ["threat"], "type": ["indicator"],
                  "module": "sakimori", "dataset": "sakimori.controller"},
        "threat": {
            "indicator": {k: v for k, v in indicator.items() if v is not None},
            "software": {"name": list(item.families)} if item.families else None,
        },
        "labels": {"tlp": str(item.tlp), "botnet": item.botnet},
    }  # fmt: skip
