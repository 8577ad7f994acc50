"""DNS questions and what was answered."""

from __future__ import annotations

from sakimori.tables._schema import (
    REAL,
    REALS,
    SIDES,
    SOURCE_ID,
    TEXT,
    TEXTS,
    Column,
    Table,
    endpoints,
)

DNS = Table(
    "dns",
    "DNS questions with their answers",
    "one row per question; the answer is null when none was seen",
    (
        *endpoints("the question"),
        Column(
            "proto",
            TEXT,
            "udp or tcp, in lower case",
            names={"zeek": "proto", "eve": "proto", "ecs": "network.transport"},
        ),
        Column(
            "query",
            TEXT,
            "the name asked for, lower case, no final dot",
            trap="a resolver's own questions look like its clients'",
            names={
                "zeek": "query",
                "eve": "dns.rrname",
                "ocsf": "query.hostname",
                "ecs": "dns.question.name",
            },
        ),
        Column(
            "qtype",
            TEXT,
            "record type by name: A, AAAA, TXT, MX, ...",
            names={
                "zeek": "qtype_name",
                "eve": "dns.rrtype",
                "ocsf": "query.type",
                "ecs": "dns.question.type",
            },
        ),
        Column(
            "rcode",
            TEXT,
            "answer code by name: NOERROR, NXDOMAIN, SERVFAIL, REFUSED, ...",
            trap="null: no answer was seen",
            names={
                "zeek": "rcode_name",
                "eve": "dns.rcode",
                "ocsf": "rcode",
                "ecs": "dns.response_code",
            },
        ),
        Column(
            "answers",
            TEXTS,
            "addresses and names answered, as text",
            names={
                "zeek": "answers",
                "eve": "dns.answers[].rdata",
                "ocsf": "answers[].rdata",
                "ecs": "dns.answers.data",
            },
        ),
        Column(
            "ttls",
            REALS,
            "time to live of each answer",
            unit="s",
            names={
                "zeek": "TTLs",
                "eve": "dns.answers[].ttl",
                "ocsf": "answers[].ttl",
                "ecs": "dns.answers.ttl",
            },
        ),
        Column("rtt", REAL, "question to answer", unit="s", names={"zeek": "rtt"}),
        SOURCE_ID,
        *SIDES,
    ),
)
