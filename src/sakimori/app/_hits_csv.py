"""A sinkhole's hits from CSV: what counts, what does not and why, and codes instead of texts.

DuckDB reads, so memory stays bounded whatever the file's size. Identifiers become numbers at once: none is
printed or kept.
"""

# ruff: noqa: S608 - its SQL is made of its own words and of column names that it quotes

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from sakimori.errors import ConfigError, SourceError
from sakimori.takedown.size import Hits

if TYPE_CHECKING:
    from collections.abc import Sequence

REASONS = ("unreadable", "resolver", "no_handshake", "scanner")
_HANDSHAKE = ("established", "handshake", "handshake_done")
_MARKS = ("fingerprint", "ja4", "user_agent")
_NO = "('0', 'false', 'f', 'no', 'n', 'off', '-')"
_YES = "('1', 'true', 't', 'yes', 'y', 'on')"
# What survey scanners call themselves, as they say on their own pages.
_CRAWLERS = "zgrab|masscan|nmap|censys|shodan|expanse|internet-measurement|shadowserver|nuclei"
_MANY_NAMES = 50  # an address that asks for so many, and 20 times as many as others, looks around
_IPV4 = r"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"


@dataclass(frozen=True, slots=True)
class Read:
    """Hits of each file, rows left out by reason, and where the first unreadable rows are."""

    hits: tuple[Hits, ...]
    rows: int
    excluded: dict[str, int]
    unreadable: tuple[tuple[str, str], ...]  # path:line, reason


def read_hits(
    files: Sequence[Path], established: Sequence[str] = (), scanners: Sequence[str] = ()
) -> Read:
    """Return the hits of one or two files. `established` names columns that must be true.

    `scanners` are networks, or files with one on each line. Raises SourceError where a file cannot be read,
    lacks a column or has no row that counts; ConfigError for a network that is none.
    """
    nets = _networks(scanners)
    with tempfile.TemporaryDirectory(prefix="sakimori-") as spill:
        con = duckdb.connect(":memory:", config={"memory_limit": "600MB", "temp_directory": spill})
        try:
            con.execute("SET enable_progress_bar=false; SET TimeZone='UTC'")
            for number, path in enumerate(files):
                _load(con, number, path, established)
            _sort_out(con, nets)
            return _result(con, files)
        except duckdb.Error as error:
            raise _told(error, files) from error
        finally:
            con.close()


def _networks(given: Sequence[str]) -> list[Any]:
    nets = []
    for text in given:
        path = Path(text)
        lines = [text]
        if path.is_file():
            lines = [part.split("#")[0].strip() for part in path.read_text("utf-8").splitlines()]
        for number, line in enumerate(lines, 1):
            try:
                nets += [ip_network(line, strict=False)] if line else []
            except ValueError as error:
                where = f"{text}:{number}" if path.is_file() else ""
                raise ConfigError(
                    f"{line!r} is neither a network nor a file of networks",
                    where=where, hint="such as 192.0.2.0/24",
                ) from error  # fmt: skip
    return nets


def _load(con: duckdb.DuckDBPyConnection, number: int, path: Path, must: Sequence[str]) -> None:
    """Read a file into table `raw`, all of it as text."""
    if not path.is_file():
        raise SourceError("there is no such file", where=str(path))
    if not path.stat().st_size:
        raise SourceError("the file is empty", where=str(path), hint=_HINT)
    con.execute(
        "CREATE OR REPLACE TEMP VIEW scan AS SELECT *, row_number() OVER () + 1 AS line_ FROM"
        " read_csv(?, all_varchar=true, header=true, delim=',', quote='\"', escape='\"',"
        " null_padding=true, strict_mode=false)".replace(
            "?", "'" + str(path).replace("'", "''") + "'"
        )
    )
    described = con.execute("DESCRIBE scan").fetchall()
    columns = {str(row[0]).strip().lower(): str(row[0]) for row in described}
    missing = [name for name in ("time", "ip", *must) if name not in columns]
    if missing:
        raise SourceError(f"there is no column {missing[0]!r}", where=f"{path}:1", hint=_HINT)
    con.execute(
        ("CREATE TABLE raw AS " if number == 0 else "INSERT INTO raw ")
        + f"SELECT {number} AS source, line_ AS line, {_fields(columns, must)} FROM scan"
    )


