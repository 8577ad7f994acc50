"""`study`: machines from a CSV or JSON file in, what a symptom is tied to out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.study import words
from sakimori.endpoint.study.judge import study
from sakimori.endpoint.study.rows import collected
from sakimori.endpoint.verify.text import decoded, table
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sakimori.endpoint.study.model import Adjusted, Exposure, Study
    from sakimori.endpoint.study.tables import Ratio
    from sakimori.i18n import Translator

COLUMNS = ("kind", "exposure", "verdict", "exposed_with", "exposed", "unexposed_with", "unexposed",
           "ratio", "low", "high", "p_holm")  # fmt: skip
_LARGEST = 256 * 1024 * 1024  # bytes


def run(path: Path) -> Study:
    """Read the machines and judge. Raises SourceError with `path:line`."""
    return study(collected(read_rows(path)))


def read_rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (where, cells) of each row of a CSV, a JSON list, or JSON lines."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceError("larger than 256 MiB", where=str(path))
        text = decoded(path.read_bytes())
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
    bare = text.lstrip()
    if bare.startswith(("[", "{")):
        return _of_json(path, text)
    rows = [(line, row) for line, row in table(text) if any(row)]
    if len(rows) < 2:
        raise SourceError("there is no row below a header", where=str(path),
                          hint="columns: machine,os,symptom,updates,family")  # fmt: skip
    header = rows[0][1]
    return [(f"{path}:{line}", _cells(header, row, f"{path}:{line}")) for line, row in rows[1:]]


def _cells(header: list[str], row: list[str], where: str) -> dict[str, str]:
    if len(row) > len(header) and any(row[len(header) :]):
        raise SourceError(f"{len(row)} cells in a table of {len(header)} columns", where=where,
                          hint="put lists in quotes, or part them with semicolons")  # fmt: skip
    return {name: row[at] if at < len(row) else "" for at, name in enumerate(header) if name}


def _of_json(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("{"):
            return _of_lines(path, text)
        raise SourceError(f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not valid JSON: {error}", where=str(path)) from error
    if isinstance(whole, dict):
        whole = whole.get("machines", [whole])
    return _rows([(f"{path}: [{at}]", row) for at, row in enumerate(whole)], path)


def _of_lines(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append((f"{path}:{number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise SourceError("not valid JSON", where=f"{path}:{number}") from error
    return _rows(rows, path)


def _rows(rows: list[tuple[str, Any]], path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    for where, row in rows:
        if not isinstance(row, dict):
            raise SourceError("no object with machine, symptom, ...", where=where)
    if not rows:
        raise SourceError("there is no machine", where=str(path))
    return [(where, row) for where, row in rows]


def as_object(found: Study, say: Translator) -> dict[str, Any]:
    """Return the result as plain JSON values; see study.schema.json. Names are raw."""
    return {
        "machines": found.machines,
        "with_symptom": found.with_symptom,
        "without_symptom": found.without_symptom,
        "unknown_symptom": found.unknown_symptom,
        "strata": [{"os": name, "machines": count} for name, count in found.strata],
        "exposures": [_exposure(one, say) for one in found.exposures],
        "conclusion": {
            "answer": found.answer,
            "tied_to": [one.name for one in found.exposures if one.verdict == "tied"],
            "not_tied_to": [one.name for one in found.exposures if one.verdict == "not tied"],
            "cannot_tell": [one.name for one in found.exposures if one.verdict == "cannot tell"],
            "statement": words.conclusion(found, say),
        },
        "caveats": words.caveats(found, say),
    }


def _exposure(one: Exposure, say: Translator) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "exposure": one.name,
        "verdict": one.verdict,
        "reasons": [words.note_text(note, say) for note in one.notes],
        "overall": {**asdict(one.overall), "ratio": _ratio(one.ratio), "fisher_p": one.fisher_p},
        "strata": [{"os": name, **asdict(table)} for name, table in one.strata],
        "pooled": _ratio(one.pooled),
        "p_value": one.p_value,
        "p_holm": one.p_holm,
        "homogeneity_p": one.homogeneity_p,
        "adjusted": [_adjusted(a) for a in one.adjusted],
        "missing": one.missing,
        "symptom_before": one.late,
    }


def _ratio(ratio: Ratio | None) -> dict[str, Any] | None:
    return asdict(ratio) if ratio else None


def _adjusted(one: Adjusted) -> dict[str, Any]:
    return {"for": list(one.by), "ratio": _ratio(one.ratio), "p_value": one.p_value}


def rows(found: Study, say: Translator) -> list[dict[str, Any]]:
    """Return one row an exposure for a table or CSV, those that are tied first."""
    order = ("tied", "cannot tell", "not tied")
    ranked = sorted(found.exposures, key=lambda one: (order.index(one.verdict), one.p_holm))
    return [_row(one, say) for one in ranked]


def _row(one: Exposure, say: Translator) -> dict[str, Any]:
    ratio = one.pooled or one.ratio
    return {
        "kind": say.tr(words.KIND_WORDS[one.kind]),
        "exposure": one.name,
        "verdict": say.tr(words.VERDICT_WORDS[one.verdict]),
        "exposed_with": one.overall.a,
        "exposed": one.overall.exposed,
        "unexposed_with": one.overall.c,
        "unexposed": one.overall.unexposed,
        "ratio": ratio.value if ratio else None,
        "low": ratio.low if ratio else None,
        "high": ratio.high if ratio else None,
        "p_holm": f"{one.p_holm:.2g}",
    }
