"""A case's effect: series out of the lake, the plan registered before, the result on record."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from sakimori.app import effects
from sakimori.app.files import write_whole
from sakimori.errors import SourceError
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sakimori.app.cases import Case
    from sakimori.app.effects import Told
    from sakimori.app.workspace import Workspace
    from sakimori.takedown.effect import Options

PLAN = "effect-plan.json"
SERIES = "series.csv"
_MOST_GROUPS = 10  # countries and networks that get a series of their own
# Distinct addresses a day, of completed calls only: questions over DNS come from resolvers.
_CALLERS = """
SELECT date_trunc('day', ts) AS day, count(DISTINCT src_ip) AS value
FROM sinkhole WHERE established AND service <> 'dns' GROUP BY 1 ORDER BY 1
"""
_REPORTED = """
SELECT date_trunc('day', ts) AS day, {column} AS part, count(DISTINCT src_ip) AS value
FROM event WHERE category = 'bot' AND {column} IS NOT NULL AND {column} IN
 (SELECT {column} FROM event WHERE category = 'bot' AND {column} IS NOT NULL
  GROUP BY 1 ORDER BY count(DISTINCT src_ip) DESC, 1 LIMIT {most})
GROUP BY 1, 2 ORDER BY 2, 1
"""


def series_of(ws: Workspace) -> list[tuple[str, str, float]]:
    """Return (series, day, value) rows of all that the lake can count by day.

    Messages and unique senders from mail and flows, callers of the sinkhole, and reported bots by
    country and network. A day without any record of a kind has no row: it is missing, not zero.
    """
    return [*_mail(ws), *_sinkhole(ws), *_reports(ws)]


def _mail(ws: Workspace) -> Iterator[tuple[str, str, float]]:
    for row in ws.spam_days():
        day = row["day"].strftime("%Y-%m-%d")
        yield "messages", day, float(row["messages"])
        yield "unique senders", day, float(row["sources"])


def _sinkhole(ws: Workspace) -> Iterator[tuple[str, str, float]]:
    for row in ws.sql(_CALLERS).to_pylist():
        yield "sinkhole callers", row["day"].strftime("%Y-%m-%d"), float(row["value"])


def _reports(ws: Workspace) -> Iterator[tuple[str, str, float]]:
    for column, name in (("country", "bots in {}"), ("asn", "bots of AS{}")):
        query = _REPORTED.format(column=column, most=_MOST_GROUPS)
        for row in ws.sql(query).to_pylist():
            yield name.format(row["part"]), row["day"].strftime("%Y-%m-%d"), float(row["value"])


def series_file(case: Case, given: Path | None) -> Path:
    """Return the series to measure: the given file, or one written from the lake.

    Raises SourceError when the lake holds nothing that can be counted by day.
    """
    if given is not None:
        return given
    rows = series_of(case.ws)
    if not rows:
        raise SourceError("the lake holds nothing to count by day", where=case.name,
                          hint="give a file: --series SERIES.csv")  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(effects.COLUMNS)
    writer.writerows((name, day, f"{value:g}") for name, day, value in rows)
    write_whole(case.folder / SERIES, text.getvalue())
    return case.folder / SERIES


def register(case: Case, series: Path, plan: dict[str, Any]) -> None:
    """Keep, before the act, what will be measured (`effects.register`); its hash goes on record."""
    path = case.folder / PLAN
    write_whole(path, json.dumps(plan, indent=1, ensure_ascii=False, default=str) + "\n")
    case.evidence.record(
        "plan", {"what": "effect plan", "fingerprint": effects.fingerprint(plan)}, [path, series]
    )


def measure(case: Case, series: Path, when: str, options: Options, *, depart: bool = False) -> Told:
    """Measure the effect, by the registered plan where there is one; the result goes on record."""
    plan = case.folder / PLAN
    told = effects.run(series, when, options, plan=plan if plan.is_file() else None, depart=depart)
    result = case.folder / "effect.json"
    rows = effects.as_object(told, Translator("en"))
    write_whole(result, json.dumps(rows, indent=1, default=str) + "\n")
    case.evidence.record(
        "note",
        {"what": "effect measured", "date": when, "plan": told.plan,
         "departures": list(told.departures)},
        [series, result],
    )  # fmt: skip
    return told
