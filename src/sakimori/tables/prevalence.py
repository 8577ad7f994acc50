"""How common each outside address, network or name is among this network's own hosts."""

from __future__ import annotations

from sakimori.tables._schema import LONG, REAL, TEXT, Column, Table

PREVALENCE = Table(
    "prevalence",
    "How many inside hosts use each outside peer; computed for each run, never stored",
    "one row per kind and peer",
    (
        Column("kind", TEXT, "address, net (an IPv4 /24 or IPv6 /48) or name", derived=True),
        Column("peer", TEXT, "the address, the net as `192.0.2.0/24`, or the name", derived=True),
        Column("hosts", LONG, "inside hosts that used it", derived=True),
        Column("all_hosts", LONG, "inside hosts that used any outside peer", derived=True),
        Column(
            "share",
            REAL,
            "hosts / all_hosts",
            trap="says nothing when all_hosts is small",
            derived=True,
        ),
    ),
    key=("kind", "peer"),
)
