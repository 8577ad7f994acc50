"""What was collected from machines, as rows of a CSV or JSON file: columns in many spellings.

machine, os, symptom, and then exposures: a list of updates, a list of families, and any column of yes and
no. Days (`symptom_date`, `KB976098@2009-11-25`) are used where given. What is not known is null, and never
counts as no, with one exception that is told: a list that is empty on some machines, in a file that never
writes "none", means none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.study.model import Collected, Machine, Note
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAMES = {
    "machine": ("machine", "host", "hostname", "computer", "id", "name", "端末"),
    "os": ("os", "system", "operating_system", "stratum", "platform", "version"),
    "symptom": ("symptom", "black_screen", "blackscreen", "black", "outcome", "failed", "affected", "症状"),
    "update": ("update", "updates", "kb", "kbs", "hotfix", "hotfixes", "installed_updates", "更新プログラム"),
    "family": ("family", "families", "malware", "infection", "found", "family_found", "detected", "ファミリー"),
    "date": ("symptom_date", "symptom_since", "symptom_time", "date_of_symptom"),
}  # fmt: skip
_YES = ("1", "yes", "y", "true", "t", "present", "はい", "有", "あり")
_NO = ("0", "no", "n", "false", "f", "absent", "いいえ", "無", "なし")
_NONE = ("none", "-", "clean", "nothing", *(w for w in _NO if w not in ("n", "f")))  # "F" names
_UNKNOWN = ("", "unknown", "?", "n/a", "na", "null", "not known", "不明")
_MOST_EXPOSURES = 200

Name = tuple[str, str]


@dataclass
class _File:
    """One file while it is read."""

    columns: dict[str, str] = field(default_factory=dict)  # meaning -> column
    others: list[str] = field(default_factory=list)  # columns of yes and no
    lists: dict[str, bool] = field(default_factory=dict)  # meaning -> an empty cell means none
    notes: list[Note] = field(default_factory=list)


def collected(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Collected:
    """Return the machines of rows given as (where, cells).

    Raises SourceError, naming the row, for a symptom that is neither yes, no nor unknown, a machine that is
    there twice, and a file without machines, symptoms or exposures.
    """
    if not rows:
        raise SourceError("there is no row", hint="columns: machine,os,symptom,updates,family")
    file = _shape(rows)
    machines: list[Machine] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        machine = _machine(row, where, file)
        if machine.name in seen:
            raise SourceError(
                f"machine {machine.name!r} is there twice", where=where, hint="one row a machine"
            )
        seen[machine.name] = where
        machines.append(machine)
    machines, exposures = _filled(machines, file)
    if not exposures:
        raise SourceError(
            "no column holds an exposure", where=rows[0][0],
            hint="add updates, family, or a column of yes and no",
        )  # fmt: skip
    return Collected(machines=tuple(machines), exposures=tuple(exposures), notes=tuple(file.notes))


def _shape(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> _File:
    """Find out which column means what."""
    file = _File()
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    for meaning, spellings in _NAMES.items():
        found = [n for n in names if n.lower().strip().replace(" ", "_") in spellings]
        file.columns.update({meaning: found[0]} if found else {})
    for needed in ("machine", "symptom"):
        if needed not in file.columns:
            raise SourceError(
                f"no column is named {needed}",
                where=rows[0][0],
                hint="columns: machine,os,symptom,updates,family",
            )
    _others(names, rows, file)
    for meaning in ("update", "family"):
        if meaning in file.columns:
            cells = [row.get(file.columns[meaning]) for _, row in rows]
            _list_shape(meaning, cells, file)
    if "os" not in file.columns:
        file.notes.append(Note("no-os"))
    return file


def _others(names: list[str], rows: Sequence[tuple[str, Mapping[str, Any]]], file: _File) -> None:
    """Columns of yes and no are exposures of their own; what else there is, is left out and told."""
    rest = [n for n in names if n not in file.columns.values()]
    file.others = [n for n in rest if _is_flag([row.get(n) for _, row in rows])]
    if ignored := [n for n in rest if n not in file.others]:
        file.notes.append(Note("ignored", {"columns": tuple(ignored)}))


def _is_flag(cells: Iterable[Any]) -> bool:
    words = {_word(cell) for cell in cells}
    return words <= {*_YES, *_NO, *_UNKNOWN} and bool(words & {*_YES, *_NO})


def _list_shape(meaning: str, cells: list[Any], file: _File) -> None:
    """A list column may be a plain yes and no; else find out what its empty cells mean."""
    if _is_flag(cells):
        file.others.append(file.columns.pop(meaning))
        return
    plain = [_word(cell) for cell in cells if not isinstance(cell, list)]
    says_none = any(w in _NONE for w in plain) or any(cell == [] for cell in cells)
    empty = any(w == "" for w in plain) and not says_none
    file.lists[meaning] = empty
    if empty:
        file.notes.append(Note("empty-is-none", {"column": file.columns[meaning]}))


def _word(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return str(cell).strip().lower()


def _machine(row: Mapping[str, Any], where: str, file: _File) -> Machine:
    name = str(row.get(file.columns["machine"]) or "").strip()
    if not name:
        raise SourceError("there is no machine's name", where=where)
    exposed: dict[Name, bool] = {}
    since: dict[Name, date] = {}
    for meaning in ("update", "family"):
        if meaning in file.columns:
            _read_list(row.get(file.columns[meaning]), meaning, where, (exposed, since), file)
    for column in file.others:
        value = flag(row.get(column), column, where)
        if value is not None:
            exposed[_kind_of(column), column] = value
    return Machine(
        name=name, stratum=str(row.get(file.columns.get("os", "")) or "").strip(),
        symptom=flag(row.get(file.columns["symptom"]), "symptom", where), exposed=exposed, since=since,
        symptom_since=_day(row.get(file.columns.get("date", "")), where),
    )  # fmt: skip


def _kind_of(column: str) -> str:
    """What a column of yes and no is about, by its name."""
    lower = column.lower().strip().replace(" ", "_")
    if lower in _NAMES["update"] or re.fullmatch(
        r"kb\d{4,8}(_v\d)?|ms\d\d-\d{3}", lower.replace("-v", "_v")
    ):
        return "update"
    return "family" if lower in _NAMES["family"] or lower.startswith("family") else "other"


def flag(cell: Any, column: str, where: str) -> bool | None:
    """Return yes, no, or None for unknown. Raises SourceError for anything else."""
    word = _word(cell)
    if word in _YES:
        return True
    if word in _NO:
        return False
    if word in _UNKNOWN:
        return None
    raise SourceError(
        f"{column} is {str(cell)[:40]!r}, neither yes, no nor unknown",
        where=where,
        hint="1, 0 or empty",
    )


def _read_list(
    cell: Any,
    meaning: str,
    where: str,
    into: tuple[dict[Name, bool], dict[Name, date]],
    file: _File,
) -> None:
    """Read a list of names; `(meaning, "")` is set where the machine's list is known at all."""
    exposed, since = into
    entries = cell if isinstance(cell, list) else re.split(r"[;,|\s]+", str(cell or "").strip())
    words = [str(entry).strip() for entry in entries if str(entry).strip()]
    if not words or (len(words) == 1 and words[0].lower() in {*_UNKNOWN, *_NONE}):
        known = cell == [] or (file.lists[meaning] if not words else words[0].lower() in _NONE)
        if known:
            exposed[meaning, ""] = True
        return
    exposed[meaning, ""] = True
    for word in words:
        name, _, day = word.partition("@")
        exposed[meaning, name] = True
        if day and (found := _day(day, where)):
            since[meaning, name] = found