_HINT = "the first line names the columns: time,ip,port,bot_id,asn"


def _fields(columns: dict[str, str], must: Sequence[str]) -> str:
    def text(*names: str) -> str:
        there = [_quoted(columns[name]) for name in names if name in columns]
        return f"nullif(trim(coalesce({', '.join(there)})), '')" if there else "NULL::VARCHAR"

    wanted = must or [name for name in _HANDSHAKE if name in columns]
    done = " AND ".join(f"lower(coalesce({text(name)}, '1')) NOT IN {_NO}" for name in wanted)
    return ", ".join(
        [
            f"{text('time')} AS time_text", f"{text('ip')} AS ip_text", f"{text('asn')} AS asn",
            f"{text('bot_id')} AS bot", f"{text(*_MARKS)} AS mark", f"{text('name')} AS name",
            f"lower(coalesce({text('service')}, '')) AS service",
            f"lower(coalesce({text('proto')}, '')) AS proto",
            f"coalesce(lower({text('scanner')}) IN {_YES}, false) AS flagged",
            f"coalesce({text('user_agent')}, '') AS agent", f"({done or 'true'}) AS done",
        ]
    )  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sort_out(con: duckdb.DuckDBPyConnection, nets: list[Any]) -> None:
    """Make `sorted`: every row with its time, address and, where it does not count, why."""
    wide = con.execute("SELECT DISTINCT ip_text FROM raw WHERE contains(ip_text, ':')").fetchall()
    pairs = [(text, *_household(text)) for (text,) in wide]
    con.register(
        "wide",
        pa.table(
            {"text": pa.array([p[0] for p in pairs], pa.string()),
             "ip": pa.array([p[1] for p in pairs], pa.string()),
             "scan": pa.array([any(p[2] in n for n in nets) for p in pairs], pa.bool_())}
        ),
    )  # fmt: skip
    four = [n for n in nets if n.version == 4]
    con.register(
        "nets",
        pa.table({"low": pa.array([int(n[0]) for n in four], pa.int64()),
                  "high": pa.array([int(n[-1]) for n in four], pa.int64())}),
    )  # fmt: skip
    part = "CAST(split_part(ip_text, '.', {}) AS BIGINT)"
    number = " + ".join(f"{part.format(i + 1)} * {256 ** (3 - i)}" for i in range(4))
    con.execute(
        "CREATE TABLE scanning AS SELECT DISTINCT ip_text FROM"
        f" (SELECT DISTINCT ip_text FROM raw WHERE regexp_full_match(ip_text, '{_IPV4}'))"
        f" JOIN nets ON {number} BETWEEN low AND high UNION ALL SELECT text FROM wide WHERE scan"
    )
    con.execute(
        "INSERT INTO scanning SELECT ip_text FROM (SELECT ip_text, count(DISTINCT name) AS names FROM raw"
        f" WHERE ip_text IS NOT NULL GROUP BY 1) QUALIFY names > {_MANY_NAMES}"
        " AND names > 20 * median(names) OVER ()"
    )
    moment = (
        "CASE WHEN regexp_full_match(time_text, '[0-9]+(\\.[0-9]+)?') THEN"
        " TRY_CAST(time_text AS DOUBLE) / CASE WHEN TRY_CAST(time_text AS DOUBLE) > 1e11 THEN 1000 ELSE 1 END"
        " ELSE epoch_us(TRY_CAST(time_text AS TIMESTAMPTZ)) / 1e6 END"
    )
    con.execute(
        f"CREATE TABLE sorted AS SELECT source, line, {moment} AS time, time_text, raw.ip_text,"
        f" CASE WHEN regexp_full_match(raw.ip_text, '{_IPV4}') THEN raw.ip_text ELSE wide.ip END AS address,"
        " coalesce(regexp_replace(upper(asn), '^ASN?', ''), '') AS asn, bot, mark, CASE"
        " WHEN time IS NULL OR time <= 0 OR address IS NULL THEN 'unreadable'"
        " WHEN service = 'dns' OR proto = 'dns' OR (proto = 'udp' AND service IN ('', 'domain'))"
        "  THEN 'resolver'"
        " WHEN NOT done THEN 'no_handshake'"
        " WHEN flagged OR scanning.ip_text IS NOT NULL"
        f"  OR regexp_matches(lower(agent), '{_CRAWLERS}') THEN 'scanner'"
        " ELSE '' END AS why FROM raw LEFT JOIN wide ON raw.ip_text = wide.text"
        " LEFT JOIN (SELECT DISTINCT ip_text FROM scanning) scanning ON raw.ip_text = scanning.ip_text"
    )
    con.execute("DROP TABLE raw")


