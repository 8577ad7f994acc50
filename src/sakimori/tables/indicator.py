"""What others know: addresses, names, URLs, hashes and fingerprints of bad things."""

from __future__ import annotations

from sakimori.tables._schema import FLAG, INT, REAL, TEXT, TIME, Column, Table

INDICATOR = Table(
    "indicator",
    "Indicators the user imported",
    "one row per kind, value, port and source",
    (
        Column("kind", TEXT, "address, cidr, name, url, md5, sha1, sha256, ja3, ja4, mail"),
        Column("value", TEXT, "in the form the tables use: canonical address, lower-case name"),
        Column("port", INT, "only on this port; null: on any"),
        Column("source", TEXT, "who says so"),
        Column("family", TEXT, "malware family, where the source names one"),
        Column("label", TEXT, "the source's own words", trap="hostile text"),
        Column("confidence", REAL, "0..1, as the source rates it; 0.5 where it does not"),
        Column(
            "sinkhole",
            FLAG,
            "the address or name belongs to a sinkhole: callers are bots,"
            " but nobody commands them there",
        ),
        Column("first_seen", TIME, "when the source first saw it"),
        Column("expires", TIME, "not used after this; null: never"),
        Column("tlp", TEXT, "clear, green, amber, amber+strict, red; null: not said"),
    ),
    key=("kind", "value", "port", "source"),
)
