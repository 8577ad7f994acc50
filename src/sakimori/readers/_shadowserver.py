"""Which Shadowserver report a header is of, and where it drifted from the published schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.readers._abuse import category_of
from sakimori.readers._shadowserver_types import GROUPS, TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PAGES = "https://www.shadowserver.org/what-we-do/network-reporting/"
_NAMED = re.compile(r"^\d{4}-\d\d-\d\d-([a-z0-9_]+)(?:-|\.|$)")
_SUBJECTS = ("src_ip", "ip", "http_referer_ip")
_SIGNS = ("geo", "asn", "naics", "sector", "region", "city")
_MARKS = {"severity", "infection", "hostname_source", "public_source", "tag"}
_LIKE = 0.6  # of all columns of both must be the same; a report's new version keeps more
_MOST_SCHEMA = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReportType:
    """One kind of report. `columns` is empty where they are not known.

    `established`: yes, no, tcp (when the row's protocol is tcp) or - (not known).
    """

    name: str
    category: str
    how: str | None
    established: str
    reference: str | None
    columns: frozenset[str]
    closed: bool = True  # the columns are all there are


@dataclass(frozen=True, slots=True)
class Match:
    """What a header is of: the type (made of several where they share the columns) and warnings."""

    type: ReportType
    warnings: tuple[str, ...] = ()


UNKNOWN = ReportType("unknown", "other", None, "-", None, frozenset(), closed=False)


@cache
def types() -> dict[str, ReportType]:
    """Return the report types that this version knows, by name."""
    found: dict[str, ReportType] = {}
    for line in TYPES.splitlines():
        families, name, category, how, established, page, columns = line.split("|")
        words, closed = _expanded(columns)
        for each in _names(families, name):
            found[each] = ReportType(
                each,
                category,
                how,
                established,
                f"{_PAGES}{page}/" if page else None,
                words,
                closed,
            )
    return found


def _names(families: str, name: str) -> list[str]:
    if families == "-":
        return [name]
    stem, _, rest = name.partition("_")
    four = f"{stem}4" if stem == "event" else stem
    return [f"{four if family == '4' else stem + family}_{rest}" for family in families]


def _expanded(columns: str) -> tuple[frozenset[str], bool]:
    words: set[str] = set()
    for word in columns.split():
        words |= set(GROUPS[word[1:]].split()) if word.startswith("+") else {word}
    return frozenset(words - {"?"}), "?" not in words


@cache
def vocabulary() -> frozenset[str]:
    """Return every column that any known type has."""
    return frozenset().union(*(t.columns for t in types().values()))


def looks_like(header: Sequence[str]) -> bool:
    """Whether a CSV header is one of Shadowserver's: its marks, or most of a known type."""
    names = {name.lower() for name in header}
    if "timestamp" not in names:
        return False
    if any(subject in names for subject in _SUBJECTS):
        ends = {sign for sign in _SIGNS for name in names if f"_{name}".endswith(f"_{sign}")}
        if len(ends & {"geo", "asn"}) == 2 and len(names & _MARKS) + len(ends) > 3:
            return True
    best = _nearest(frozenset(names), types())
    return bool(best) and _likeness(frozenset(names), best[0].columns) >= 0.8


def match(header: Sequence[str], path: str, schema: Mapping[str, ReportType] | None) -> Match:
    """Return the type of a report with this header.

    The columns decide. Shadowserver writes the type into the file's name only, so among types
    whose columns fit as well the name decides; without it the type is what they have in common.
    `schema` is the user's own copy of the published schema and goes first.
    """
    known = {**types(), **(schema or {})}
    names = frozenset(name.lower() for name in header)
    named = _named(path, known)
    nearest = _nearest(names, known)
    if named and _agrees(named, names):
        return Match(named, tuple(_drift(named, header, from_schema=bool(schema))))
    if not nearest or _likeness(names, nearest[0].columns) < _LIKE:
        new = sorted(names - vocabulary())
        told = f"; no known type has: {_listed(new)}" if new else ""
        return Match(UNKNOWN, (f"the columns are of no report type that is known here{told}",))
    found = nearest[0] if len(nearest) == 1 else _common(nearest)
    return Match(found, tuple(_drift(found, header, from_schema=bool(schema))))


def _named(path: str, known: Mapping[str, ReportType]) -> ReportType | None:
    found = _NAMED.match(PurePath(path).name)
    return known.get(found[1]) if found else None


def _agrees(named: ReportType, names: frozenset[str]) -> bool:
    """Whether the columns may be of the type the name says: those of one are in the other."""
    if not named.columns:
        return True
    return len(named.columns & names) >= 0.8 * min(len(named.columns), len(names))


def _likeness(ours: frozenset[str], theirs: frozenset[str]) -> float:
    both = ours | theirs
    return len(ours & theirs) / len(both) if both else 0.0


def _nearest(names: frozenset[str], known: Mapping[str, ReportType]) -> list[ReportType]:
    """Return the types whose columns are most like these; several where they are equal."""
    rated = [(_likeness(names, t.columns), t) for t in known.values() if t.closed and t.columns]
    best = max((rate for rate, _ in rated), default=0.0)
    return [t for rate, t in rated if rate == best] if best > 0 else []


def _common(found: Sequence[ReportType]) -> ReportType:
    """Return what several types have in common; where they differ it is not known."""

    def same(values: set[Any], otherwise: Any) -> Any:
        return values.pop() if len(values) == 1 else otherwise

    return ReportType(
        "|".join(t.name for t in found),
        same({t.category for t in found}, "other"),
        same({t.how for t in found}, None),
        same({t.established for t in found}, "-"),
        same({t.reference for t in found}, None),
        found[0].columns,
        found[0].closed,
    )


def _drift(found: ReportType, header: Sequence[str], *, from_schema: bool) -> list[str]:
    """Say which columns are new and which are gone. New ones are kept in `extra`."""
    names = {name.lower() for name in header}
    told = found.columns if found.closed else found.columns | vocabulary()
    new = sorted(names - told)
    gone = sorted(found.columns - names)
    against = "the schema you gave" if from_schema else "the schema known here"
    out = []
    if new:
        out.append(f"{found.name}: columns that {against} lacks, kept in extra: {_listed(new)}")
    if gone:
        out.append(f"{found.name}: columns of {against} that are gone: {_listed(gone)}")
    return out


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more


def load_schema(path: Path) -> dict[str, ReportType]:
    """Read a published schema: Shadowserver's `reports.json` or its `intelmq.json`.

    Types known here keep their category and how; new ones get theirs from the schema's
    classification. Raises SourceError when the file is no such schema.
    """
    try:
        if path.stat().st_size > _MOST_SCHEMA:
            raise SourceError("is too large to be a schema", where=str(path), hint=_HINT)
        given = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise SourceError(reason, where=str(path), hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"is no JSON: {error}", where=str(path), hint=_HINT) from error
    if not isinstance(given, dict):
        raise SourceError("is no schema of reports", where=str(path), hint=_HINT)
    found = {
        name: _of_schema(name, entry)
        for name, entry in given.items()
        if isinstance(entry, dict) and (entry.get("fields") or entry.get("required_fields"))
    }
    if not found:
        raise SourceError("names no report with its fields", where=str(path), hint=_HINT)
    return found


_HINT = (
    "[import] shadowserver_schema is a copy of reports.json of Shadowserver's report_schema"
    " repository"
)


def _of_schema(name: str, entry: Mapping[str, Any]) -> ReportType:
    columns = frozenset(_fields(entry))
    known = types().get(name)
    if known:
        return replace(known, columns=columns, closed=True)
    constants = entry.get("constant_fields")
    told = constants if isinstance(constants, dict) else entry
    kind = told.get("classification.type")
    url = entry.get("url")
    return ReportType(
        name,
        category_of(kind) if isinstance(kind, str) else "other",
        _how_of(name),
        "-",
        url if isinstance(url, str) else None,
        columns,
    )


def _fields(entry: Mapping[str, Any]) -> list[str]:
    if isinstance(entry.get("fields"), list):
        return [name.lower() for name in entry["fields"] if isinstance(name, str)]
    pairs = [*(entry.get("required_fields") or ()), *(entry.get("optional_fields") or ())]
    return [
        pair[1].lower()
        for pair in pairs
        if isinstance(pair, list) and len(pair) > 1 and isinstance(pair[1], str)
    ]


def _how_of(name: str) -> str | None:
    """Return how a type of this name is got, by the words its names are made of."""
    words = {"sinkhole": "sinkhole", "honeypot": "honeypot", "sandbox": "sandbox", "scan": "scan",
             "scan6": "scan", "population": "scan", "population6": "scan", "darknet": "darknet"}  # fmt: skip
    return next((words[word] for word in name.split("_") if word in words), None)