def _household(text: str) -> tuple[str | None, Any]:
    """Return an IPv6 address's /64, which is one customer, or the IPv4 address that it carries."""
    try:
        address = ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        return None, IPv4Address(0)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped), address.ipv4_mapped
    return str(ip_network((address, 64), strict=False)), address


def _result(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> Read:
    counts = dict(con.execute("SELECT why, count(*) FROM sorted GROUP BY 1").fetchall())
    rows = sum(counts.values())
    excluded = {reason: int(counts.get(reason, 0)) for reason in REASONS}
    bad = con.execute(
        "SELECT source, line, CASE WHEN time IS NULL OR time <= 0 THEN 'time is ' || coalesce("
        "'''' || time_text[:40] || '''', 'missing') ELSE 'ip is ' || coalesce('''' || ip_text[:60] || '''',"
        " 'missing') END FROM sorted WHERE why = 'unreadable' ORDER BY 1, 2 LIMIT 3"
    ).fetchall()
    places = tuple((f"{files[source]}:{line}", reason) for source, line, reason in bad)
    present = {
        s for (s,) in con.execute("SELECT DISTINCT source FROM sorted WHERE why = ''").fetchall()
    }
    for number, path in enumerate(files):
        if number not in present:
            raise _nothing(path, excluded, [p for p in places if p[0].startswith(f"{path}:")])
    return Read(tuple(_codes(con, len(files))), rows, excluded, places)


def _nothing(path: Path, excluded: dict[str, int], bad: Sequence[tuple[str, str]]) -> SourceError:
    if bad:
        return SourceError(f"no row can be read: {bad[0][1]}", where=bad[0][0], hint=_HINT)
    why = ", ".join(f"{count} {reason}" for reason, count in excluded.items() if count)
    return SourceError(
        f"no row counts: {why or 'there is only a header'}",
        where=str(path),
        hint="only completed handshakes of bots count; resolvers and scanners do not",
    )


def _codes(con: duckdb.DuckDBPyConnection, files: int) -> list[Hits]:
    """Return each file's hits with numbers for texts, the same number for the same text."""
    for column in ("address", "asn", "bot", "mark"):
        con.execute(
            f"CREATE TABLE code_{column} AS SELECT {column}, row_number() OVER (ORDER BY {column}) - 1"
            f" AS code FROM (SELECT DISTINCT {column} FROM sorted WHERE why = '' AND {column} IS NOT NULL)"
        )
    names = [
        str(name) or "?"
        for (name,) in con.execute("SELECT asn FROM code_asn ORDER BY code").fetchall()
    ]
    found = []
    for number in range(files):
        got = con.execute(
            "SELECT time, a.code::INTEGER AS ip, n.code::INTEGER AS asn,"
            " coalesce(b.code, -1)::INTEGER AS bot, coalesce(m.code, -1)::INTEGER AS mark FROM sorted s"
            " JOIN code_address a USING (address) JOIN code_asn n USING (asn)"
            " LEFT JOIN code_bot b USING (bot) LEFT JOIN code_mark m USING (mark)"
            f" WHERE why = '' AND source = {number}"
        ).fetchnumpy()
        time, ip, asn, bot, mark = (
            np.asarray(got[column]) for column in ("time", "ip", "asn", "bot", "mark")
        )
        found.append(Hits(time, ip, asn, bot, mark, tuple(names)))
    return found


def _told(error: duckdb.Error, files: Sequence[Path]) -> SourceError:
    text = str(error)
    line = re.search(r"(?i)line:? (\d+)", text)
    path = next((str(p) for p in files if str(p) in text), str(files[0]))
    reason = next((part.strip() for part in text.splitlines() if part.strip()), "cannot be read")
    return SourceError(
        f"cannot be read as CSV: {reason[:200]}",
        where=f"{path}:{line[1]}" if line else path,
        hint=_HINT,
    )
