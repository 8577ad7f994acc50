"""What a table is: columns with type, meaning, unit and trap. Everything else derives from this."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TIME = "timestamp('UTC', 6)"
TEXT = "string"
REAL = "float64"
LONG = "int64"
INT = "int32"
FLAG = "boolean"
TEXTS = "array<string>"
REALS = "array<float64>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ibis type, what it means, and how other formats call it.

    `names` maps a foreign vocabulary ("zeek", "eve", "ipfix", "ocsf", "ecs", for abuse events
    "shadowserver", "intelmq", "n6", "xarf", "cof") to that vocabulary's field. A `derived` column is not stored: the engine computes it when the table is read.
    """

    name: str
    type: str
    meaning: str
    unit: str = ""
    trap: str = ""
    names: dict[str, str] = field(default_factory=dict)
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the vocabulary. `key` names the columns that identify a row.

    `told`: others say so. Its addresses are not traffic that our sensors saw.
    """

    name: str
    meaning: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("uid",)
    told: bool = False

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that lie in the lake."""
        return tuple(c for c in self.columns if not c.derived)

    @property
    def types(self) -> dict[str, str]:
        """Column name to ibis type, derived columns included."""
        return {c.name: c.type for c in self.columns}

    def arrow(self) -> pa.Schema:
        """Return the Arrow schema of the stored columns."""
        import ibis  # noqa: PLC0415 - slow to import, and `sakimori --help` must not wait for it

        return ibis.schema({c.name: c.type for c in self.stored}).to_pyarrow()


def endpoints(service: str) -> tuple[Column, ...]:
    """Return the columns that every table about a connection starts with."""
    return (
        Column(
            "ts",
            TIME,
            f"when {service} was seen",
            unit="µs since 1970, UTC",
            trap="a source with relative times starts at 1970-01-01",
            names={
                "zeek": "ts",
                "eve": "timestamp",
                "ipfix": "flowStartMicroseconds",
                "ocsf": "time",
                "ecs": "@timestamp",
            },
        ),
        Column(
            "uid",
            TEXT,
            "joins the rows of one connection across tables",
            trap="where the source has no id: `file:line`",
            names={
                "zeek": "uid",
                "eve": "flow_id",
                "ocsf": "connection_info.uid",
                "ecs": "network.community_id",
            },
        ),
        Column(
            "src_ip",
            TEXT,
            "address that opened the connection",
            trap="behind NAT one address is many machines",
            names={
                "zeek": "id.orig_h",
                "eve": "src_ip",
                "ipfix": "sourceIPv4Address",
                "ocsf": "src_endpoint.ip",
                "ecs": "source.ip",
            },
        ),
        Column(
            "src_port",
            INT,
            "its port; the ICMP type for ICMP",
            names={
                "zeek": "id.orig_p",
                "eve": "src_port",
                "ipfix": "sourceTransportPort",
                "ocsf": "src_endpoint.port",
                "ecs": "source.port",
            },
        ),
        Column(
            "dst_ip",
            TEXT,
            "address that was called",
            trap="behind a proxy this is the proxy",
            names={
                "zeek": "id.resp_h",
                "eve": "dest_ip",
                "ipfix": "destinationIPv4Address",
                "ocsf": "dst_endpoint.ip",
                "ecs": "destination.ip",
            },
        ),
        Column(
            "dst_port",
            INT,
            "its port; the ICMP code for ICMP",
            names={
                "zeek": "id.resp_p",
                "eve": "dest_port",
                "ipfix": "destinationTransportPort",
                "ocsf": "dst_endpoint.port",
                "ecs": "destination.port",
            },
        ),
    )


SOURCE_ID = Column("source_id", TEXT, "the imported file the row came from; see `sources`")
SIDES = (
    Column(
        "src_inside",
        FLAG,
        "src_ip is in the internal ranges of this run",
        trap="null for multicast, broadcast and unspecified addresses",
        derived=True,
    ),
    Column(
        "dst_inside",
        FLAG,
        "dst_ip is in the internal ranges of this run",
        trap="null for multicast, broadcast and unspecified addresses",
        derived=True,
    ),
)
