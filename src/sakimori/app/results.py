"""What the use cases give back: a hunt's report, its sources and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from sakimori.app.detecting import Coverage
    from sakimori.i18n import Translator
    from sakimori.state import RunRecord
    from sakimori.verdicts.model import Botnet, Controller, Host

SCHEMA_VERSION = "1"
_RELATIVE = 1970  # the year of logs whose times count from the start of the capture


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a long job reports. All do nothing by default."""

    on_file: Callable[[str], None] = lambda _name: None
    on_bytes: Callable[[int], None] = lambda _count: None
    on_detector: Callable[[str], None] = lambda _name: None


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers SQL of our own over the tables; `held` are those that hold rows."""

    ask: Callable[[str], pa.Table]
    held: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that would make the result misleading: a message and its values."""

    message: str
    values: Mapping[str, Any]

    def told(self, say: Translator) -> str:
        """Return it in the reader's language."""
        return say.tr(self.message, **self.values)


NO_HOST = "no host inside {networks} was seen: name yours with --internal CIDR"
RELATIVE = (
    "{count} sources count time from 1970, such as {path}: they cannot be compared in time with"
    " the others"
)
AHEAD = (
    "{count} sources hold times in the future, such as {path}: a clock is wrong, or the time zone"
    " ([import] timezone)"
)


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """One imported file and table: rows there now, lines refused, first and last time."""

    path: str
    format: str
    table: str | None
    rows: int
    rejected: int
    first: datetime | None
    last: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a hunt gives: everything the JSON contract has."""

    hosts: list[Host]  # infected and suspected only
    controllers: list[Controller]
    botnets: list[Botnet]
    coverage: list[Coverage]
    sources: list[SourceSummary]
    clean: int
    internal: list[str]
    hidden: int = 0  # findings the allow list hides
    warnings: list[Notice] = field(default_factory=list)

    @property
    def failed(self) -> list[Coverage]:
        """Detectors that broke; those that lacked a column are not among them."""
        return [c for c in self.coverage if c.failed]


def warnings_of(
    run: RunRecord, internal: Sequence[str], sources: Sequence[SourceSummary]
) -> list[Notice]:
    """Return what would make the result misleading: no inside, clocks that cannot be right."""
    warnings = _clock_warnings(sources)
    if not run.result["hosts"]:
        warnings.append(Notice(NO_HOST, {"networks": ", ".join(internal)}))
    return warnings


def _clock_warnings(sources: Sequence[SourceSummary]) -> list[Notice]:
    timed = [s for s in sources if s.first and s.last]
    relative = [s for s in timed if s.first and s.first.year == _RELATIVE]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    ahead = [s for s in timed if s.last and s.last > tomorrow]
    warnings = []
    if relative and len(relative) < len(timed):
        warnings.append(Notice(RELATIVE, {"count": len(relative), "path": relative[0].path}))
    if ahead:
        warnings.append(Notice(AHEAD, {"count": len(ahead), "path": ahead[0].path}))
    return warnings


def summaries(record: Any, tables: Mapping[str, list[Any]]) -> list[SourceSummary]:
    """Return one line per table that a source filled, or one that says why it filled none.

    `tables` maps a table's name to the parts of the lake that hold the source's rows.
    """
    telemetry = {name: parts for name, parts in tables.items() if name in TELEMETRY}
    if not telemetry:
        note = record.skipped or "no rows in the lake: none were readable, or they were removed"
        return [
            SourceSummary(record.path, record.format, None, 0, record.rejected, None, None, note)
        ]
    return [
        SourceSummary(
            record.path, record.format, name, sum(p.rows for p in parts), record.rejected,
            min(p.first for p in parts), max(p.last for p in parts),
            "; ".join(record.warnings),
        )
        for name, parts in sorted(telemetry.items())
    ]  # fmt: skip
