"""A workspace: one folder with a lake, its state, intelligence and findings. The Python API."""

from __future__ import annotations

import fcntl
import getpass
import json
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sakimori import config, readers
from sakimori.app import tending
from sakimori.app.detecting import Coverage, run_detectors
from sakimori.app.ingest import Importer, Outcome
from sakimori.app.results import Answers, Progress, Report, SourceSummary, summaries, warnings_of
from sakimori.detectors import load_all, spam
from sakimori.engine.duck import Duck
from sakimori.engine.lake import Lake
from sakimori.errors import ConfigError, PartFailedError, SourceError, StateError
from sakimori.readers import Options
from sakimori.state import AllowEntry, RunRecord, Store
from sakimori.tables import ALL, INDICATOR, TELEMETRY
from sakimori.verdicts import allow as allowing
from sakimori.verdicts.explain import Explanation, explain
from sakimori.verdicts.judge import judge_botnets, judge_controllers, judge_hosts
from sakimori.verdicts.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sakimori.config import Settings
    from sakimori.verdicts.model import Host


class Workspace:
    """An open workspace. Use as a context manager, or call `close`.

    Without a folder it is temporary and gone when closed.
    """

    def __init__(self, folder: Path | None, settings: Settings) -> None:
        """Create the folder if needed. Raises StateError when it cannot be written."""
        self._temporary = folder is None
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="sakimori-")) if folder is None else folder
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the workspace cannot be made: {error.strerror}",
                where=str(folder),
                hint="choose a folder you can write to",
            ) from error
        self.settings = settings
        self.lake = Lake(self.folder / "lake")
        self._store: Store | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def store(self) -> Store:
        """The state, opened when first used."""
        if self._store is None:
            self._store = Store(f"sqlite:///{self.folder / 'state.sqlite'}")
        return self._store

    def close(self) -> None:
        """Let go of everything; a temporary workspace is removed."""
        if self._store is not None:
            self._store.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    # Import

    def import_(self, paths: Sequence[str], progress: Progress | None = None) -> list[Outcome]:
        """Read files, folders, globs and "-" into the lake. Returns what became of each file.

        Raises SourceError when a path does not exist, or when nothing was readable at all.
        """
        progress = progress or Progress()
        with self._locked():
            importer = Importer(
                self.lake, self.store, self._options(), progress.on_file, progress.on_bytes
            )
            outcomes = importer.run(paths)
        _refuse_nothing(outcomes, paths)
        return outcomes

    def _options(self) -> Options:
        given = self.settings.import_
        return Options(
            timezone=given.timezone,
            year=given.year,
            columns=given.columns,
            shadowserver_schema=given.shadowserver_schema,
            threads=self.settings.engine.threads or 2,
        )

    # Hunt

    def hunt(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Run every detector over the lake, keep the findings, and return the report.

        Times bound the traffic looked at: from `since`, up to but not including `until`.
        """
        progress = progress or Progress()
        begun = datetime.now(UTC)
        if since and until and since >= until:
            raise ConfigError("--since is not before --until")
        with self._duck(since, until) as (duck, filled):
            hosts = duck.inside_sources()
            findings, coverage = run_detectors(
                duck, filled, self.settings.detector, progress.on_detector
            )
        self._keep(findings, begun, coverage, hosts)
        return self.report()

    def _keep(
        self, findings: pa.Table, begun: datetime, coverage: list[Coverage], hosts: int
    ) -> None:
        seconds = (datetime.now(UTC) - begun).total_seconds()
        run = uuid.uuid4().hex[:12]
        folder = self.folder / "findings"
        folder.mkdir(exist_ok=True)
        aside = folder / f".{run}.parquet"
        findings = findings.sort_by([(name, "ascending") for name in ALL["finding"].key])
        pq.write_table(findings, aside, compression="zstd")
        aside.replace(folder / f"{run}.parquet")
        self.store.record_run(
            RunRecord(
                id=run,
                started=begun,
                seconds=seconds,
                settings={"internal": list(self._internal())},
                result={"coverage": [asdict(c) for c in coverage], "hosts": hosts},
            )
        )

    # Views: findings, hosts, controllers, botnets; the allow list acts here

    def report(self) -> Report:
        """Return the last hunt's report as the allow list shows it now.

        Raises SourceError when there was no hunt yet.
        """
        run = self._last_run()
        viewed = self._viewed(run)
        internal = run.settings["internal"]
        judged = judge_hosts(viewed.findings, _inside(internal))
        shown = [h for h in judged if h.verdict != "clean"]
        controllers = judge_controllers(judged)
        sources = self.sources()
        return Report(
            hosts=shown,
            controllers=controllers,
            botnets=judge_botnets(shown, controllers),
            coverage=[Coverage(**c) for c in run.result["coverage"]],
            sources=sources,
            clean=max(0, int(run.result["hosts"]) - len(shown)),
            internal=internal,
            hidden=viewed.hidden,
            warnings=warnings_of(run, internal, sources),
        )

    def findings(self) -> list[Finding]:
        """Return the last hunt's findings as the allow list shows them now, strongest first."""
        found = self._viewed(self._last_run()).findings
        return sorted(found, key=lambda f: (-f.score, f.host, f.detector))

    def host(self, address: str) -> Host:
        """Return one host's case, whatever its verdict. Raises SourceError for an unknown host."""
        run = self._last_run()
        findings = self._viewed(run).findings
        for host in judge_hosts(findings, lambda _address: True):
            if host.host == address:
                return host
        raise SourceError(
            "nothing was found about this host in the last hunt",
            where=address,
            hint="see `sakimori hosts` or `sakimori findings`",
        )

    def explain(self, address: str, lang: str | None = None) -> Explanation:
        """Return why a host has its verdict, told in a language."""
        return explain(self.host(address), lang or self.settings.lang)

    def evidence(self, finding: Finding) -> list[dict[str, Any]]:
        """Return the telemetry rows behind a finding: table, and the columns that hold data."""
        with self._duck() as (duck, filled):
            reads = (
                load_all()[finding.detector].READS if finding.detector in load_all() else TELEMETRY
            )
            return [
                row
                for table in TELEMETRY.values()
                if "uid" in table.types and table.name in filled and table.name in reads
                for row in duck.rows_of(table.name, finding.evidence)
            ]

    def sources(self) -> list[SourceSummary]:
        """Return every imported file with what it gave, in the order of import."""
        of_source: dict[str, dict[str, list[Any]]] = {}
        for part in self.store.parts():
            for source in part.sources:
                of_source.setdefault(source, {}).setdefault(part.table, []).append(part)
        return [
            summary
            for record in self.store.sources()
            for summary in summaries(record, of_source.get(record.id, {}))
        ]

    # Allow list

    def allow_add(
        self, value: str, reason: str, *, kind: str = "", expires: datetime | None = None
    ) -> AllowEntry:
        """Set something aside in views from now on. Raises ConfigError for a malformed value."""
        if not reason.strip():
            raise ConfigError("an allow entry needs a reason", hint="--reason 'backup server'")
        kind = kind or allowing.kind_of(value.strip().lower())
        entry = AllowEntry(
            id=0, kind=kind, value=allowing.normalised(kind, value), reason=reason.strip(),
            created=datetime.now(UTC), created_by=getpass.getuser(), expires=expires,
        )  # fmt: skip
        return replace(entry, id=self.store.allow(entry))

    def allow_list(self) -> list[AllowEntry]:
        """Return every entry, expired ones too."""
        return self.store.allowed()

    def allow_remove(self, number: int) -> None:
        """Undo an entry. Raises SourceError when there is none of that number."""
        if not self.store.disallow(number):
            raise SourceError(f"there is no allow entry {number}", hint="see `sakimori allow list`")

    # Intelligence

    def intel_import(self, path: Path, **options: Any) -> tuple[int, list[Any]]:
        """Import indicators; an older import of the same source is replaced.

        Returns how many there are now from it, and what was refused.
        """
        with self._locked():
            return tending.import_intel(self.folder / "intel", path, options)

    def intel(self) -> pa.Table:
        """Return all indicators (table `indicator`)."""
        return tending.read_intel(self.folder / "intel")

    # Questions and care

    def spam_days(self) -> list[dict[str, Any]]:
        """Return messages and their sources for each UTC day; see `sakimori.detectors.spam.by_day`."""
        with self._duck() as (duck, _filled):
            counted = spam.by_day(duck.table("conn"), duck.table("mail"))
            days: list[dict[str, Any]] = duck.arrow(counted).to_pylist()
            return days

    def sql(self, query: str) -> pa.Table:
        """Answer one read-only SQL question over the tables. Raises EngineError."""
        with self._duck() as (duck, _filled):
            duck.give("indicator", self.intel())
            duck.give("finding", self._all_findings())
            return duck.ask(query, self.lake.root)

    @contextmanager
    def questions(self) -> Iterator[Answers]:
        """Open the engine once for several questions of our own. Raises EngineError."""
        with self._duck() as (duck, filled):
            yield Answers(duck.arrow_of, frozenset(filled))

    def compact(self) -> tuple[int, int]:
        """Join small files of each table and day. Returns how many files before and after."""
        with self._locked():
            return tending.compact(self.lake, self.store)

    def retain(self, days: int, now: datetime | None = None) -> int:
        """Remove days older than this many. Returns the rows removed."""
        if days < 1:
            raise ConfigError(f"--days is {days}", hint="1 or more")
        with self._locked():
            return tending.retain(self.lake, self.store, days, now or datetime.now(UTC))

    def verify(self) -> list[str]:
        """Return what is wrong with the lake: missing, stray or damaged files. Empty: all is well."""
        return tending.verify(self.lake, self.store)

    # Inside

    @contextmanager
    def _duck(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[tuple[Duck, dict[str, set[str]]]]:
        """Open the engine on the lake; with it, the columns that hold data per table."""
        files: dict[str, list[str]] = {}
        filled: dict[str, set[str]] = {}
        for part in self.store.parts():
            if not _in_range(part, since, until):
                continue
            files.setdefault(part.table, []).append(str(self.lake.root / part.path))
            filled.setdefault(part.table, set()).update(part.filled)
        indicators = self.intel()
        if indicators.num_rows:
            filled["indicator"] = set(INDICATOR.types)
        engine = self.settings.engine
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".spill-") as spill:
            duck = Duck(engine.memory, engine.threads, Path(spill))
            try:
                duck.open_lake(files, since, until)
                duck.mark_inside(self._internal())
                duck.give("indicator", indicators)
                yield duck, filled
            finally:
                duck.close()

    def _internal(self) -> tuple[str, ...]:
        return self.settings.internal or config.DEFAULT_INTERNAL

    def _last_run(self) -> RunRecord:
        run = self.store.last_run()
        if run is None:
            raise SourceError(
                "no hunt was run here yet",
                where=str(self.folder),
                hint="sakimori hunt PATH --workspace DIR",
            )
        return run

    def _all_findings(self) -> pa.Table:
        run = self.store.last_run()
        if run is None:
            return ALL["finding"].arrow().empty_table()
        return self._findings_of(run)

    def _findings_of(self, run: RunRecord) -> pa.Table:
        path = self.folder / "findings" / f"{run.id}.parquet"
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise StateError(
                "the last hunt's findings are missing or damaged",
                where=str(path),
                hint="run the hunt again",
            ) from error

    def _viewed(self, run: RunRecord) -> allowing.Viewed:
        rows = self._findings_of(run).to_pylist()
        findings = [
            Finding(**{**row, "details": json.loads(row["details"]),
                       "evidence": tuple(row["evidence"] or ())})
            for row in rows
        ]  # fmt: skip
        return allowing.apply(findings, self.store.allowed(), datetime.now(UTC))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the lake."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateError(
                    "another import is at work in this workspace",
                    where=str(self.folder),
                    hint="wait for it to end",
                ) from error
            yield


