"""One record of evidence: what is hashed, and what lies beside it so that it can be left out.

A record has two halves, each one line of JSON in canonical form:

- the *header* is hashed and chained: format, seq, time, kind, tool, the hash of the record before,
  and one commitment each for the actor, for every field of the body and for every object;
- the *opening* holds the salt and value behind each commitment, or null where it was left out.

    hash of a record     = sha256(header)
    commitment, field    = sha256({"field":NAME,"salt":SALT,"value":VALUE})
    commitment, actor    = sha256({"actor":VALUE,"salt":SALT})
    commitment, object   = sha256({"bytes":N,"name":NAME,"salt":SALT,"sha256":HASH,"where":PATH})

So a value can be withheld and every hash and seal still holds; and because each salt is 128
random bits, a short value (a name, an address) cannot be found by trying.

Canonical form: JSON in UTF-8, keys sorted by code point, no spaces, strings escaped only where JSON
demands it. It is RFC 8785 for all that a header holds. In values it differs in three points: whole
numbers keep all their digits, others are written in the shortest form that reads back the same
(5.0 stays 5.0), and half of a surrogate pair stays as its escape. Not-a-number is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "sakimori-evidence-1"
NOTHING_BEFORE = "0" * 64  # what the first record names as its predecessor
MAX_LINE = 8 << 20  # bytes of one half; larger things are objects
KINDS = (
    "note", "input", "finding", "plan", "approval", "act", "message", "custody", "seal", "stamp",
    "key",
)  # fmt: skip

_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HEADER = {"actor", "fields", "format", "kind", "objects", "previous", "seq", "time", "tool"}


class Malformed(ValueError):  # noqa: N818 - never shown: the verifier turns it into a problem
    """A line is not a record in canonical form."""


@dataclass(frozen=True, slots=True)
class Object:
    """A file that a record speaks of. `where` is empty when a copy is kept, else its path."""

    name: str
    sha256: str
    bytes: int
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a caller wants recorded. `time` is aware; `body` holds plain JSON values and times."""

    kind: str
    actor: str
    time: datetime
    tool: str
    body: Mapping[str, Any] = field(default_factory=dict)
    objects: tuple[Object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as read. What was left out is absent from `body` and named in `left_out`.

    `objects` keep their places: an object that was left out is None, and so is the actor.
    """

    seq: int
    time: datetime
    kind: str
    actor: str | None
    tool: str
    previous: str
    body: Mapping[str, Any]
    objects: tuple[Object | None, ...]
    hash: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halves:
    """A record as it is stored: two lines of canonical JSON without their newline."""

    header: bytes
    opening: bytes

    @property
    def hash(self) -> str:
        """The hash that the next record and a seal name."""
        return sha256(self.header)


@dataclass(frozen=True, slots=True)
class Opened:
    """A record, and the names of those parts whose value is not what was committed to."""

    record: Record
    wrong: tuple[str, ...]


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Return `value` in canonical form (see the module). A time becomes ISO 8601 text in UTC.

    Raises ConfigError for what JSON cannot hold.
    """
    return _bytes(_text(value))


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda m: f"\\u{ord(m[0]):04x}", text).encode()


def _text(value: Any) -> str:
    if type(value) is str:  # most values are, and this is five times as fast
        return _quoted(value)
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"this cannot be put into a record: {error}",
            hint="use text, numbers, true/false, lists and objects with text keys",
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
)


def time_text(time: datetime) -> str:
    """Return a time in UTC to the microsecond. Raises ConfigError when it has no zone."""
    if time.tzinfo is None:
        raise ConfigError("a time without a zone cannot be evidence", hint="use UTC")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def make(
    entry: Entry, seq: int, previous: str, salt: Callable[[], str] = lambda: secrets.token_hex(16)
) -> Halves:
    """Return the entry as the record `seq` that follows the record hashed `previous`.

    Raises ConfigError when the entry has no actor, an odd kind, or is larger than MAX_LINE.
    """
    _check(entry)
    opening: dict[str, Any] = {
        "actor": {"salt": salt(), "value": entry.actor},
        "fields": {str(n): {"salt": salt(), "value": v} for n, v in entry.body.items()},
        "objects": [
            {"bytes": o.bytes, "name": o.name, "salt": salt(), "sha256": o.sha256, "where": o.where}
            for o in entry.objects
        ],
    }
    header = {
        "actor": _actor_commitment(opening["actor"]),
        "fields": {n: _field_commitment(n, v) for n, v in opening["fields"].items()},
        "format": FORMAT,
        "kind": entry.kind,
        "objects": [sha256(canonical(o)) for o in opening["objects"]],
        "previous": previous,
        "seq": seq,
        "time": time_text(entry.time),
        "tool": entry.tool,
    }
    halves = Halves(canonical(header), canonical(opening))
    if max(len(halves.header), len(halves.opening)) > MAX_LINE:
        raise ConfigError(
            f"a record of {len(halves.opening):,} bytes is too large",
            hint="keep the large part as a file: an object of the record",
        )
    return halves


