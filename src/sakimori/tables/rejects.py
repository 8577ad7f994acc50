"""Lines that could not be read: kept, with the reason."""

from __future__ import annotations

from sakimori.tables._schema import LONG, SOURCE_ID, TEXT, Column, Table

REJECTS = Table(
    "rejects",
    "Lines and records that could not be read",
    "one row per line or record",
    (
        Column("path", TEXT, "the file"),
        Column("line", LONG, "line, or record number in a binary file; from 1"),
        Column("reason", TEXT, "what is wrong"),
        Column(
            "text", TEXT, "the line, made visible and cut to 200 characters", trap="hostile text"
        ),
        SOURCE_ID,
    ),
    key=("source_id", "line"),
)
