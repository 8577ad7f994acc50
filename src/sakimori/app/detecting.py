"""Run the detectors over the lake. The one place where a failure of a part is caught and named."""

from __future__ import annotations

import inspect
import json
import math
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from sakimori import config, detectors, tables
from sakimori.detectors._prevalence import prevalence
from sakimori.engine.compiled import Compiled
from sakimori.tables import CORE, FINDING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sakimori.detectors import Detector
    from sakimori.engine.duck import Duck

HOME, TABLES = Path(detectors.__file__).parent, Path(tables.__file__).parent


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether a detector ran, and if not, or only in part, why."""

    detector: str
    ran: bool
    reason: str
    failed: bool = False
    seconds: float = 0.0
    lacking: str = ""  # the columns in `reason`


def run_detectors(
    duck: Duck,
    filled: Mapping[str, set[str]],
    settings: Mapping[str, Mapping[str, Any]],
    on_detector: Callable[[str], None] = lambda _name: None,
) -> tuple[pa.Table, list[Coverage]]:
    """Return all findings (table `finding`) and what ran.

    `filled` names, per table, the columns that hold data anywhere. Raises ConfigError for settings
    of a detector that does not exist or a key it does not have.
    """
    known = detectors.load_all()
    configs = _configs(known, settings)
    duck.keep("prevalence", _compiled().sql("prevalence", lambda: _prevalence(duck)))
    parts, coverage = [FINDING.arrow().empty_table()], []
    for name, detector in known.items():
        on_detector(name)
        begun = time.perf_counter()
        lacking = missing(detector, filled)
        if lacking.stops:
            coverage.append(
                Coverage(name, ran=False, reason=f"needs {lacking.words}", lacking=lacking.words)
            )
            continue
        try:
            found = _findings(duck, detector, configs[name])
        except Exception as error:  # noqa: BLE001 - the rest must run; this one is reported by name
            said = next(iter(str(error).splitlines()), "")[:200]
            reason = f"failed: {type(error).__name__}: {said}"
            coverage.append(Coverage(name, ran=False, reason=reason, failed=True))
            continue
        parts.append(found)
        reason = f"without {lacking.words}" if lacking.words else ""
        spent = time.perf_counter() - begun
        coverage.append(
            Coverage(name, ran=True, reason=reason, seconds=spent, lacking=lacking.words)
        )
    return pa.concat_tables(parts), coverage


@dataclass(frozen=True, slots=True)
class Missing:
    """Columns a detector lacks; `stops` when no alternative is whole."""

    stops: bool
    words: str


def missing(detector: Detector, filled: Mapping[str, set[str]]) -> Missing:
    """Compare what a detector needs with what the sources gave."""
    have = {f"{table}.{column}" for table, columns in filled.items() for column in columns}
    gaps = [[c for c in choice if c not in have] for choice in detector.NEEDS]
    if all(gaps):
        nearest = min(len(g) for g in gaps)
        words = dict.fromkeys(" and ".join(g) for g in gaps if len(g) == nearest)
        return Missing(stops=True, words=" or ".join(words))
    return Missing(stops=False, words=", ".join(sorted({c for g in gaps for c in g})))


def _configs(
    known: Mapping[str, Detector], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    config.check_names(settings, known, "[detector]")
    return {
        name: config.fill(detector.Config, settings.get(name, {}), f"[detector.{name}]")  # type: ignore[arg-type]
        for name, detector in known.items()
    }


def _findings(duck: Duck, detector: Detector, settings: Any) -> pa.Table:
    """Compute one detector's findings and put its own fields into `details`."""
    found = _computed(duck, detector, settings)
    details = _details(found.select(list(detector.DETAILS)))
    rows = found.num_rows
    columns = {name: found[name] for name in CORE} | {
        "detector": pa.repeat(pa.scalar(detector.NAME), rows),
        "technique": pa.repeat(pa.scalar(detector.TECHNIQUE), rows),
        "details": pa.array(details, pa.string()),
    }
    schema = FINDING.arrow()
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def _computed(duck: Duck, detector: Detector, settings: Any) -> pa.Table:
    def expression() -> Any:
        given = {
            name: duck.table(name).select(*columns) for name, columns in detector.READS.items()
        }
        return detector.detect(**given, config=settings)

    # Of a plugin, what its SQL depends on is not known.
    if Path(inspect.getfile(detector.detect)).parent != HOME:
        return duck.arrow(expression())
    for function, kind in getattr(detector, "FUNCTIONS", {}).items():
        duck.learn(function, kind)
    sql = _compiled().sql(f"{detector.NAME} {settings!r}", expression)
    types = ibis.schema({**CORE, **detector.DETAILS}).to_pyarrow()
    return duck.arrow_of(sql).cast(types)


def _prevalence(duck: Duck) -> Any:
    return prevalence(*(duck.table(name) for name in ("conn", "tls", "http", "dns")))


@cache
def _compiled() -> Compiled:
    return Compiled([*HOME.glob("*.py"), *TABLES.glob("*.py")])


def _details(table: pa.Table) -> list[str]:
    return [
        json.dumps(_plain(row), ensure_ascii=False, sort_keys=True) for row in table.to_pylist()
    ]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Round numbers to what an analyst can use; times as ISO text; NaN and infinity as null."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