def _check(entry: Entry) -> None:
    if not _KIND.fullmatch(entry.kind):
        raise ConfigError(f"{entry.kind!r} is no kind of record", hint=f"such as {KINDS[1]}")
    if not entry.actor.strip():
        raise ConfigError("a record needs an actor", hint="name who did this: --actor NAME")


def _field_commitment(name: str, opened: Mapping[str, Any]) -> str:
    salt, value = _quoted(opened["salt"]), _text(opened["value"])
    return sha256(_bytes(f'{{"field":{_quoted(name)},"salt":{salt},"value":{value}}}'))


def _actor_commitment(opened: Mapping[str, Any]) -> str:
    return sha256(
        _bytes(f'{{"actor":{_quoted(opened["value"])},"salt":{_quoted(opened["salt"])}}}')
    )


def parse(halves: Halves) -> Opened:
    """Return the record and what in its opening does not match its header.

    Raises Malformed when a half is not canonical JSON of the right shape.
    """
    header = _canonical_object(halves.header, "header")
    opening = _canonical_object(halves.opening, "opening")
    time = _header_time(header)
    _check_opening(header, opening)
    wrong, left_out = _compare(header, opening)
    actor = opening["actor"]
    record = Record(
        seq=header["seq"],
        time=time,
        kind=header["kind"],
        actor=actor["value"] if actor else None,
        tool=header["tool"],
        previous=header["previous"],
        body={n: v["value"] for n, v in opening["fields"].items() if v is not None},
        objects=tuple(
            Object(o["name"], o["sha256"], o["bytes"], o["where"]) if o else None
            for o in opening["objects"]
        ),
        hash=halves.hash,
        left_out=tuple(left_out),
    )
    return Opened(record, tuple(wrong))


def _canonical_object(line: bytes, half: str) -> dict[str, Any]:
    try:
        value = json.loads(line.decode())
        again = canonical(value)
    except (ValueError, RecursionError, ConfigError) as error:
        raise Malformed(f"the {half} is not JSON: {error}") from error
    if again != line:
        raise Malformed(f"the {half} is not in canonical form")
    if not isinstance(value, dict):
        raise Malformed(f"the {half} is no object")
    return value


def _header_time(header: dict[str, Any]) -> datetime:
    """Check the shape of a header; return its time."""
    texts = ("actor", "format", "kind", "previous", "time", "tool")
    good = (
        set(header) == _HEADER
        and all(isinstance(header[name], str) for name in texts)
        and type(header["seq"]) is int
        and isinstance(header["fields"], dict)
        and isinstance(header["objects"], list)
        and all(_is_hash(h) for h in (header["previous"], header["actor"]))
        and all(_is_hash(h) for h in (*header["fields"].values(), *header["objects"]))
    )
    if not good:
        raise Malformed("the header has another shape")
    if header["format"] != FORMAT:
        raise Malformed(f"the format is {header['format']!r}, not {FORMAT}")
    try:
        time = datetime.fromisoformat(header["time"])
        same = time_text(time) == header["time"]
    except (ValueError, ConfigError, OverflowError):
        same, time = False, datetime.min.replace(tzinfo=UTC)
    if not same:
        raise Malformed(f"{header['time']!r} is no time in UTC")
    return time


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _check_opening(header: Mapping[str, Any], opening: dict[str, Any]) -> None:
    good = (
        set(opening) == {"actor", "fields", "objects"}
        and isinstance(opening["fields"], dict)
        and isinstance(opening["objects"], list)
        and set(opening["fields"]) == set(header["fields"])
        and len(opening["objects"]) == len(header["objects"])
        and _has(opening["actor"], salt=str, value=str)
        and all(_has(v, salt=str, value=object) for v in opening["fields"].values())
        and all(
            _has(o, bytes=int, name=str, salt=str, sha256=str, where=str)
            for o in opening["objects"]
        )
    )
    if not good:
        raise Malformed("the opening does not fit the header")


def _has(opened: Any, /, **types: type) -> bool:
    """Whether a value is left out, or an object of exactly these members."""
    if opened is None:
        return True
    return (
        isinstance(opened, dict)
        and set(opened) == set(types)
        and all(isinstance(opened[name], kind) for name, kind in types.items())
    )


def _compare(header: Mapping[str, Any], opening: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the parts that are wrong, and of those that were left out."""
    parts: list[tuple[str, Any, str, str]] = []
    actor = opening["actor"]
    parts.append(("actor", actor, header["actor"], _actor_commitment(actor) if actor else ""))
    parts += [
        (field_name(n), v, header["fields"][n], _field_commitment(n, v) if v else "")
        for n, v in opening["fields"].items()
    ]
    parts += [
        (object_name(at), o, header["objects"][at], sha256(canonical(o)) if o else "")
        for at, o in enumerate(opening["objects"])
    ]
    wrong = [name for name, value, want, have in parts if value is not None and want != have]
    return wrong, [name for name, value, _want, _have in parts if value is None]


def field_name(name: str) -> str:
    """Return how a field of the body is called among the parts of a record."""
    return f"field {name}"


def object_name(at: int) -> str:
    """Return how an object is called among the parts of a record; `at` counts from 0."""
    return f"object {at + 1}"
