"""What reached a sinkhole: questions for its names, and calls by whoever was sent there."""

from __future__ import annotations

from sakimori.tables._schema import (
    FLAG,
    LONG,
    SIDES,
    SOURCE_ID,
    TEXT,
    Column,
    Table,
    endpoints,
)

SINKHOLE = Table(
    "sinkhole",
    "Hits on a sinkhole, from its own log or that of a server set up as one",
    "one row per hit; hits above a limit are one row per source and second, with their count",
    (
        *endpoints("the hit"),
        Column(
            "proto",
            TEXT,
            "udp or tcp, in lower case",
            names={"eve": "proto", "ecs": "network.transport"},
        ),
        Column(
            "service",
            TEXT,
            "what was spoken: dns, http, https or tcp (any other, on a port that only listens)",
            trap="dns: the caller is a resolver, never a victim, whatever its proto",
            names={"ecs": "network.protocol"},
        ),
        Column(
            "name",
            TEXT,
            "the name asked for, or the Host header; lower case, no final dot, no port",
            trap="a Host header is the client's claim: it may name any host",
            names={"ecs": "destination.domain"},
        ),
        Column("qtype", TEXT, "record type asked for: A, AAAA, ...; null where not dns"),
        Column(
            "server_name",
            TEXT,
            "the name in the TLS hello (SNI), lower case",
            trap="the client's claim",
            names={"eve": "tls.sni", "ecs": "tls.client.server_name"},
        ),
        Column(
            "ja4",
            TEXT,
            "print of the TLS hello: what program called",
            trap="programs that share a TLS library share it",
            names={"eve": "tls.ja4"},
        ),
        Column(
            "established",
            FLAG,
            "the TCP handshake, and for https the TLS handshake, was completed",
            trap="false: an attempt, and over UDP the address may be forged; do not count or accuse",
        ),
        Column("method", TEXT, "GET, POST, ...", names={"ecs": "http.request.method"}),
        Column(
            "path_hash",
            TEXT,
            "keyed hash of path and query; on a port that only listens, of the first bytes",
            trap="equal only under one key: two workspaces' hashes never match",
        ),
        Column(
            "bot_id",
            TEXT,
            "keyed hash of the identifier the bot sends, where the settings say which that is",
            trap="a bot that makes a new identifier at each start is many",
        ),
        Column("user_agent", TEXT, "the User-Agent header", trap="hostile text, often faked"),
        Column("bytes", LONG, "received from the caller, transport headers left out", unit="byte"),
        Column(
            "reply",
            TEXT,
            "which of the closed set was sent, such as dns-answer or http-404; null: nothing",
        ),
        Column(
            "outcome",
            TEXT,
            "answered, unanswered, limited, malformed, timeout, closed or handshake-failed",
        ),
        Column(
            "count",
            LONG,
            "hits that this row stands for; 1 but for limited ones",
            trap="sum this column, do not count rows",
        ),
        Column(
            "truncated", FLAG, "src_ip is a network's first address: the host part was not kept"
        ),
        Column(
            "sensor",
            TEXT,
            "the sinkhole's own name, of its settings",
            names={"ecs": "observer.name"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
