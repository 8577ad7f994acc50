"""Passive DNS: which name had which data, seen by others, and when."""

from __future__ import annotations

from sakimori.tables._schema import LONG, SOURCE_ID, TEXT, TIME, Column, Table

PDNS = Table(
    "pdns",
    "Passive DNS records that others collected",
    "one row per record and source",
    (
        Column(
            "ts",
            TIME,
            "when the record was last seen",
            unit="µs since 1970, UTC",
            trap="`lake retain` counts from here",
            names={"cof": "time_last"},
        ),
        Column("uid", TEXT, "`file:line`"),
        Column(
            "name",
            TEXT,
            "the name, lower case, no final dot",
            trap="hostile text",
            names={"cof": "rrname"},
        ),
        Column("rrtype", TEXT, "record type by name: A, AAAA, NS, ...", names={"cof": "rrtype"}),
        Column(
            "rdata",
            TEXT,
            "one value: canonical address; name in lower case without final dot; other data as text",
            trap="hostile text",
            names={"cof": "rdata"},
        ),
        Column("first_seen", TIME, "when it was first seen", names={"cof": "time_first"}),
        Column("count", LONG, "how often it was seen between the two", names={"cof": "count"}),
        Column("bailiwick", TEXT, "the zone whose servers said so", names={"cof": "bailiwick"}),
        Column("sensor", TEXT, "which sensor saw it", names={"cof": "sensor_id"}),
        Column("origin", TEXT, "who collects it", names={"cof": "origin"}),
        Column(
            "zone_first",
            TIME,
            "first seen in the zone file itself",
            names={"cof": "zone_time_first"},
        ),
        Column(
            "zone_last", TIME, "last seen in the zone file itself", names={"cof": "zone_time_last"}
        ),
        SOURCE_ID,
    ),
    key=("name", "rrtype", "rdata", "source_id"),
    told=True,
)
