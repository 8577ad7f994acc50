"""Connections and flows: who spoke with whom, how long, how much."""

from __future__ import annotations

from sakimori.tables._schema import (
    LONG,
    REAL,
    SIDES,
    SOURCE_ID,
    TEXT,
    Column,
    Table,
    endpoints,
)

CONN = Table(
    "conn",
    "Connections and flows, whatever sensor saw them",
    "one row per connection or flow",
    (
        *endpoints("the first packet"),
        Column(
            "proto",
            TEXT,
            "tcp, udp, icmp, ... in lower case",
            names={
                "zeek": "proto",
                "eve": "proto",
                "ipfix": "protocolIdentifier",
                "ocsf": "connection_info.protocol_name",
                "ecs": "network.transport",
            },
        ),
        Column(
            "service",
            TEXT,
            "application protocol the sensor recognised, in lower case",
            trap="null means not recognised or not looked at, never 'unusual'",
            names={
                "zeek": "service",
                "eve": "app_proto",
                "ocsf": "app_name",
                "ecs": "network.protocol",
            },
        ),
        Column(
            "duration",
            REAL,
            "first to last packet",
            unit="s",
            trap="Zeek logs a connection when it ends: long ones are missing until then",
            names={
                "zeek": "duration",
                "eve": "flow.end - flow.start",
                "ocsf": "duration",
                "ecs": "event.duration",
            },
        ),
        Column(
            "src_bytes",
            LONG,
            "bytes the caller sent",
            unit="byte",
            trap="payload in Zeek (from TCP sequence numbers, so can be wrong); with headers"
            " in NetFlow, argus and Suricata",
            names={
                "zeek": "orig_bytes",
                "eve": "flow.bytes_toserver",
                "ipfix": "octetDeltaCount",
                "ocsf": "traffic.bytes_out",
                "ecs": "source.bytes",
            },
        ),
        Column(
            "dst_bytes",
            LONG,
            "bytes the called side sent",
            unit="byte",
            trap="null for one-way NetFlow",
            names={
                "zeek": "resp_bytes",
                "eve": "flow.bytes_toclient",
                "ocsf": "traffic.bytes_in",
                "ecs": "destination.bytes",
            },
        ),
        Column(
            "src_pkts",
            LONG,
            "packets the caller sent",
            names={
                "zeek": "orig_pkts",
                "eve": "flow.pkts_toserver",
                "ipfix": "packetDeltaCount",
                "ocsf": "traffic.packets_out",
                "ecs": "source.packets",
            },
        ),
        Column(
            "dst_pkts",
            LONG,
            "packets the called side sent",
            names={
                "zeek": "resp_pkts",
                "eve": "flow.pkts_toclient",
                "ocsf": "traffic.packets_in",
                "ecs": "destination.packets",
            },
        ),
        Column(
            "state",
            TEXT,
            "how it went, in Zeek's words: SF closed well, S0 no answer, REJ"
            " refused, S1 established and open, RSTO/RSTR reset, OTH seen in the middle",
            trap="other sensors' states are mapped; null where a source cannot tell",
            names={"zeek": "conn_state", "eve": "flow.state", "ecs": "zeek.connection.state"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
