"""What a snapshot is made of: a header, sorted records, and what was and was not looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from sakimori.endpoint.changes import OBJECTS
from sakimori.endpoint.snapshot.names import canonical, upper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Place = tuple[str, str, str, bool, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One thing as it was found.

    `object`, `key` and `name` are those of `endpoint.changes.Change`. `state` holds JSON values only. An
    attribute that is missing is one the thing does not have; an attribute that is None is not known
    (no permission, or the source does not tell) and is never compared.
    """

    object: str
    key: str
    name: str | None
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be taken although it was asked for. `key` "" stands for all of this object."""

    object: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What was looked at for one kind of object.

    `roots` are keys that were taken with all that is below them; empty: everything there is of it.
    `excluded` are patterns (fnmatch on the whole key, "*" crosses slashes) that were left out.
    `reason` is not empty where nothing was taken, and says why.
    """

    object: str
    roots: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read for the registry: a hive or an export.

    `name` is what a hive was mounted as. `notes` are facts such as which transaction logs were applied.
    """

    kind: str
    name: str
    path: str
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Who took it, when, and what was asked. `taken` is ISO 8601 in UTC."""

    tool: str
    machine: str
    taken: str
    asked: dict[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot that was checked as a whole. `lines` opens its records' lines anew, sorted by place.

    `path` and `sha256` are of its file; "" for one that was never written.
    """

    header: Header
    scopes: tuple[Scope, ...]
    gaps: tuple[Gap, ...]
    count: int
    lines: Callable[[], Iterator[bytes]]
    path: str = ""
    sha256: str = ""

    def records(self) -> Iterator[Record]:
        """Yield the records in order, one at a time."""
        return (parse(line) for line in self.lines())

    def scope(self, kind: str) -> Scope | None:
        """Return what was looked at for one kind of object, None where it was not asked for."""
        return next((one for one in self.scopes if one.object == kind), None)


def place(record: Record) -> Place:
    r"""Return where a record stands in a snapshot; two records are the same thing where this is equal.

    A key comes before its values and what is below it: "/" and "\" sort before every other character.
    Registry names are compared as Windows does, without case.
    """
    key, name = record.key, record.name or ""
    if record.object == "registry":
        key, name = canonical(key), upper(name)
        order = key.replace("\\", "\0")
    else:
        order = key.replace("/", "\0")
    return (record.object, order, key, record.name is not None, name)


def encode(value: Any) -> bytes:
    """Return one line of JSON, newline included; broken names (lone surrogates) survive."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        import json  # noqa: PLC0415 - only for names that are no UTF-8

        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Return a line's value. Raises ValueError where it is no JSON."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        import json  # noqa: PLC0415 - only for names that are no UTF-8

        return json.loads(line)


def line_of(record: Record) -> bytes:
    """Return a record as a line of a snapshot."""
    return encode(
        {"object": record.object, "key": record.key, "name": record.name, "state": record.state}
    )


def parse(line: bytes) -> Record:
    """Return a line's record. Raises ValueError where it is none."""
    value = decode(line)
    if not isinstance(value, dict) or not _is_record(value):
        raise ValueError("no record")
    return Record(value["object"], value["key"], value["name"], value["state"])


def _is_record(value: dict[str, Any]) -> bool:
    name, state = value.get("name", 0), value.get("state")
    return (
        (name is None or isinstance(name, str))
        and value.get("object") in OBJECTS
        and isinstance(value.get("key"), str)
        and isinstance(state, dict)
        and (value["object"] != "registry" or _is_registry(name, state))
    )


def _is_registry(name: str | None, state: dict[str, Any]) -> bool:
    if name is None:
        return "key_time" in state
    return type(state.get("type")) is int and _is_hexadecimal(state.get("data"))


def _is_hexadecimal(data: Any) -> bool:
    try:
        return isinstance(data, str) and len(bytes.fromhex(data)) * 2 == len(data)
    except ValueError:
        return False


def in_memory(
    records: Iterable[Record],
    header: Header,
    scopes: Iterable[Scope] | None = None,
    gaps: Iterable[Gap] = (),
) -> Snapshot:
    """Return a snapshot of given records that is in no file. Scopes None: all of each kind there is."""
    held = sorted(records, key=place)
    lines = [line_of(record) for record in held]
    if scopes is None:
        scopes = [Scope(kind) for kind in sorted({record.object for record in held})]
    return Snapshot(
        header=header,
        scopes=tuple(scopes),
        gaps=tuple(gaps),
        count=len(lines),
        lines=lambda: iter(lines),
    )
