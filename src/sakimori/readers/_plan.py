"""Which column of a stranger's table fills which of ours, and how its cells become values.

A plan comes from a map in the settings, or from headers that follow a known vocabulary: our own
names, Zeek's, Suricata's, IPFIX', ECS' or OCSF's. Dots and underscores in names are the same.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers import _zeek
from sakimori.readers._abuse import MEANINGS, as_extra, meaning
from sakimori.readers._columns import UTC_TIME, Check, addresses, by_value, flat, real, times, whole
from sakimori.readers._contract import schema_of
from sakimori.readers._flows import protocol
from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NULLS = ("", "-", "(empty)", "NULL", "null", "NaN", "nan", "None", "\\N")
TABLE, TIME_FORMAT = "table", "time_format"
_VOCABULARIES = ("eve", "ipfix", "ecs", "ocsf", "intelmq", "cof")
# What a file must have to be this table: all of the first, one of the second.
_NEEDED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "conn": (("ts", "src_ip", "dst_ip"), ("dst_port", "proto", "duration", "src_bytes")),
    "dns": (("ts", "src_ip", "query"), ()),
    "http": (("ts", "src_ip"), ("host", "uri")),
    "tls": (
        ("ts", "src_ip"),
        ("server_name", "ja3", "ja3s", "ja4", "cipher", "cert_hashes"),
    ),
    "cert": (("ts", "subject", "issuer"), ("serial", "sha256", "not_after")),
    "mail": (("ts", "sender", "recipients"), ()),
    "irc": (("ts", "src_ip", "command"), ("nick", "value")),
    "ssh": (("ts", "src_ip"), ("auth_success", "auth_attempts", "hassh")),
    "files": (("ts",), ("sha256", "sha1", "md5")),
    "alert": (("ts", "src_ip"), ("signature_id",)),
    "sinkhole": (("ts", "src_ip", "service"), ("outcome", "path_hash", "bot_id")),
    "event": (("ts", "category"), ("src_ip", "name", "url")),
    "pdns": (("ts", "name", "rdata"), ("rrtype",)),
    "tool_run": (("ts", "machine", "tool"), ("scanned", "found")),
}
_ZEEK_LOGS = ("conn", "dns", "http", "ssl", "x509", "smtp", "irc", "ssh", "files")
_DURATIONS = {"ecs": 1e-9, "ocsf": 1e-3}  # ECS counts nanoseconds, OCSF milliseconds
_NAMES = ("query", "host", "server_name", "hostname")  # lower case, no final dot
_LOWER = ("service", "sender", "md5", "sha1", "sha256")
_ADDRESSES = ("src_ip", "dst_ip")
_PORTS = ("src_port", "dst_port")


@dataclass(frozen=True, slots=True)
class Plan:
    """`theirs` maps our columns of `table` to the file's; `duration` is the unit in seconds.

    `constants` are columns of ours that have one text in every row: `category = "=bot"` in a map.
    """

    table: str
    theirs: Mapping[str, str]
    time_format: str = "auto"
    duration: float = 1.0
    constants: Mapping[str, str] = field(default_factory=dict)


def plan_for(header: Sequence[str], maps: Mapping[str, Mapping[str, str]], where: str = "") -> Plan:
    """Return the plan of the first map that fits, else of a vocabulary that fits.

    Raises SourceError when neither fits, with the columns that there are.
    """
    plans = {name: _mapped(name, given, where) for name, given in maps.items()}
    there = {_plain(name): name for name in reversed(header)}
    missing = {
        name: [theirs for theirs in plan.theirs.values() if _plain(theirs) not in there]
        for name, plan in plans.items()
    }
    for name, plan in plans.items():
        if not missing[name]:
            theirs = {ours: there[_plain(column)] for ours, column in plan.theirs.items()}
            return replace(plan, theirs=theirs)
    if found := known(header):
        return found
    columns = ", ".join(header[:40])
    if not maps:
        raise SourceError(
            f"the columns fit no table: {columns}",
            where=where,
            hint="say which column is which in [import.columns.NAME]: ts, src_ip, dst_ip, ...",
        )
    nearest = min(missing, key=lambda name: len(missing[name]))
    absent = missing[nearest][0]
    close = difflib.get_close_matches(absent, header, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    raise SourceError(
        f"the column map {nearest!r} names {absent!r}, which this file does not have",
        where=where,
        hint=f"{guess}the file has: {columns}",
    )


def known(header: Sequence[str]) -> Plan | None:
    """Return the plan of the table and vocabulary that explain most of the header, or None."""
    there = {_plain(name): name for name in reversed(header)}
    best: Plan | None = None
    for table, vocabulary, names in _vocabularies():
        theirs = {ours: there[_plain(name)] for ours, name in names if _plain(name) in there}
        if not lacking(table, theirs) and len(theirs) > (len(best.theirs) if best else 0):
            best = Plan(table, theirs, duration=_DURATIONS.get(vocabulary, 1.0))
    return best


def lacking(table: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a file with these columns of ours lacks to be rows of the table."""
    needed, one_of = _NEEDED[table]
    gaps = tuple(name for name in needed if name not in columns)
    if not gaps and one_of and not any(name in columns for name in one_of):
        return one_of
    return gaps


