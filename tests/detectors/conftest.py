"""Rows of small networks, and one DuckDB to run detectors over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest

from sakimori import detectors, tables
from sakimori.detectors._prevalence import prevalence
from sakimori.engine.compiled import Compiled
from sakimori.tables import ALL, CORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sakimori.detectors import Detector

Row = dict[str, Any]

START_US = 1_750_000_000_000_000  # 2025-06-15T15:06:40Z
FILLED_IN = {  # what a row of a table has unless a test says otherwise
    "conn": {"proto": "tcp", "dst_port": 443, "state": "SF", "dst_pkts": 5},
    "tls": {"dst_port": 443},
    "http": {"dst_port": 80, "method": "GET", "uri": "/"},
    "dns": {"dst_ip": "10.0.0.53", "dst_port": 53, "qtype": "A", "rcode": "NOERROR"},
    "indicator": {"source": "list-a", "confidence": 0.8, "sinkhole": False},
}


def is_inside(address: str | None) -> bool | None:
    """Inside is 10/8; multicast is neither inside nor outside."""
    if address is None or address.startswith("224."):
        return None
    return address.startswith("10.")


def row_of(table: str, at: float = 0.0, **columns: Any) -> Row:
    """One row `at` seconds after START."""
    row = {**FILLED_IN.get(table, {}), **columns}
    if "ts" in ALL[table].types:
        row.setdefault("ts", START_US + round(at * 1e6))
        row.setdefault("uid", f"{row.get('src_ip')}@{at:.3f}")
    for side in ("src", "dst"):
        if f"{side}_inside" in ALL[table].types:
            row.setdefault(f"{side}_inside", is_inside(row.get(f"{side}_ip")))
    return row


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    """`row(table, at, **columns)`: one row, `at` seconds after the start."""
    return row_of


@pytest.fixture(scope="session")
def calls() -> Callable[..., list[Row]]:
    """`calls(host, peer, port, gaps_s)`: connections at the start and then after each gap."""

    def make(
        host: str, peer: str, port: int, gaps_s: Iterable[float], begin: float = 0.0, **more: Any
    ) -> list[Row]:
        return [
            row_of("conn", at, src_ip=host, dst_ip=peer, dst_port=port, **more)
            for at in accumulate(gaps_s, initial=begin)
        ]

    return make


@dataclass
class Hunt:
    """Runs detectors over rows. A detector's SQL is written once in all tests for each setting."""

    ibis: Any
    sql: Compiled = field(repr=False)
    empty: set[str] = field(default_factory=set, repr=False)
    known: set[Any] = field(default_factory=set, repr=False)

    def __call__(self, detector: Detector, config: Any = None, **tables: list[Row]) -> list[Row]:
        """Return the findings, strongest first. Tables that are not named are empty."""
        for name in ALL:
            if name not in ("prevalence", "finding", "rejects"):
                self.give(name, tables.get(name, ()))
        if "prevalence" in detector.READS:  # counting takes as long as many a detector
            counted = tables["prevalence"] if "prevalence" in tables else self.prevalence()
            self.give("prevalence", counted)
        declared = ibis.schema({**CORE, **detector.DETAILS}).to_pyarrow()
        found = self.run(self.sql_of(detector, config or detector.Config())).cast(declared)
        return sorted(found.to_pylist(), key=lambda f: (-f["score"], f["host"], f["peer"] or ""))

    def sql_of(self, detector: Detector, settings: Any) -> str:
        """Return the SQL of a detector, whose functions DuckDB then knows."""
        for function, kind in getattr(detector, "FUNCTIONS", {}).items():
            if function not in self.known:
                self.ibis.to_pyarrow(function(ibis.null(kind)).isnull())
                self.known.add(function)

        def expression() -> Any:
            given = {n: self.ibis.table(n).select(*c) for n, c in detector.READS.items()}
            return detector.detect(**given, config=settings)

        return self.sql.sql(f"{detector.NAME} {settings!r}", expression)

    def prevalence(self) -> list[Row]:
        """Return the table `prevalence` of the rows given last."""

        def expression() -> Any:
            return prevalence(*(self.ibis.table(name) for name in ("conn", "tls", "http", "dns")))

        rows: list[Row] = self.run(self.sql.sql("prevalence", expression)).to_pylist()
        return rows

    def give(self, name: str, rows: Iterable[Row]) -> None:
        """Make the rows the content of a table; columns they lack are null."""
        # Most tables are empty in most tests, and making one takes DuckDB several ms.
        listed = list(rows)
        if not listed and name in self.empty:
            return
        schema = ibis.schema(ALL[name].types).to_pyarrow()
        # A table, no view of Arrow rows: DuckDB hands those filters on times that need pytz.
        self.ibis.con.register("given_rows", pa.Table.from_pylist(listed, schema=schema))
        self.ibis.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given_rows")
        self.ibis.con.unregister("given_rows")
        (self.empty.discard if listed else self.empty.add)(name)

    def run(self, sql: str) -> pa.Table:
        """Return the rows of a query."""
        return self.ibis.con.execute(sql).to_arrow_table()


@pytest.fixture(scope="session")
def hunt() -> Iterator[Hunt]:
    """`hunt(detector, config, conn=[...], dns=[...])`: the findings as dicts, strongest first."""
    # Two threads and no order kept, as in the field: a tie that decides something shows.
    backend = ibis.duckdb.connect(threads=2, preserve_insertion_order=False)
    backend.con.execute("SET TimeZone='UTC'")
    sources = [
        f for one in (detectors, tables) for f in Path(str(one.__file__)).parent.glob("*.py")
    ]
    # With this file, so that the folder's SQL is of the tables below and not of a workspace's.
    runner = Hunt(backend, Compiled([*sources, Path(__file__)]))
    for name in ALL:
        runner.give(name, ())
    yield runner
    backend.disconnect()
