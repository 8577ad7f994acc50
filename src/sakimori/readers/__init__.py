"""A log format in, rows of our tables out: one file per format.

To add one: write `<format>.py` with NAME, TITLE, WRITES, GROWS, `recognises` and `read` (copy
`zeek_tsv.py`), list it in BUILTIN, add `tests/readers/test_<format>.py`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from sakimori.readers import (
    argus,
    bind_query,
    dnstap,
    exchange,
    exim,
    intelmq_json,
    n6_json,
    nfcapd,
    nfdump_csv,
    nfdump_json,
    nginx_sinkhole,
    pcap,
    pdns_cof,
    postfix,
    shadowserver,
    sinkhole_log,
    suricata_eve,
    table_csv,
    table_parquet,
    unbound_replies,
    xarf,
    zeek_json,
    zeek_tsv,
)
from sakimori.readers._contract import Options, Reader, Reject, Rows, conform, schema_of
from sakimori.readers._source import Block, Source, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BUILTIN",
    "Block",
    "Options",
    "Reader",
    "Reject",
    "Rows",
    "Source",
    "conform",
    "load_all",
    "name_of",
    "recognise",
    "schema_of",
]

# The order is the order of asking: the strictest first, the generic ones last.
BUILTIN: tuple[Reader, ...] = (
    pcap,
    nfcapd,
    dnstap,
    zeek_tsv,
    sinkhole_log,
    nginx_sinkhole,
    suricata_eve,
    zeek_json,
    exchange,
    shadowserver,
    argus,
    nfdump_csv,
    nfdump_json,
    xarf,
    intelmq_json,
    n6_json,
    pdns_cof,
    postfix,
    exim,
    bind_query,
    unbound_replies,
    table_parquet,
    table_csv,
)


def load_all() -> dict[str, Reader]:
    """Return every reader by name: ours, then those of installed plugins.

    Raises:
        ValueError: two readers have one name.
    """
    plugins = [point.load() for point in entry_points(group="sakimori.readers")]
    found: dict[str, Reader] = {}
    for reader in (*BUILTIN, *plugins):
        if reader.NAME in found:
            raise ValueError(f"two readers are named {reader.NAME!r}")
        found[reader.NAME] = reader
    return found


def recognise(source: Source, readers: Sequence[Reader], options: Options) -> Reader | None:
    """Return the first reader that knows the content, or whose column map fits it, or None."""
    for reader in readers:
        if reader.recognises(source):
            return reader
    mapped = (table_csv, table_parquet)
    return next((reader for reader in mapped if reader.fits(source, options)), None)
