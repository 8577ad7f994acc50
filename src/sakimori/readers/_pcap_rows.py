"""Rows collected by table and given out as Arrow batches."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sakimori.readers._contract import Rows, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._packets import Packet

BATCH_ROWS = 50_000

Row = dict[str, Any]


class Sink:
    """Takes rows as dictionaries, gives batches of at most `BATCH_ROWS`."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether it is time to call `batches`."""
        return self._count >= BATCH_ROWS

    def add(self, table: str, row: Row) -> None:
        """Keep a row: columns by name, times in µs since 1970; missing columns are null."""
        self._rows.setdefault(table, []).append(row)
        self._count += 1

    def batches(self) -> Iterator[Rows]:
        """Give everything kept, and forget it."""
        rows, self._rows, self._count = self._rows, {}, 0
        for table in sorted(rows):
            for begin in range(0, len(rows[table]), BATCH_ROWS):
                yield Rows(table, _batch(table, rows[table][begin : begin + BATCH_ROWS]))


def _batch(table: str, rows: list[Row]) -> pa.RecordBatch:
    schema = schema_of(table)
    return pa.RecordBatch.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in schema],
        schema=schema,
    )


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes rows about one connection: its id and both ends go into each."""

    sink: Sink
    ends: Row  # uid, src_ip, src_port, dst_ip, dst_port

    def row(self, table: str, time: int, columns: Row) -> None:
        """Add a row of `table` with this time (µs since 1970) and these columns."""
        self.sink.add(table, {"ts": time, **self.ends, **columns})


@lru_cache(maxsize=65_536)
def address(packed: bytes) -> str:
    """Return the canonical text of 4 or 16 bytes."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def ends(uid: str, packet: Packet, *, as_sent: bool) -> Row:
    """Return the id and both ends; `as_sent`: the packet's sender is the caller."""
    caller, called = (packet.src, packet.sport), (packet.dst, packet.dport)
    if not as_sent:
        caller, called = called, caller
    return {
        "uid": uid,
        "src_ip": address(caller[0]),
        "src_port": caller[1] if caller[1] >= 0 else None,
        "dst_ip": address(called[0]),
        "dst_port": called[1] if called[1] >= 0 else None,
    }
