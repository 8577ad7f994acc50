"""The vocabulary: every table's columns with type, meaning, unit and trap.

To add a column: one `Column` in its table's file. Readers that have it fill it, the rest leave it
null; the reference page, the lake's files and the checks follow from the declaration.
"""

from __future__ import annotations

from sakimori.tables._schema import Column, Table
from sakimori.tables.alert import ALERT
from sakimori.tables.cert import CERT
from sakimori.tables.conn import CONN
from sakimori.tables.dns import DNS
from sakimori.tables.event import CATEGORIES, EVENT, WAYS
from sakimori.tables.files import FILES
from sakimori.tables.finding import CORE, EVIDENCE_LIMIT, FINDING
from sakimori.tables.http import HTTP
from sakimori.tables.indicator import INDICATOR
from sakimori.tables.irc import IRC
from sakimori.tables.mail import MAIL
from sakimori.tables.pdns import PDNS
from sakimori.tables.prevalence import PREVALENCE
from sakimori.tables.rejects import REJECTS
from sakimori.tables.sinkhole import SINKHOLE
from sakimori.tables.ssh import SSH
from sakimori.tables.tls import TLS
from sakimori.tables.tool_run import TOOL_RUN

TELEMETRY: dict[str, Table] = {
    t.name: t
    for t in (
        CONN, DNS, HTTP, TLS, CERT, MAIL, IRC, SSH, FILES, ALERT, EVENT, PDNS, SINKHOLE, TOOL_RUN
    )
}  # fmt: skip
ALL: dict[str, Table] = TELEMETRY | {t.name: t for t in (REJECTS, PREVALENCE, INDICATOR, FINDING)}

__all__ = [
    "ALL",
    "CATEGORIES",
    "CORE",
    "EVENT",
    "EVIDENCE_LIMIT",
    "FINDING",
    "INDICATOR",
    "PDNS",
    "PREVALENCE",
    "REJECTS",
    "TELEMETRY",
    "TOOL_RUN",
    "WAYS",
    "Column",
    "Table",
]
