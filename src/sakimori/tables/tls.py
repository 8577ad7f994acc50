"""TLS handshakes: names, fingerprints, the certificate shown."""

from __future__ import annotations

from sakimori.tables._schema import (
    FLAG,
    SIDES,
    SOURCE_ID,
    TEXT,
    TEXTS,
    TIME,
    Column,
    Table,
    endpoints,
)

TLS = Table(
    "tls",
    "TLS handshakes",
    "one row per handshake",
    (
        *endpoints("the handshake"),
        Column(
            "version",
            TEXT,
            "TLSv12, TLSv13, ... as the sensor says",
            names={
                "zeek": "version",
                "eve": "tls.version",
                "ocsf": "tls.version",
                "ecs": "tls.version",
            },
        ),
        Column(
            "cipher",
            TEXT,
            "cipher suite by name",
            names={"zeek": "cipher", "ocsf": "tls.cipher", "ecs": "tls.cipher"},
        ),
        Column(
            "server_name",
            TEXT,
            "SNI, lower case",
            trap="null with encrypted client hello and for bare addresses",
            names={
                "zeek": "server_name",
                "eve": "tls.sni",
                "ocsf": "tls.sni",
                "ecs": "tls.client.server_name",
            },
        ),
        Column(
            "alpn",
            TEXT,
            "application protocol agreed",
            names={"zeek": "next_protocol", "eve": "tls.alpn_tc", "ecs": "tls.next_protocol"},
        ),
        Column(
            "ja3",
            TEXT,
            "MD5 of the client hello's fields",
            trap="browsers shuffle extensions since 2023: noise for them; prefer ja4",
            names={
                "zeek": "ja3",
                "eve": "tls.ja3.hash",
                "ocsf": "tls.ja3_hash.value",
                "ecs": "tls.client.ja3",
            },
        ),
        Column(
            "ja3s",
            TEXT,
            "MD5 of the server hello's fields",
            names={
                "zeek": "ja3s",
                "eve": "tls.ja3s.hash",
                "ocsf": "tls.ja3s_hash.value",
                "ecs": "tls.server.ja3s",
            },
        ),
        Column(
            "ja4",
            TEXT,
            "JA4 client fingerprint",
            names={
                "zeek": "ja4",
                "eve": "tls.ja4",
                "ocsf": "tls.ja4_fingerprint_list",
                "ecs": "tls.client.ja4",
            },
        ),
        Column(
            "subject",
            TEXT,
            "subject of the server's certificate",
            names={
                "zeek": "subject",
                "eve": "tls.subject",
                "ocsf": "tls.certificate.subject",
                "ecs": "tls.server.subject",
            },
        ),
        Column(
            "issuer",
            TEXT,
            "its issuer",
            names={
                "zeek": "issuer",
                "eve": "tls.issuerdn",
                "ocsf": "tls.certificate.issuer",
                "ecs": "tls.server.issuer",
            },
        ),
        Column(
            "not_before",
            TIME,
            "valid from",
            names={"eve": "tls.notbefore", "ecs": "tls.server.not_before"},
        ),
        Column(
            "not_after",
            TIME,
            "valid until",
            names={"eve": "tls.notafter", "ecs": "tls.server.not_after"},
        ),
        Column(
            "cert_hashes",
            TEXTS,
            "fingerprints of the server's chain, leaf first, lower hex",
            trap="SHA-256 from Zeek, SHA-1 from Suricata",
            names={
                "zeek": "cert_chain_fps",
                "eve": "tls.fingerprint",
                "ocsf": "tls.certificate.fingerprints",
                "ecs": "tls.server.hash",
            },
        ),
        Column(
            "established",
            FLAG,
            "the handshake was completed",
            names={"zeek": "established", "ecs": "tls.established"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
