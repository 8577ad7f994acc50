"""Scan files and trees: which definitions, how many workers, what came of it, and a record of the run."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import platform
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.app.files import write_whole
from sakimori.config import store_of
from sakimori.endpoint.definitions import client
from sakimori.endpoint.scan import Settings, load
from sakimori.endpoint.scan.cache import Cache, now_ns
from sakimori.endpoint.scan.pool import Pool, batches
from sakimori.endpoint.scan.scanner import LARGEST, SECONDS
from sakimori.endpoint.scan.walk import Found, Walk
from sakimori.errors import ConfigError, EngineError, SourceError
from sakimori.hostile import visible
from sakimori.tables import TOOL_RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sakimori.config import Machine
    from sakimori.endpoint.hits import Hit, Trouble
    from sakimori.endpoint.scan import Definitions
    from sakimori.endpoint.scan.scanner import Looked

OLD = 7.0  # days after which definitions are old: new malware is out every day
_WRITE = 5.0  # s between writes to the cache
_COLUMNS = tuple(c.name for c in TOOL_RUN.stored if c.name != "source_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked for. `rules` and `hashes` replace those of the settings and the store.

    `cache`: its file; None: in the store. `workers` 0: as many as there are processors.
    """

    paths: tuple[str, ...]
    rules: tuple[Path, ...] = ()
    hashes: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    follow: bool = False
    one_file_system: bool = False
    workers: int = 0
    cache: Path | None = None
    caching: bool = True
    largest: int = LARGEST
    seconds: int = SECONDS
    unpacking: bool = True


@dataclass(frozen=True, slots=True)
class Used:
    """The definitions of a scan. `age` in days is of the store's, None where none were used."""

    definitions: Definitions
    of_store: str = ""
    age: float | None = None
    only_builtin: bool = False


@dataclass(slots=True, kw_only=True)
class Scan:
    """A scan and what it found so far. `finished` False: it was stopped before its end."""

    used: Used
    begun: datetime
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    scanned: int = 0
    bytes: int = 0
    cached: int = 0
    hits: list[Hit] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    @property
    def found(self) -> int:
        """How many files have a hit."""
        return len({hit.path for hit in self.hits})

    @property
    def families(self) -> list[str]:
        """The families found, each once."""
        return sorted({hit.family for hit in self.hits if hit.family})


def definitions_for(machine: Machine, rules: Sequence[Path], hashes: Sequence[Path]) -> Used:
    """Load what is named; where nothing is, what the settings name and the store's active version.

    The two harmless rules that come along are always there. Raises SourceError.
    """
    store = store_of(machine)
    cache = store / "cache"
    if rules or hashes:
        return Used(load(rules, hashes, cache=cache))
    active = client.active(store / "definitions")
    rules, hashes = list(machine.rules), list(machine.hashes)
    if active:
        rules += [active.folder / "rules"] if active.files("rules") else []
        hashes += [active.folder / "hashes"] if active.files("hashes") else []
    definitions = load(rules, hashes, cache=cache)
    return Used(
        definitions,
        active.version if active else "",
        active.age(datetime.now(UTC)) if active else None,
        only_builtin=not rules and not hashes,
    )


def scan(asked: Asked, machine: Machine, progress: Callable[[Scan], None] | None = None) -> Scan:
    """Scan. Stopped by KeyboardInterrupt, it returns what was found so far, `finished` False.

    Raises SourceError when no named path is there, or the definitions cannot be used.
    """
    if not any(os.path.lexists(path) for path in asked.paths):
        raise SourceError(
            "is not there", where=", ".join(asked.paths[:3]), hint="name a file or a folder"
        )
    began = time.monotonic()
    begun = datetime.now(UTC)
    run = Scan(used=definitions_for(machine, asked.rules, asked.hashes), begun=begun)
    job = _Job(run, asked, machine, progress or (lambda _run: None))
    try:
        job.work()
        run.finished = True
    except KeyboardInterrupt:
        run.notes.append("stopped before its end: what follows is incomplete")
    finally:
        job.close()
        run.seconds = time.monotonic() - began
    run.hits.sort(key=lambda hit: (hit.path, hit.member or "", hit.rule))
    run.troubles.sort(key=lambda trouble: (trouble.path, trouble.member or ""))
    return run


def _own(store: Path) -> frozenset[tuple[int, int]]:
    """Return the store's folders as (device, inode): what is in them is not looked at."""
    found = set()
    for name in ("cache", "clean", "definitions", "quarantine"):
        with contextlib.suppress(OSError):
            told = (store / name).stat()
            found.add((told.st_dev, told.st_ino))
    return frozenset(found)