def _day(cell: Any, where: str) -> date | None:
    if cell is None or _word(cell) in _UNKNOWN:
        return None
    try:
        return date.fromisoformat(str(cell).strip()[:10])
    except ValueError as error:
        raise SourceError(
            f"{str(cell)[:40]!r} is no day", where=where, hint="such as 2009-11-25"
        ) from error


def _filled(machines: Sequence[Machine], file: _File) -> tuple[list[Machine], list[Name]]:
    """Turn lists into yes and no for every name that any machine has."""
    counts = Counter(n for m in machines for n, yes in m.exposed.items() if yes and n[1])
    flags = {(_kind_of(c), c) for c in file.others}
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, name in counts:
        if (kind, name) not in flags:
            by_kind[kind].append(name)
    common = sorted(counts.keys() | flags, key=lambda n: (-counts[n], n))
    kept = sorted(common[:_MOST_EXPOSURES])
    if len(common) > _MOST_EXPOSURES:
        file.notes.append(Note("too-many", {"count": len(common) - _MOST_EXPOSURES}))
    done = []
    for m in machines:
        exposed = {n: yes for n, yes in m.exposed.items() if n[1]}
        for kind, names in by_kind.items():
            if m.exposed.get((kind, "")):
                exposed.update({(kind, n): exposed.get((kind, n), False) for n in names})
        done.append(Machine(name=m.name, stratum=m.stratum, symptom=m.symptom, exposed=exposed,
                            since=m.since, symptom_since=m.symptom_since))  # fmt: skip
    return done, kept
