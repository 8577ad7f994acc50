"""The guard itself: events and sweeps in, one look at each file, verdicts out."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.guard.budget import Budget
from sakimori.endpoint.guard.pending import Pending
from sakimori.endpoint.guard.seen import identity
from sakimori.endpoint.guard.watching import watch
from sakimori.endpoint.hits import Trouble
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sakimori.endpoint.guard.pending import Waiting
    from sakimori.endpoint.guard.seen import Seen
    from sakimori.endpoint.guard.watching import Watch
    from sakimori.endpoint.hits import Hit

_FLUSH = 2.0  # seconds between writes of what was seen
_PULSE = 60.0  # seconds between proofs that events still come
_PATIENCE = 10.0  # seconds that such a proof may take


class Looked(Protocol):
    """What a scanner says of one file."""

    @property
    def hits(self) -> Sequence[Hit]:
        """Return the rules that matched."""

    @property
    def troubles(self) -> Sequence[Trouble]:
        """Return what could not be looked at."""


class Scanner(Protocol):
    """What looks at one file."""

    def file(self, path: Path) -> Looked:
        """Look at a file; raises nothing for what it holds."""

    def data(self, name: str, data: bytes) -> Looked:
        """Look at bytes that are called `name`."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A look that came to nothing."""

    troubles: tuple[Trouble, ...]
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One file was looked at. `latency`: seconds since its first event; `fresh`: not by a sweep."""

    path: str
    hits: tuple[Hit, ...]
    troubles: tuple[Trouble, ...]
    latency: float
    fresh: bool


@dataclass(slots=True)
class Counts:
    """What a guard has done since it started."""

    looked: int = 0
    known: int = 0  # events of files that had been looked at as they are
    found: int = 0
    unread: int = 0
    sweeps: int = 0
    lost: int = 0  # times that the kernel or our queue could not keep all events
    restarts: int = 0  # times that events had stopped coming and were followed anew
    first_latency: float | None = None
    slowest: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to watch and how hard.

    `excluded` are folders that are left alone (the guard's own store is one). `share` is the part of one
    core that may be used beyond short bursts. `sweep_every` seconds the folders are compared with what
    was seen; 0: only at the start and after lost events. `pulse` is a folder of the guard's own, in which
    it writes a file now and then, to see that events still come; None: it does not look.
    """

    folders: tuple[Path, ...]
    excluded: tuple[Path, ...] = ()
    share: float = 0.5
    sweep_every: float = 3600.0
    settle: float = 0.03
    pulse: Path | None = None
    pulse_every: float = _PULSE


