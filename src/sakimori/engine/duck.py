"""DuckDB through ibis: the lake's tables as views, with memory bounded and spilling to disk."""

from __future__ import annotations

from contextlib import contextmanager
from ipaddress import IPv4Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import pyarrow as pa

from sakimori.errors import EngineError
from sakimori.tables import ALL, REJECTS, TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sakimori.tables import Table


# Multicast, broadcast and unspecified addresses are no hosts: neither inside nor outside.
_NO_HOST = (
    "coalesce(n = 0 OR n >= 3758096384 AND (n < 4026531840 OR n = 4294967295), false)"
    " OR starts_with(lower(ip), 'ff') AND contains(ip, ':') OR ip = '::'"
)


class Duck:
    """One connection. Tables of the vocabulary are views over the parts it was given."""

    def __init__(self, memory: str, threads: int, spill: Path | None) -> None:
        """Open an in-memory database that may use `memory` and spills to the folder `spill`."""
        config: dict[str, Any] = {"memory_limit": memory, "preserve_insertion_order": False}
        if threads:
            config["threads"] = threads
        if spill is not None:
            config["temp_directory"] = str(spill)
        with _as_engine_error():
            self.ibis = ibis.duckdb.connect(":memory:", **config)
        self.raw = self.ibis.con
        self.raw.execute("SET TimeZone='UTC'")
        self.raw.execute("SET enable_progress_bar=false")

    def close(self) -> None:
        """Let go of memory and spilled files."""
        self.ibis.disconnect()

    def open_lake(
        self,
        files: Mapping[str, Sequence[str]],
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        """Make a view `stored_<table>` of each telemetry table from its Parquet files.

        A table without files is an empty view with the declared columns.
        """
        for table in (*TELEMETRY.values(), REJECTS):
            self._view_of_files(table, files.get(table.name, ()), since, until)

    def mark_inside(self, internal: Iterable[str]) -> None:
        """Make the views `<table>` with src_inside and dst_inside for these networks."""
        networks = [ip_network(cidr) for cidr in internal]
        self._make_addresses(networks)
        for table in TELEMETRY.values():
            sides = [c.name for c in table.columns if c.derived]
            if not sides:
                self.execute(f"CREATE VIEW {table.name} AS FROM stored_{table.name}")
                continue
            self.execute(
                f"CREATE VIEW {table.name} AS SELECT t.*,"
                " s.inside AS src_inside, d.inside AS dst_inside"
                f" FROM stored_{table.name} t LEFT JOIN address s ON t.src_ip = s.ip"
                " LEFT JOIN address d ON t.dst_ip = d.ip"
            )
        self.execute("CREATE VIEW rejects AS FROM stored_rejects")
        for name in (*TELEMETRY, "rejects"):
            self._plainly(name)

    def inside_sources(self) -> int:
        """Return how many inside hosts sent anything."""
        (count,) = self.query("SELECT count(*) FROM address WHERE inside AND sent").fetchone()
        return int(count)

    def rows_of(self, table: str, uids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows with these uids: the table's name and the columns that hold data."""
        found = self.query(
            f"SELECT * FROM {table} WHERE list_contains(?::VARCHAR[], uid) ORDER BY ts LIMIT 50",
            [list(uids)],
        )
        rows = found.to_arrow_table().to_pylist()
        return [
            {"table": table} | {name: value for name, value in row.items() if value is not None}
            for row in rows
        ]

    def ask(self, question: str, lake: Path) -> pa.Table:
        """Answer one SELECT. Other statements, files outside the lake and settings are refused.

        Raises EngineError.
        """
        with _as_engine_error():
            statements = duckdb.extract_statements(question)
        kinds = {statement.type.name for statement in statements}
        if len(statements) != 1 or kinds != {"SELECT"}:  # EXPLAIN ANALYZE carries out a COPY
            raise EngineError(
                "only one SELECT is answered here; nothing can be changed",
                hint='such as "SELECT dst_ip, count(*) FROM conn GROUP BY 1"',
            )
        self.execute(f"SET allowed_directories=[{_quoted(str(lake.resolve()) + '/')}]")
        self.execute("SET enable_external_access=false")
        self.execute("SET lock_configuration=true")
        with _as_engine_error():
            return self.raw.execute(question).to_arrow_table()

    def table(self, name: str) -> ibis.Table:
        """Return a table of the vocabulary, with its declared columns, lazily.

        Its times are plain ones, in UTC: arithmetic on times with a zone costs up to 3 µs a row.
        """
        return self.ibis.table(f"plain_{name}").select(*ALL[name].types)

    def _plainly(self, name: str) -> None:
        """Make the view `plain_<name>` of a table, for `table`."""
        if name not in ALL:
            return
        times = [c for c, kind in ALL[name].types.items() if kind.startswith("timestamp")]
        plain = ", ".join(f'make_timestamp(epoch_us("{c}")) AS "{c}"' for c in times)
        columns = f"* REPLACE ({plain})" if times else "*"
        self.execute(f"CREATE OR REPLACE VIEW plain_{name} AS SELECT {columns} FROM {name}")

    def keep(self, name: str, sql: str) -> None:
        """Compute what SQL of our own says once and keep it as a table of this name."""
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        self._plainly(name)

    def give(self, name: str, rows: pa.Table) -> None:
        """Keep Arrow rows as a table of this name."""
        self.raw.register("given_rows", rows)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given_rows")
        self.raw.unregister("given_rows")
        self._plainly(name)

    def arrow(self, expression: ibis.Table) -> pa.Table:
        """Compute an expression."""
        with _as_engine_error():
            return expression.to_pyarrow()

    def arrow_of(self, sql: str) -> pa.Table:
        """Compute what SQL of our own says, such as that of an expression."""
        with _as_engine_error():
            return self.raw.execute(sql).to_arrow_table()

    def learn(self, function: Callable[[Any], Any], kind: str) -> None:
        """Make a function of one value known to the engine, for SQL that names it.

        ibis does so when it computes an expression with the function in it.
        """
        with _as_engine_error():
            self.ibis.to_pyarrow(function(ibis.null(kind)).isnull())

    def execute(self, sql: str) -> None:
        """Run one statement. Raises EngineError."""
        with _as_engine_error():
            self.raw.execute(sql)

    def query(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Run one query; the answer has fetchone, fetchall, arrow. Raises EngineError."""
        with _as_engine_error():
            return self.raw.execute(sql, values)

    def _view_of_files(
        self,
        table: Table,
        files: Sequence[str],
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        columns = ", ".join(f'"{c.name}"' for c in table.stored)
        if not files:
            # A table, no view of Arrow rows: DuckDB hands those filters on times that need pytz.
            self.raw.register("given_rows", table.arrow().empty_table())
            self.execute(f"CREATE TEMP TABLE stored_{table.name} AS FROM given_rows")
            self.raw.unregister("given_rows")
            return
        listed = ", ".join(_quoted(file) for file in files)
        where = [
            f"ts {sign} TIMESTAMPTZ {_quoted(time.isoformat())}"
            for sign, time in ((">=", since), ("<", until))
            if time is not None and "ts" in table.types
        ]
        self.execute(
            f"CREATE VIEW stored_{table.name} AS SELECT {columns}"
            f" FROM read_parquet([{listed}], hive_partitioning=false, union_by_name=false)"
            + (f" WHERE {' AND '.join(where)}" if where else "")
        )

    def _make_addresses(self, networks: Sequence[Any]) -> None:
        """Work out once per distinct address, not per row, whether it is inside."""
        tables = [t for t in TELEMETRY.values() if "src_ip" in t.types]
        every = " UNION ALL ".join(
            f"SELECT DISTINCT {side} AS ip, {side == 'src_ip' and not table.told} AS sent"
            f" FROM stored_{table.name}"
            for table in tables
            for side in ("src_ip", "dst_ip")
        )
        ranges = " OR ".join(
            f"n BETWEEN {int(net.network_address)} AND {int(net.broadcast_address)}"
            for net in networks
            if isinstance(net, IPv4Network)
        )
        self.execute(
            "CREATE TEMP TABLE address AS WITH distinct_ip AS"
            f" (SELECT ip, bool_or(sent) AS sent FROM ({every}) WHERE ip IS NOT NULL GROUP BY ip),"
            " numbered AS (SELECT ip, sent, CASE WHEN regexp_full_match(ip, '[0-9]{1,3}([.][0-9]{1,3}){3}')"
            " THEN split_part(ip,'.',1)::BIGINT * 16777216 + split_part(ip,'.',2)::BIGINT * 65536"
            " + split_part(ip,'.',3)::BIGINT * 256 + split_part(ip,'.',4)::BIGINT END AS n"
            f" FROM distinct_ip) SELECT ip, sent, CASE WHEN {_NO_HOST} THEN NULL"
            f" ELSE coalesce({ranges or 'false'}, false) END AS inside FROM numbered"
        )
        six = [net for net in networks if not isinstance(net, IPv4Network)]
        if six:
            self._mark_ipv6(six)

    def _mark_ipv6(self, networks: Sequence[Any]) -> None:
        found = self.query("SELECT ip FROM address WHERE contains(ip, ':')")
        inside = [
            ip
            for (ip,) in found.fetchall()
            if (known := _address(ip)) and any(known in net for net in networks)
        ]
        self.raw.register("given_rows", pa.table({"ip": pa.array(inside, pa.string())}))
        self.execute(
            "UPDATE address SET inside = true"
            " WHERE inside IS NOT NULL AND ip IN (SELECT ip FROM given_rows)"
        )
        self.raw.unregister("given_rows")


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _as_engine_error() -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineError(
            "the database ran out of the memory it was given",
            hint="raise [engine] memory in sakimori.toml, or free disk space in the workspace",
        ) from error
    except duckdb.Error as error:
        raise EngineError(str(error).splitlines()[0], hint="see `sakimori tables`") from error