def _vocabularies() -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    for table in _NEEDED:
        columns = TELEMETRY[table].stored
        yield table, "ours", [(c.name, c.name) for c in columns if c.name != "source_id"]
        for vocabulary in _VOCABULARIES:
            yield (
                table,
                vocabulary,
                [
                    (c.name, c.names[vocabulary])
                    for c in columns
                    if re.fullmatch(r"[@A-Za-z0-9_.]+", c.names.get(vocabulary, ""))
                ],
            )
    for name in _ZEEK_LOGS:
        log = _zeek.LOGS[name]
        yield log.table, "zeek", [(f.ours, theirs) for f in log.fields for theirs in f.theirs[::-1]]


def _plain(name: str) -> str:
    return name.strip().lower().replace(".", "_")


def _mapped(name: str, given: Mapping[str, str], where: str) -> Plan:
    """Return a map of the settings as a plan; raises SourceError when it cannot be one."""
    table = given.get(TABLE, "conn")
    if table not in _NEEDED:
        raise SourceError(
            f"the column map {name!r} is for {table!r}, which is no table",
            where=where,
            hint=_did_you_mean(table, tuple(_NEEDED)),
        )
    theirs = {ours: column for ours, column in given.items() if ours not in (TABLE, TIME_FORMAT)}
    ours_all = tuple(schema_of(table).names)
    for ours in theirs:
        if ours not in ours_all:
            raise SourceError(
                f"the column map {name!r} fills {ours!r}, which table {table} does not have",
                where=where,
                hint=_did_you_mean(ours, ours_all),
            )
    constants = {ours: text[1:] for ours, text in theirs.items() if text.startswith("=")}
    if gaps := [column for column in _NEEDED[table][0] if column not in theirs]:
        raise SourceError(
            f"the column map {name!r} does not say which column is {gaps[0]}",
            where=where,
            hint=f'add {gaps[0]} = "their name" to it',
        )
    theirs = {ours: column for ours, column in theirs.items() if ours not in constants}
    return Plan(table, theirs, given.get(TIME_FORMAT, "auto"), constants=constants)


def _did_you_mean(word: str, among: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, among, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(among)}"


def values(
    plan: Plan, read: Mapping[str, Any], zone: str
) -> tuple[dict[str, pa.Array], list[Check]]:
    """Return our columns of theirs, and what to check of each row.

    `read` is by their names: texts, or for Parquet any type. A cell that cannot be what its
    column is becomes null, and the check says so.
    """
    ours: dict[str, pa.Array] = {}
    checks: list[Check] = []
    length = len(next(iter(read.values())))
    for column in schema_of(plan.table):
        if column.name in plan.constants:
            constant = pa.repeat(pa.scalar(plan.constants[column.name], pa.string()), length)
            ours[column.name] = _constant(constant, column, plan, zone)
        if column.name not in plan.theirs:
            continue
        given = flat(read[plan.theirs[column.name]])
        text = given if pa.types.is_string(given.type) else _as_text(given)
        if plan.table == "event" and column.name in MEANINGS:  # a feed's word, as ours
            ours[column.name] = meaning(column.name, text)
            continue
        value, noun = _value(given, column, plan, zone)
        ours[column.name] = value
        checks.append(Check(plan.theirs[column.name], text, value, noun, column.name == "ts"))
    return ours, checks


def _constant(text: pa.Array, column: pa.Field, plan: Plan, zone: str) -> pa.Array:
    if plan.table == "event" and column.name in MEANINGS:
        return meaning(column.name, text)
    return _value(text, column, plan, zone)[0]


def extra_of(plan: Plan, read: Mapping[str, Any], length: int) -> dict[str, pa.Array]:
    """Return, for abuse events, the columns that have no place in the table as `extra`.

    A feed's own words for what ours say in other words are kept there too.
    """
    if plan.table != "event" or "extra" in plan.theirs:
        return {}
    used = {theirs for ours, theirs in plan.theirs.items() if ours not in MEANINGS}
    rest = {name: _as_text(flat(column)) for name, column in read.items() if name not in used}
    return {"extra": as_extra(rest, length)}


