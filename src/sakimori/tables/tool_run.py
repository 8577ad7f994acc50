"""Runs of a tool that looks for malware on a machine: the ground of infection rates."""

from __future__ import annotations

from sakimori.tables._schema import LONG, REAL, SOURCE_ID, TEXT, TEXTS, TIME, Column, Table

TOOL_RUN = Table(
    "tool_run",
    "Runs of scan, clean and guard on machines, those that found nothing included",
    "one row per run of one tool on one machine",
    (
        Column("ts", TIME, "when the run began", unit="µs since 1970, UTC"),
        Column("uid", TEXT, "the run's own id", trap="where a file has none: `file:line`"),
        Column(
            "machine",
            TEXT,
            "the machine's name, of [machine] name or the system",
            trap="cloned machines may share one",
            names={"ecs": "host.name"},
        ),
        Column(
            "country",
            TEXT,
            "two capital letters, of [machine] country",
            trap="null: nobody said",
            names={"ecs": "host.geo.country_iso_code"},
        ),
        Column("product", TEXT, "the operating system", names={"ecs": "host.os.name"}),
        Column("version", TEXT, "the operating system's version", names={"ecs": "host.os.version"}),
        Column("managed", TEXT, "managed (by an organisation), home or unknown"),
        Column("tool", TEXT, "scan, clean or guard"),
        Column("definitions", TEXT, "version of the definitions that were used"),
        Column("scanned", LONG, "files looked at", trap="files known from a cache count too"),
        Column(
            "found",
            LONG,
            "files with a finding",
            trap="0 is a result; a run that did not finish has no row",
        ),
        Column("cleaned", LONG, "files and settings put right", trap="0 for a scan alone"),
        Column("families", TEXTS, "families found, each once", trap="hostile text"),
        Column("seconds", REAL, "how long the run took", unit="s"),
        SOURCE_ID,
    ),
)
