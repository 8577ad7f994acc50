"""The JSON contract of `hunt --format json`: one object, versioned, with a published schema.

The schema is `sakimori/schemas/hunt.schema.json`. Fields are only added within a version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.app.results import SCHEMA_VERSION

if TYPE_CHECKING:
    from datetime import datetime

    from sakimori.app.results import Report
    from sakimori.verdicts.model import Botnet, Controller, Finding, Host


def as_object(report: Report) -> dict[str, Any]:
    """Return a report as plain JSON values. Text is raw: whoever shows it must escape it."""
    return {
        "schema": SCHEMA_VERSION,
        "hosts": [host(h) for h in report.hosts],
        "controllers": [controller(c) for c in report.controllers],
        "botnets": [botnet(b) for b in report.botnets],
        "coverage": [
            {"detector": c.detector, "ran": c.ran, "reason": c.reason} for c in report.coverage
        ],
        "sources": [
            {
                "path": s.path,
                "format": s.format,
                "table": s.table,
                "rows": s.rows,
                "rejected": s.rejected,
                "first": _time(s.first),
                "last": _time(s.last),
                "note": s.note,
            }
            for s in report.sources
        ],
        "clean": report.clean,
        "internal": report.internal,
        "hidden": report.hidden,
        "warnings": [w.message.format_map(w.values) for w in report.warnings],
    }


def host(host: Host) -> dict[str, Any]:
    """Return a host with its findings."""
    return {
        "host": host.host,
        "verdict": host.verdict,
        "score": host.score,
        "does": list(host.does),
        "families": list(host.families),
        "findings": [finding(f) for f in host.findings],
    }


def finding(finding: Finding) -> dict[str, Any]:
    """Return a finding without its host."""
    return {
        "detector": finding.detector,
        "technique": finding.technique,
        "peer": finding.peer,
        "peer_port": finding.peer_port,
        "proto": finding.proto,
        "score": round(finding.score, 4),
        "count": finding.count,
        "first_seen": _time(finding.first_seen),
        "last_seen": _time(finding.last_seen),
        "details": dict(finding.details),
        "evidence": list(finding.evidence),
    }


def controller(controller: Controller) -> dict[str, Any]:
    """Return a controller."""
    return {
        "controller": controller.controller,
        "kind": controller.kind,
        "port": controller.port,
        "score": controller.score,
        "bots": list(controller.bots),
        "families": list(controller.families),
        "sinkhole": controller.sinkhole,
    }


def botnet(botnet: Botnet) -> dict[str, Any]:
    """Return a botnet."""
    return {
        "botnet": botnet.botnet,
        "family": botnet.family,
        "bots": list(botnet.bots),
        "controllers": list(botnet.controllers),
        "does": list(botnet.does),
        "why": botnet.why,
        "score": botnet.score,
    }


def _time(time: datetime | None) -> str | None:
    return time.isoformat().replace("+00:00", "Z") if time else None
