"""What a sensor itself found worth a word: Suricata alerts, Zeek notices and weirds."""

from __future__ import annotations

from sakimori.tables._schema import INT, SIDES, SOURCE_ID, TEXT, Column, Table, endpoints

ALERT = Table(
    "alert",
    "Sensors' own alerts, notices and oddities",
    "one row per alert",
    (
        *endpoints("the alert"),
        Column("proto", TEXT, "tcp, udp, icmp, ... in lower case", names={"eve": "proto"}),
        Column("sensor", TEXT, "suricata, zeek-notice or zeek-weird"),
        Column(
            "signature_id",
            TEXT,
            "the rule's number or name",
            names={"eve": "alert.signature_id", "zeek": "note", "ecs": "rule.id"},
        ),
        Column(
            "name",
            TEXT,
            "the rule's words",
            trap="may quote hostile text",
            names={"eve": "alert.signature", "zeek": "msg or name", "ecs": "rule.name"},
        ),
        Column(
            "category",
            TEXT,
            "the rule's class",
            names={"eve": "alert.category", "ecs": "rule.category"},
        ),
        Column(
            "severity",
            INT,
            "1 is the highest",
            names={"eve": "alert.severity", "ecs": "event.severity"},
        ),
        Column(
            "action",
            TEXT,
            "allowed or blocked",
            names={"eve": "alert.action", "ecs": "event.action"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
