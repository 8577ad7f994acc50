"""OCSF Detection Finding (class 2004), one JSON line per finding of a bot.

Source: OCSF schema 1.4, Detection Finding. Controllers have no class of their own there; they are in
the evidence of the findings that tell of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.exporters import _contract
from sakimori.exporters._contract import Item, Sharing, ident, lines, moment, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ocsf"
TITLE = "OCSF Detection Finding, JSON lines"
ROLES: tuple[str, ...] = ("bot",)

_CLASS, _CATEGORY, _CREATE = 2004, 2, 1
_SEVERITY = ((0.9, 4, "High"), (0.5, 3, "Medium"), (0.0, 2, "Low"))
_CONFIDENCE = {"low": 1, "medium": 2, "high": 3}


def export(sharing: Sharing) -> str:
    """Return a line for each finding of each bot; of nothing, an empty text."""
    return lines(_line(sharing, bot, f) for bot in sharing.of("bot") for f in bot.findings)


def _line(sharing: Sharing, bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    score = float(finding["score"])
    severity = next((n, word) for least, n, word in _SEVERITY if score >= least)
    sure = _contract.confidence(score)
    first, last = (_milliseconds(finding[key]) for key in ("first_seen", "last_seen"))
    return {
        "class_uid": _CLASS, "class_name": "Detection Finding", "category_uid": _CATEGORY,
        "category_name": "Findings", "activity_id": _CREATE, "activity_name": "Create",
        "type_uid": _CLASS * 100 + _CREATE, "type_name": "Detection Finding: Create",
        "time": last, "start_time": first, "end_time": last, "count": max(1, finding["count"]),
        "severity_id": severity[0], "severity": severity[1], "status_id": 1, "status": "New",
        "confidence_score": round(100 * score), "confidence_id": _CONFIDENCE[sure],
        "confidence": sure.title(), "is_alert": True,
        "metadata": {
            "version": "1.4.0", "labels": [f"tlp:{bot.tlp}"], "log_provider": sharing.producer,
            "product": {"name": "Sakimori", "vendor_name": "Sakimori", "version": sharing.version},
        },
        "finding_info": _info(bot, finding, first, last),
        "resources": [{"type": "host", "name": bot.value, "uid": bot.value}],
        "observables": _observables(bot, finding["peer"]),
        "evidences": [_evidence(bot, finding)],
    }  # fmt: skip


def _info(bot: Item, finding: Mapping[str, Any], first: int, last: int) -> dict[str, Any]:
    technique, sub = _contract.technique(finding["technique"])
    key = (bot.value, finding["detector"], str(finding["peer"]), str(finding["peer_port"]))
    return {
        "uid": str(ident("ocsf", *key, str(first))), "title": f"{finding['detector']}: {bot.value}",
        "types": list(bot.does) or ["bot"], "first_seen_time": first, "last_seen_time": last,
        "analytic": {"name": finding["detector"], "type_id": 2, "type": "Behavioral"},
        "attacks": [{"technique": {"uid": technique}, "sub_technique": {"uid": sub}}],
    }  # fmt: skip


def _observables(bot: Item, peer: str | None) -> list[dict[str, Any]]:
    """Return pointers into the event, with type 1 for host names and 2 for addresses."""
    found = [_observable("evidences.src_endpoint.ip", bot.value)]
    if peer:
        found.append(_observable(f"evidences.dst_endpoint.{_member(peer)}", peer))
    return found


def _observable(name: str, value: str) -> dict[str, Any]:
    if version_of(value):
        return {"name": name, "type_id": 2, "type": "IP Address", "value": value}
    return {"name": name, "type_id": 1, "type": "Hostname", "value": value}


def _member(peer: str) -> str:
    return "ip" if version_of(peer) else "hostname"


def _evidence(bot: Item, finding: Mapping[str, Any]) -> dict[str, Any]:
    peer = finding["peer"] or ""
    return {
        "src_endpoint": {"ip": bot.value},
        "dst_endpoint": {_member(peer): peer, "port": finding["peer_port"]},
        "data": {"details": finding["details"], "evidence": finding["evidence"]},
    }


def _milliseconds(text: str) -> int:
    return round(moment(text).timestamp() * 1000)
