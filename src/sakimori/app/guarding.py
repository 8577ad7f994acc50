"""The guard as a person uses it: scanner, policy, notices and the record of what was done."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sakimori.app import quarantining
from sakimori.app.files import write_whole
from sakimori.endpoint.guard.guard import Guard, Plan
from sakimori.endpoint.guard.seen import Seen
from sakimori.errors import EngineError, SakimoriError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sakimori.config import Settings
    from sakimori.endpoint.guard.gate import Gate
    from sakimori.endpoint.guard.guard import Looked, Scanner, Verdict
    from sakimori.endpoint.guard.notice import Teller
    from sakimori.endpoint.hits import Hit
    from sakimori.endpoint.quarantine import Quarantine

ACTOR = "guard"
_STATUS = 5.0  # seconds between writes of the status
_GATED = 64 * 1024 * 1024  # bytes of a file that is looked at before it opens; larger ones after
_SHOWN = 50  # troubles that are named; the rest is counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a person decided beforehand about files that match.

    `quarantine`: take them. `families`: only these (compared without case); empty: every family.
    """

    quarantine: bool = False
    families: tuple[str, ...] = ()

    def takes(self, hits: Sequence[Hit]) -> Hit | None:
        """Return the hit for which a file is taken, None when it stays."""
        if not self.quarantine:
            return None
        wanted = {family.casefold() for family in self.families}
        return next((h for h in hits if not wanted or h.family.casefold() in wanted), None)


