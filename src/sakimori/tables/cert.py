"""Certificates as the sensor parsed them (Zeek x509)."""

from __future__ import annotations

from sakimori.tables._schema import FLAG, SOURCE_ID, TEXT, TEXTS, TIME, Column, Table

CERT = Table(
    "cert",
    "Certificates seen",
    "one row per certificate and log",
    (
        Column("ts", TIME, "when it was seen", unit="µs since 1970, UTC", names={"zeek": "ts"}),
        Column(
            "uid",
            TEXT,
            "the sensor's id of the certificate or file",
            names={"zeek": "fingerprint or id"},
        ),
        Column(
            "subject",
            TEXT,
            "who it is for",
            names={"zeek": "certificate.subject", "ecs": "x509.subject.distinguished_name"},
        ),
        Column(
            "issuer",
            TEXT,
            "who signed it",
            names={"zeek": "certificate.issuer", "ecs": "x509.issuer.distinguished_name"},
        ),
        Column(
            "serial",
            TEXT,
            "serial number, hex",
            names={"zeek": "certificate.serial", "ecs": "x509.serial_number"},
        ),
        Column(
            "not_before",
            TIME,
            "valid from",
            names={"zeek": "certificate.not_valid_before", "ecs": "x509.not_before"},
        ),
        Column(
            "not_after",
            TIME,
            "valid until",
            names={"zeek": "certificate.not_valid_after", "ecs": "x509.not_after"},
        ),
        Column(
            "names",
            TEXTS,
            "DNS names it holds for",
            names={"zeek": "san.dns", "ecs": "x509.alternative_names"},
        ),
        Column(
            "sha256",
            TEXT,
            "fingerprint, lower hex",
            names={"zeek": "fingerprint", "ecs": "tls.server.hash.sha256"},
        ),
        Column("self_signed", FLAG, "subject and issuer are the same"),
        SOURCE_ID,
    ),
)
