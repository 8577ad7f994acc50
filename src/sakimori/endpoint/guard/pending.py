"""Files that wait for their scan: fresh ones first, each once, settled for a moment."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Waiting:
    """One file to scan. `since` is when its first event came; `fresh`: an event, not a sweep."""

    path: str
    since: float
    fresh: bool


@dataclass(slots=True)
class _Entry:
    since: float
    due: float


class Pending:
    """A queue that holds each path once. Times are seconds of a monotonic clock.

    A fresh path is due `settle` seconds after its last event, `patience` seconds after its first at the
    latest, so that a file that never rests is looked at too. Paths of a sweep come when no fresh one is
    due, first come, first served. Beyond `limit` paths, `add` says no: the caller sweeps later.
    """

    def __init__(
        self, *, settle: float = 0.03, patience: float = 2.0, limit: int = 200_000
    ) -> None:
        """Begin with nothing waiting."""
        self._settle, self._patience, self._limit = settle, patience, limit
        self._fresh: dict[str, _Entry] = {}
        self._order: list[tuple[float, int, str]] = []
        self._swept: OrderedDict[str, float] = OrderedDict()
        self._count = 0
        self._changed = threading.Condition()
        self._closed = False

    def add(self, path: str, now: float, *, fresh: bool = True) -> bool:
        """Let a path wait; False when there are too many."""
        with self._changed:
            if len(self) >= self._limit and path not in self._fresh:
                return False
            if fresh:
                self._add_fresh(path, now)
            elif path not in self._fresh:
                self._swept.setdefault(path, now)
            self._changed.notify()
            return True

    def _add_fresh(self, path: str, now: float) -> None:
        since = self._swept.pop(path, now)
        known = self._fresh.get(path)
        entry = known or _Entry(min(since, now), 0.0)
        entry.due = min(now + self._settle, entry.since + self._patience)
        self._fresh[path] = entry
        self._count += 1
        heapq.heappush(self._order, (entry.due, self._count, path))

    def take(self, now: float) -> Waiting | None:
        """Return what is due now, or None."""
        with self._changed:
            return self._take(now)

    def _take(self, now: float) -> Waiting | None:
        while self._order and self._order[0][0] <= now:
            due, _, path = heapq.heappop(self._order)
            entry = self._fresh.get(path)
            if entry is not None and entry.due == due:  # not an older time of the same path
                del self._fresh[path]
                return Waiting(path, entry.since, True)
        if self._swept and not self._order:
            path, since = self._swept.popitem(last=False)
            return Waiting(path, since, False)
        return None

    def wait(self, clock: Callable[[], float], longest: float = 1.0) -> Waiting | None:
        """Wait for the next file, `longest` seconds at most; None when there was none or on `close`."""
        with self._changed:
            end = clock() + longest
            while not self._closed:
                now = clock()
                found = self._take(now)
                if found is not None or now >= end:
                    return found
                next_due = self._order[0][0] if self._order else end
                self._changed.wait(max(0.0005, min(next_due, end) - now))
            return None

    def close(self) -> None:
        """Wake who waits, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __len__(self) -> int:
        """Return how many paths wait."""
        return len(self._fresh) + len(self._swept)