def open_workspace(workspace: str | Path | None = None, **options: Any) -> Workspace:
    """Open a workspace (None: a temporary one). Options override settings: internal, lang, ...

    >>> with open_workspace() as workspace:
    ...     workspace.sources()
    []
    """
    settings = config.load(options={"workspace": workspace, **options})
    return Workspace(settings.workspace, settings)


def check_parts(report: Report) -> None:
    """Raise PartFailedError when a detector broke; the report itself stands."""
    if report.failed:
        names = ", ".join(c.detector for c in report.failed)
        raise PartFailedError(
            f"these detectors failed: {names}; the others ran",
            hint="see the coverage for the reason, and please report it",
        )


def _inside(internal: Sequence[str]) -> Callable[[str], bool]:
    networks = [ip_network(cidr) for cidr in internal]

    def is_inside(host: str) -> bool:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in networks)

    return is_inside


def _in_range(part: Any, since: datetime | None, until: datetime | None) -> bool:
    if part.first is None or part.last is None:
        return True
    return (since is None or part.last >= since) and (until is None or part.first < until)


def _refuse_nothing(outcomes: Sequence[Outcome], paths: Sequence[str]) -> None:
    """Raise when not one file could be used."""
    if any(o.added or o.grown or o.empty or o.skipped == "already imported" for o in outcomes):
        return
    failed = next((o for o in outcomes if o.failed), None)
    reason = (
        failed.failed
        if failed
        else "; ".join(sorted({o.skipped or "no good line" for o in outcomes}))
    )
    raise SourceError(
        f"nothing was readable: {reason or 'the folder is empty'}",
        where=", ".join(paths),
        hint=(failed.hint if failed else "")
        or f"formats: {'; '.join(r.TITLE for r in readers.load_all().values())}",
    )