@dataclass(slots=True)
class Watchman:
    """Acts on verdicts: by the policy, once a file, with everything told and recorded."""

    store: Path
    policy: Policy
    definitions: str
    tell: Callable[[dict[str, Any]], None]
    quarantined: int = 0
    troubles: list[dict[str, Any]] = field(default_factory=list)
    unread: int = 0
    _held: Quarantine | None = None

    def __call__(self, verdict: Verdict) -> None:
        """Take the file or leave it, and tell. Never raises: the guard goes on."""
        if verdict.troubles:
            self.unread += 1
            for trouble in verdict.troubles[: max(0, _SHOWN - len(self.troubles))]:
                self.troubles.append(asdict(trouble))
        if not verdict.hits:
            return
        self.tell(self._notice(verdict))

    def _notice(self, verdict: Verdict) -> dict[str, Any]:
        first = verdict.hits[0]
        action, ident = self._acted(verdict)
        return {
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "path": verdict.path,
            "rule": first.rule,
            "family": first.family,
            "hits": [asdict(hit) for hit in verdict.hits],
            "action": action,
            "quarantine": ident,
            "seconds": round(verdict.latency, 4),
            "definitions": self.definitions,
        }

    def _acted(self, verdict: Verdict) -> tuple[str, str | None]:
        hit = self.policy.takes(verdict.hits)
        if hit is None:
            return "told", None
        whole = next((h.sha256 for h in verdict.hits if h.member is None), None)
        why = quarantining.Why(
            rule=hit.rule, family=hit.family, definitions=self.definitions,
            reason="found by the guard", expect_sha256=whole,
        )  # fmt: skip
        try:
            held = self._quarantine()
            if whole is not None and self._was_put_back(held, verdict.path, whole):
                return "left: a person put this file back", None
            entry = quarantining.take(held, self.store, Path(verdict.path), why, actor=ACTOR)
        except (SakimoriError, OSError) as error:
            return f"not taken: {error}", None
        self.quarantined += 1
        return "quarantined", entry.id

    def _quarantine(self) -> Quarantine:
        if self._held is None:
            quarantining.recover(self.store, ACTOR)  # what a power cut left half done
            self._held = quarantining.opened(self.store, make=True)
        return self._held

    @staticmethod
    def _was_put_back(held: Quarantine, path: str, sha256: str) -> bool:
        return any(
            e.state == "restored" and e.sha256 == sha256 and (e.restored_to or e.path) == path
            for e in held.entries()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How to guard: the folders, the policy, and what the machine may be asked for."""

    folders: tuple[Path, ...]
    policy: Policy
    definitions: str  # version of what the scanner knows
    share: float = 0.5
    sweep_every: float = 3600.0
    baseline: bool = False
    gate: bool = False
    seconds: float | None = None  # end by itself


def guard(
    watching: Watching,
    scanner: Scanner,
    store: Path,
    teller: Teller,
    ready: Callable[[Guard], None] = lambda _: None,
) -> dict[str, Any]:
    """Guard folders until interrupted (or `seconds` are over); returns what was done.

    Raises SourceError when a folder cannot be watched, RefusedError when a gate is asked for and the
    system allows none.
    """
    home = store / "guard"
    watchman = Watchman(store, watching.policy, watching.definitions, teller.tell)
    running = _made(watching, scanner, home, watchman)
    with _gated(watching, scanner, running.plan.folders) as gate:
        if gate is not None:
            running.on_folder = partial(_also, gate)
        timer = threading.Timer(watching.seconds or 0, running.stop)
        status = threading.Thread(target=_statuses, args=(running, watchman, home))
        timer.daemon = status.daemon = True

        def begun() -> None:
            if watching.seconds:
                timer.start()
            status.start()
            ready(running)

        with contextlib.suppress(KeyboardInterrupt):  # how a guard ends
            running.run(baseline=watching.baseline, ready=begun)
        timer.cancel()
    teller.close()
    done = _status(running, watchman) | {
        "notices_failed": {name: list(why) for name, why in teller.failed.items()},
        "gate": gate.counts if gate else None,
    }
    _write_status(home, done | {"running": False})
    return done


def _made(watching: Watching, scanner: Scanner, home: Path, watchman: Watchman) -> Guard:
    """Return the guard, with its folders made and its record of what was seen opened."""
    folders = tuple(_folder(path) for path in watching.folders)
    pulse = home.resolve() / "pulse"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        pulse.mkdir(exist_ok=True)
    except OSError as error:
        raise EngineError(error.strerror or "cannot be made", where=str(home)) from error
    plan = Plan(
        folders=folders, excluded=(home.parent.resolve(),), share=watching.share,
        sweep_every=watching.sweep_every, pulse=pulse,
    )  # fmt: skip
    return Guard(plan, scanner, Seen(home / "seen.sqlite", watching.definitions), watchman)


@contextlib.contextmanager
def _gated(watching: Watching, scanner: Scanner, folders: Sequence[Path]) -> Iterator[Gate | None]:
    """Keep a gate while the guard runs, when one is asked for."""
    gate = _gate(scanner, folders) if watching.gate else None
    try:
        yield gate
    finally:
        if gate is not None:
            gate.close()


def _folder(path: Path) -> Path:
    if not path.exists():
        raise SourceError("no such folder", where=str(path))
    if not path.is_dir():
        raise SourceError("a guard watches folders", where=str(path))
    return path.resolve()


def _gate(scanner: Scanner, folders: Sequence[Path]) -> Gate:
    from sakimori.endpoint.guard.gate import Gate  # noqa: PLC0415 - Linux only

    def decide(file: int, path: str) -> bool:
        size = os.fstat(file).st_size
        return size > _GATED or not scanner.data(path, os.pread(file, size, 0)).hits

    gate = Gate(decide)
    gate.open(folders)
    return gate


def _also(gate: Gate, folder: str) -> None:
    """Ask for a new folder's files too; where the system has no room for more, they open."""
    with contextlib.suppress(SakimoriError):
        gate.add(folder)


def _status(running: Guard, watchman: Watchman) -> dict[str, Any]:
    return asdict(running.counts) | {
        "waiting": running.waiting,
        "quarantined": watchman.quarantined,
        "unread_named": watchman.troubles,
        "seen_restarted": running.seen.restarted,
        "definitions": watchman.definitions,
        "folders": [str(folder) for folder in running.plan.folders],
    }


def _statuses(running: Guard, watchman: Watchman, home: Path) -> None:
    ended = running.stopped
    while not ended.wait(_STATUS):
        _write_status(home, _status(running, watchman) | {"running": True})


def _write_status(home: Path, value: dict[str, Any]) -> None:
    value = value | {"pid": os.getpid(), "written": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    write_whole(home / "status.json", json.dumps(value, indent=1))


def status(store: Path) -> dict[str, Any]:
    """Return what the last guard of this store said of itself.

    Raises SourceError when none ran. `alive` is whether its process is there now.
    """
    file = store / "guard" / "status.json"
    try:
        value = json.loads(file.read_text("utf-8"))
        pid = int(value["pid"])
    except OSError as error:
        raise SourceError(
            "no guard has run with this store", where=str(store), hint="sakimori guard PATH"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError("not a guard's status", where=str(file)) from error
    return dict(value) | {"alive": bool(value.get("running")) and _alive(pid)}


def _alive(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - slow to import

    return psutil.pid_exists(pid)


class PerThread:
    """A scanner for several threads: YARA-X's may be used by the thread that made it only."""

    def __init__(self, make: Callable[[], Scanner]) -> None:
        """Make one in each thread that asks."""
        self._make = make
        self._local = threading.local()

    def _mine(self) -> Scanner:
        if not hasattr(self._local, "scanner"):
            self._local.scanner = self._make()
        return cast("Scanner", self._local.scanner)

    def file(self, path: Path) -> Looked:
        """Look at a file."""
        return self._mine().file(path)

    def data(self, name: str, data: bytes) -> Looked:
        """Look at bytes that are called `name`."""
        return self._mine().data(name, data)


def scanner_of(
    settings: Settings, rules: Sequence[Path], hashes: Sequence[Path]
) -> tuple[Scanner, str]:
    """Return a scanner for these rules (else those of settings and definitions), and its version.

    Raises SourceError when they cannot be loaded.
    """
    from sakimori.app.scanning import definitions_for  # noqa: PLC0415 - slow to import
    from sakimori.endpoint.scan import Scanner as FileScanner  # noqa: PLC0415
    from sakimori.endpoint.scan import Settings as Limits  # noqa: PLC0415

    used = definitions_for(settings.machine, rules, hashes)
    limits = Limits(passwords=settings.machine.passwords)
    scanner = PerThread(lambda: FileScanner(used.definitions, limits))
    return scanner, used.definitions.version