class _Job:
    """A scan at work."""

    def __init__(
        self, run: Scan, asked: Asked, machine: Machine, progress: Callable[[Scan], None]
    ) -> None:
        self._run = run
        self._asked = asked
        self._progress = progress
        self._walk = Walk(
            follow=asked.follow, one_file_system=asked.one_file_system, exclude=asked.exclude,
            own=_own(store_of(machine)),
        )  # fmt: skip
        self._settings = Settings(
            largest=asked.largest, seconds=asked.seconds, unpacking=asked.unpacking,
            follow=asked.follow, passwords=machine.passwords,
        )  # fmt: skip
        self._cache: Cache | None = None
        if asked.caching:
            file = asked.cache or store_of(machine) / "cache" / "scans.sqlite"
            version = f"{run.used.definitions.version} {self._settings.key}"
            self._cache = Cache(file, version, time.time())
        self._kept: list[Looked] = []
        self._wrote = time.monotonic()

    def work(self) -> None:
        """Walk, and look at what the cache does not know."""
        workers = self._asked.workers or os.cpu_count() or 1
        with Pool(self._run.used.definitions, self._settings, workers) as pool:
            for looked in pool.run(self._unknown()):
                self._take(looked)
                self._kept.append(looked)
                if time.monotonic() - self._wrote > _WRITE:
                    self._write()

    def _unknown(self) -> Iterator[list[str]]:
        for batch in batches(self._files()):
            known = self._cache.known(batch) if self._cache else [None] * len(batch)
            for looked in known:
                if looked is not None:
                    self._run.cached += 1
                    self._take(looked)
            left = [f.path for f, looked in zip(batch, known, strict=True) if looked is None]
            if left:
                yield left

    def _files(self) -> Iterator[Found]:
        for found in self._walk.files(self._asked.paths):
            if isinstance(found, Found):
                yield found
            else:
                self._run.troubles.append(found)

    def _take(self, looked: Looked) -> None:
        run = self._run
        if looked.bytes or (looked.size == 0 and looked.state):
            run.scanned += 1
            run.bytes += looked.size
        run.hits += looked.hits
        run.troubles += looked.troubles
        self._progress(run)

    def _write(self) -> None:
        if self._cache:
            self._cache.keep(self._kept, now_ns())
        self._kept.clear()
        self._wrote = time.monotonic()

    def close(self) -> None:
        """Write what is known; say what was left out, and what became of the cache."""
        self._write()
        self._run.left = self._walk.left
        if self._cache:
            self._cache.close()
            if self._cache.note:
                self._run.notes.append(self._cache.note)


def as_object(run: Scan) -> dict[str, Any]:
    """Return a scan as plain JSON values. Text is raw: whoever shows it must escape it."""
    return {
        "scanned": run.scanned,
        "bytes": run.bytes,
        "hits": [asdict(hit) for hit in run.hits],
        "errors": [{"path": t.path, "reason": _reason(t)} for t in run.troubles],
        "seconds": round(run.seconds, 3),
    }


def _reason(trouble: Trouble) -> str:
    """Return why, after the member's name where it is a member's: `path` is always a file on the disk."""
    return f"{trouble.member}: {trouble.reason}" if trouble.member else trouble.reason


# Records of runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is recorded of one run of a tool; see table `tool_run`."""

    ts: datetime
    id: str
    tool: str
    definitions: str
    scanned: int
    found: int
    cleaned: int
    families: tuple[str, ...]
    seconds: float


def recorded(run: Scan) -> Run:
    """Return a scan as its record."""
    return Run(
        ts=run.begun, id=run.id, tool="scan", definitions=run.used.definitions.version,
        scanned=run.scanned, found=run.found, cleaned=0, families=tuple(run.families),
        seconds=run.seconds,
    )  # fmt: skip


def row_of(run: Run, machine: Machine) -> dict[str, str]:
    """Return a run as a row of table `tool_run`, every value as text of a CSV cell."""
    product, version = _system()
    return {
        "ts": run.ts.isoformat().replace("+00:00", "Z"),
        "uid": run.id,
        "machine": visible(machine.name or platform.node()),
        "country": machine.country,
        "product": product,
        "version": version,
        "managed": machine.managed,
        "tool": run.tool,
        "definitions": run.definitions,
        "scanned": str(run.scanned),
        "found": str(run.found),
        "cleaned": str(run.cleaned),
        "families": ",".join(visible(name.replace(",", " ")) for name in run.families),
        "seconds": f"{run.seconds:.3f}",
    }


def _system() -> tuple[str, str]:
    """Return the operating system's name and version."""
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        return platform.system(), platform.release()
    return told.get("NAME", "Linux"), told.get("VERSION_ID", "")


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def append_run(file: Path, run: Run, machine: Machine) -> None:
    """Add a run to a CSV that `sakimori import` reads; made with its header where it is not there.

    Raises ConfigError when the file is another table, EngineError when it cannot be written.
    """
    head, row = _line(_COLUMNS), _line(list(row_of(run, machine).values()))
    try:
        if file.exists() and file.stat().st_size:
            with file.open(encoding="utf-8", newline="") as opened:
                if opened.readline(4096).rstrip("\r\n") != head.rstrip("\n"):
                    raise ConfigError(
                        "is no table of runs", where=str(file), hint="name another file"
                    )
            head = ""
        with file.open("a", encoding="utf-8", newline="") as opened:
            opened.write(head + row)  # one write: two scans may end at the same time
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"cannot be written: {error}", where=str(file)) from error


def import_run(workspace: Path, run: Run, machine: Machine) -> None:
    """Put a run into a workspace's lake. Raises what importing raises."""
    from sakimori.app.workspace import open_workspace  # noqa: PLC0415 - slow to import

    with open_workspace(workspace) as ws:
        folder = ws.folder / "tool-runs"
        folder.mkdir(exist_ok=True)
        file = folder / f"{run.id}.csv"
        write_whole(file, _line(_COLUMNS) + _line(list(row_of(run, machine).values())))
        ws.import_([str(file)])


def told_hits(run: Scan) -> list[dict[str, Any]]:
    """Return hits as rows for a table."""
    return [asdict(hit) | {"member": hit.member or ""} for hit in run.hits]


def keys_of(run: Scan) -> str:
    """Return why files were left out on purpose, with counts, as one line; "" for none."""
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(run.left.items()))
