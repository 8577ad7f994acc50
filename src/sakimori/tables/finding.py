"""Findings: one detector's observation of one host."""

from __future__ import annotations

from sakimori.tables._schema import INT, LONG, REAL, TEXT, TEXTS, TIME, Column, Table

FINDING = Table(
    "finding",
    "What the detectors found",
    "one row per detector, host, behaviour and peer; never one per flow",
    (
        Column("detector", TEXT, "which detector"),
        Column("technique", TEXT, "MITRE ATT&CK technique id"),
        Column("host", TEXT, "the address observed"),
        Column(
            "peer",
            TEXT,
            "the other side: address, net or name; null where there is none",
            trap="hostile text",
        ),
        Column("peer_port", INT, "its port; null where many"),
        Column("proto", TEXT, "tcp, udp, ...; null where many"),
        Column("first_seen", TIME, "first evidence"),
        Column("last_seen", TIME, "last evidence"),
        Column("count", LONG, "connections, questions, targets: what the detector counts"),
        Column("score", REAL, "0..1: how strongly the behaviour shows"),
        Column("details", TEXT, "the detector's own declared fields, as JSON"),
        Column("evidence", TEXTS, "up to 20 uids of the rows behind it"),
    ),
    key=("detector", "host", "peer", "peer_port", "proto"),
)

EVIDENCE_LIMIT = 20
# What a detector returns: the finding without the columns the runner fills in.
CORE: dict[str, str] = {
    name: kind
    for name, kind in FINDING.types.items()
    if name not in ("detector", "technique", "details")
}