@dataclass(slots=True)
class Guard:
    """Watches folders until `stop`.

    `on_verdict` is called in the guard's thread for every look, `on_folder` in watchdog's thread for every
    folder that is new.
    """

    plan: Plan
    scanner: Scanner
    seen: Seen
    on_verdict: Callable[[Verdict], None]
    on_folder: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    counts: Counts = field(default_factory=Counts)
    _pending: Pending = field(init=False)
    _sweep_wanted: threading.Event = field(default_factory=threading.Event, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _felt: threading.Event = field(default_factory=threading.Event, init=False)
    _following: Watch | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with an empty queue."""
        self._pending = Pending(settle=self.plan.settle)

    def run(self, *, baseline: bool = False, ready: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop`. What changed while nobody watched is found by a first sweep.

        With `baseline` files that are there now count as seen without a look. `ready` is called when
        events are followed. Raises SourceError when a folder cannot be watched.
        """
        self._follow()
        threads = [threading.Thread(target=self._sweeps, args=(baseline,), daemon=True)]
        if self.plan.pulse is not None:
            threads.append(
                threading.Thread(target=self._pulses, args=(self.plan.pulse,), daemon=True)
            )
        for thread in threads:
            thread.start()
        try:
            ready()
            self._work()
        finally:
            self._end()
            for thread in threads:
                thread.join(5)
            self.seen.close()

    def stop(self) -> None:
        """End `run`, soon. What waits is found again by the next start."""
        self._stopped.set()
        self._sweep_wanted.set()
        self._pending.close()

    @property
    def stopped(self) -> threading.Event:
        """Return the event that is set when the guard ends."""
        return self._stopped

    @property
    def waiting(self) -> int:
        """Return how many files wait for their look."""
        return len(self._pending)

    def _end(self) -> None:
        self.stop()
        if self._following is not None:
            self._following.stop()

    def _follow(self) -> None:
        """Follow events, anew when they were followed before."""
        if self._following is not None:
            self._following.stop()
        pulse = (self.plan.pulse,) if self.plan.pulse else ()
        self._following = watch(
            (*self.plan.folders, *pulse), self._changed, self._moved_in, self._lost
        )

    # Events

    def _changed(self, path: str) -> None:
        if self.plan.pulse is not None and path.startswith(os.fspath(self.plan.pulse)):
            self._felt.set()
        elif not self._left_alone(path) and not self._pending.add(path, self.clock()):
            self._lost()

    def _moved_in(self, folder: str) -> None:
        """Queue what a new folder holds: its files may have come before it was watched."""
        for place, folders, names in os.walk(folder):
            self.on_folder(place)
            folders[:] = [n for n in folders if not self._left_alone(os.path.join(place, n))]  # noqa: PTH118
            for name in names:
                self._changed(os.path.join(place, name))  # noqa: PTH118 - text paths, many of them

    def _lost(self) -> None:
        self.counts.lost += 1
        self._sweep_wanted.set()

    def _left_alone(self, path: str) -> bool:
        return any(
            path == (top := os.fspath(folder)) or path.startswith(top + os.sep)
            for folder in self.plan.excluded
        )

    def _pulses(self, folder: Path) -> None:
        """Prove now and then that events still come: a watcher that died says nothing."""
        while not self._stopped.wait(self.plan.pulse_every):
            self._felt.clear()
            (folder / "pulse").write_text(str(self.clock()), "ascii")
            if self._felt.wait(_PATIENCE) or self._stopped.is_set():
                continue
            self.counts.restarts += 1
            with contextlib.suppress(SourceError):  # then the next pulse tries again
                self._follow()
            self._lost()

    # Sweeps

    def _sweeps(self, baseline: bool) -> None:
        """Compare the folders with what was seen: at the start, when asked, and now and then."""
        self._sweep(baseline=baseline)
        while not self._stopped.is_set():
            self._sweep_wanted.wait(self.plan.sweep_every or None)
            if self._stopped.wait(0.5):  # after a flood, a moment of calm
                return
            self._sweep_wanted.clear()
            self._sweep()

    def _sweep(self, *, baseline: bool = False) -> None:
        self.counts.sweeps += 1
        for number, path in enumerate(self._all()):
            if self._stopped.is_set():
                return
            if number % 500 == 499:
                self._stopped.wait(0.02)  # a walk over a large disk leaves room for others
            now = _regular(path)
            if now is None or self.seen.same(path, now):
                continue
            if baseline:
                self.seen.record(path, now)
            else:
                self._queue_swept(path)
        self._forget_gone()

    def _queue_swept(self, path: str) -> None:
        while not self._pending.add(path, self.clock(), fresh=False):
            if self._stopped.wait(0.2):  # full: the worker makes room
                return

    def _all(self) -> Iterator[str]:
        for folder in self.plan.folders:
            yield from _files(os.fspath(folder), self._left_alone)

    def _forget_gone(self) -> None:
        for path in self.seen.paths():
            if self._stopped.is_set():
                return
            if not os.path.lexists(path):
                self.seen.forget(path)

    # Looks

    def _work(self) -> None:
        budget = Budget(self.plan.share, now=self.clock())
        flushed = self.clock()
        while not self._stopped.is_set():
            waiting = self._pending.wait(self.clock, longest=_FLUSH)
            before = time.thread_time()
            if waiting is not None:
                self._look(waiting)
            now = self.clock()
            if now - flushed >= _FLUSH:
                self.seen.flush()
                flushed = now
            rest = budget.spend(time.thread_time() - before, now)
            if rest > 0:
                self._stopped.wait(rest)

    def _look(self, waiting: Waiting) -> None:
        now = _regular(waiting.path)
        if now is None:  # gone again, or no file that can be read
            return
        if self.seen.same(waiting.path, now):
            self.counts.known += 1
            return
        looked = self._scanned(waiting.path)
        latency = self.clock() - waiting.since
        self._count(looked, latency, fresh=waiting.fresh)
        # What changed meanwhile has an event of its own; what failed is tried again by a sweep.
        if _regular(waiting.path) == now and not isinstance(looked, _Failed):
            self.seen.record(waiting.path, now)
        self.on_verdict(
            Verdict(
                waiting.path, tuple(looked.hits), tuple(looked.troubles), latency, waiting.fresh
            )
        )

    def _scanned(self, path: str) -> Looked:
        """Scan; whatever fails is a trouble of this one file, and the guard goes on."""
        try:
            return self.scanner.file(Path(path))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in native code is no Exception
            return _Failed(troubles=(Trouble(path=path, reason=f"the scan failed: {error}"),))

    def _count(self, looked: Looked, latency: float, *, fresh: bool) -> None:
        self.counts.looked += 1
        self.counts.found += bool(looked.hits)
        self.counts.unread += bool(looked.troubles)
        if fresh:
            self.counts.slowest = max(self.counts.slowest, latency)
            if self.counts.first_latency is None:
                self.counts.first_latency = latency


def _regular(path: str) -> tuple[int, int, int, int, int] | None:
    """Return a regular file's identity; None for what is gone or is no file."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return identity(status) if stat.S_ISREG(status.st_mode) else None


def _files(folder: str, left_alone: Callable[[str], bool]) -> Iterator[str]:
    """Yield the files below a folder; links are not followed, what cannot be listed is skipped."""
    if os.path.isfile(folder) and not os.path.islink(folder):  # noqa: PTH113, PTH114 - text paths
        yield folder
        return
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not left_alone(os.path.join(place, name))]  # noqa: PTH118
        for name in names:
            yield os.path.join(place, name)  # noqa: PTH118 - text paths, many of them