def _as_text(column: pa.Array) -> pa.Array:
    """Return a column as text, to be shown; what has no text is shown as "?"."""
    if pa.types.is_string(column.type):
        return column
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pc.if_else(pc.is_valid(column), "?", pa.scalar(None, pa.string()))


def _value(given: pa.Array, column: pa.Field, plan: Plan, zone: str) -> tuple[pa.Array, str]:
    kind, name = column.type, column.name
    if pa.types.is_timestamp(kind):
        return _time(given, plan.time_format if name == "ts" else "auto", zone), "a time"
    if pa.types.is_list(kind):
        return _listed(given, kind), "a list"
    if pa.types.is_integer(kind):
        return _integer(given, name), "a port" if name in _PORTS else "a whole number"
    text = given.cast(pa.string())
    if pa.types.is_floating(kind):
        number = given.cast(pa.float64()) if _is_number(given) else real(text)
        return (pc.multiply(number, plan.duration) if name == "duration" else number), "a number"
    if pa.types.is_boolean(kind):
        return by_value(text, _truth, pa.bool_()), "true or false"
    return _text(text, name), "an IP address" if name in _ADDRESSES else "text"


def _text(text: pa.Array, name: str) -> pa.Array:
    if name in _ADDRESSES:
        return addresses(text)
    if name == "proto":
        return by_value(text, protocol, pa.string())
    if name in _NAMES:
        lower = pc.utf8_rtrim(pc.utf8_lower(text), ".")
        return pc.replace_substring_regex(lower, r":[0-9]{1,5}$", "") if name == "host" else lower
    return pc.utf8_lower(text) if name in _LOWER else text


def _is_number(column: pa.Array) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def _integer(given: pa.Array, name: str) -> pa.Array:
    most = 65535 if name in _PORTS else 10**18 - 1
    if not _is_number(given):  # "443.0" is how some tools write 443 where cells can be empty
        return whole(pc.replace_substring_regex(given.cast(pa.string()), r"\.0+$", ""), most)
    number = given.cast(pa.float64())
    fits = pc.and_(pc.greater_equal(number, 0.0), pc.less_equal(number, float(most)))
    return pc.if_else(fits, given, None).cast(pa.int64(), safe=False)


def _truth(text: str) -> bool | None:
    word = text.strip().lower()
    return word in ("t", "true", "1", "yes") if word in _TRUTHS else None


_TRUTHS = ("t", "true", "1", "yes", "f", "false", "0", "no")


def _listed(given: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(given.type) or pa.types.is_large_list(given.type):
        return given.cast(kind)
    lists = pc.split_pattern(given.cast(pa.string()), ",")
    if kind.value_type != pa.float64():
        return lists.cast(kind)
    numbers = real(lists.flatten())
    told = pa.ListArray.from_arrays(lists.offsets, numbers)
    return pc.if_else(pc.is_valid(lists), told, None)


def _time(given: pa.Array, how: str, zone: str) -> pa.Array:
    if pa.types.is_timestamp(given.type):
        aware = (
            given
            if given.type.tz
            else pc.assume_timezone(given, zone, ambiguous="earliest", nonexistent="earliest")
        )
        return aware.cast(UTC_TIME, safe=False)
    if how in ("epoch", "epoch_ms"):
        number = given.cast(pa.float64()) if _is_number(given) else real(given.cast(pa.string()))
        micros = pc.round(pc.multiply(number, 1e6 if how == "epoch" else 1e3))
        sane = pc.less(pc.abs(micros), 2.5e17)
        return pc.if_else(sane, micros, None).cast(pa.int64()).cast(UTC_TIME)
    if _is_number(given):
        return times(given, zone)
    text = given.cast(pa.string())
    return times(text, zone) if how in ("auto", "iso") else _formatted(text, how, zone)


_ENGINE: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": "false"}


def _formatted(text: pa.Array, how: str, zone: str) -> pa.Array:
    """Read times by a strftime format, in the engine, which knows fractions and offsets."""
    with duckdb.connect(":memory:", config=_ENGINE) as engine:
        engine.register(
            "given", pa.table({"nr": pa.array(range(len(text)), pa.int64()), "text": text})
        )
        quoted = how.replace("'", "''")
        query = f"SELECT try_strptime(text, '{quoted}') AS t FROM given ORDER BY nr"
        try:
            found = flat(engine.execute(query).to_arrow_table()["t"])
        except duckdb.Error as error:
            raise SourceError(
                f"the time format {how!r} cannot be used", hint="an example: %d/%b/%Y:%H:%M:%S %z"
            ) from error
    return _time(found, "auto", zone)
