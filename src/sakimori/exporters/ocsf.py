"""OCSF Detection Finding (class 2004), one JSON line per finding of a bot.

Source: OCSF schema 1.4, Detection Finding. Controllers have no class of their own there; they are in
each finding's evidence.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sakimori import __version__
from sakimori.exporters._contract import Item, Sharing, ident, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ocsf"
TITLE = "OCSF Detection Finding, JSON lines"

_CLASS, _CATEGORY, _CREATE = 2004, 2, 1
_SEVERITY = ((0.9, 4, "High"), (0.5, 3, "Medium"), (0.0, 2, "Low"))


def export(sharing: Sharing) -> str:
    """Return a line for each finding of each bot; of nothing, an empty text."""
    return lines(_line(sharing, bot, f) for bot in sharing.of("bot") for f in bot.findings)


def _line(sharing: Sharing, bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    score = float(finding["score"])
    severity = next((number, name) for least, number, name in _SEVERITY if score >= least)
    first, last = _milliseconds(finding["first_seen"]), _milliseconds(finding["last_seen"])
    uid = ident("ocsf", bot.value, str(finding["detector"]), str(finding["peer"]),
                str(finding["peer_port"]), str(finding["first_seen"]))  # fmt: skip
    return {
        "class_uid": _CLASS, "class_name": "Detection Finding", "category_uid": _CATEGORY,
        "category_name": "Findings", "activity_id": _CREATE, "activity_name": "Create",
        "type_uid": _CLASS * 100 + _CREATE, "type_name": "Detection Finding: Create",
        "time": last, "severity_id": severity[0], "severity": severity[1], "status_id": 1,
        "confidence_score": round(100 * score), "count": finding["count"],
        "metadata": {
            "version": "1.4.0", "labels": [f"tlp:{bot.tlp}"],
            "product": {"name": "Sakimori", "vendor_name": sharing.producer,
                        "version": __version__},
        },
        "finding_info": {
            "uid": str(uid), "title": f"{finding['detector']}: {bot.value}",
            "types": list(bot.does) or ["bot"], "first_seen_time": first, "last_seen_time": last,
            "attacks": [{"technique": {"uid": finding["technique"]}, "version": "17"}],
        },
        "resources": [{"type": "host", "name": bot.value, "ip": bot.value}],
        "observables": _observables(bot, finding),
        "evidences": [_evidence(bot, finding)],
    }  # fmt: skip


def _observables(bot: Item, finding: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [{"name": "src_endpoint.ip", "type_id": 2, "type": "IP Address", "value": bot.value}]
    if finding["peer"]:
        found.append({"name": "dst_endpoint.name", "type_id": 1, "type": "Hostname",
                      "value": finding["peer"]})  # fmt: skip
    return found


def _evidence(bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    there = {"name": finding["peer"], "port": finding["peer_port"]}
    return {
        "src_endpoint": {"ip": bot.value},
        "dst_endpoint": {k: v for k, v in there.items() if v is not None},
        "data": {"details": finding["details"], "evidence": finding["evidence"]},
    }


def _milliseconds(text: str | None) -> int | None:
    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else None
