"""The log: JSON lines in files of its own, written before anything is answered.

A line goes to the kernel with one write before the answer it tells of is sent. So an answered hit
has its line, even when the process is killed a moment later; only a power cut can take what was not
yet synced (`sync_seconds`). When a line cannot be written (the disk is full) the sinkhole falls
silent: nothing is answered, what came in is counted, and the count is the first line written when
there is room again. Files belong to one process and are only appended to; numbers in `uid` have no
gaps but those that a `gap` event states, which `problems` checks.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import orjson

from sakimori.errors import SourceError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

FORMAT = 1
_RETRY = 1.0  # seconds between two tries when the disk is full
_LAST_BYTES = 4_096  # more than an event's line
_NAME = re.compile(r"sinkhole-[0-9]{8}T[0-9]{6}-[0-9a-f]{8}-[0-9]{5}\.jsonl")


class Journal:
    """An append-only log of one process, written by one thread."""

    def __init__(
        self,
        folder: Path,
        sensor: str,
        *,
        rotate_bytes: int = 64_000_000,
        rotate_seconds: float = 3_600.0,
    ) -> None:
        """Make the folder and the first file. Raises StateError when that cannot be."""
        self.sensor, self.run, self.number = sensor, secrets.token_hex(4), 0
        self.lines = 0  # hits and events written
        self.missed = 0  # hits that came while nothing could be written
        self.trouble = ""  # why nothing can be written now
        self.on_trouble: Callable[[str], None] = lambda _words: None
        self._folder, self._limits = folder, (rotate_bytes, rotate_seconds)
        self._file, self._size, self._begun, self._part, self._tried = -1, 0, 0.0, 0, 0.0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open(time.time())
        except OSError as error:
            raise StateError(
                f"the log cannot be written: {error.strerror}",
                where=str(folder),
                hint="choose a folder with room that you can write to",
            ) from error
        self.event("start", first=1)

    def uid(self) -> str:
        """Return the next hit's id: the process's own, and a number."""
        self.number += 1
        return f"{self.run}-{self.number}"

    def line(self, now: float, fields: Mapping[str, Any]) -> bytes:
        """Return a hit as a line; fields that are None are left out."""
        start = {"sinkhole": self.sensor, "uid": self.uid(), "ts": iso(now)}
        return orjson.dumps(start | {k: v for k, v in fields.items() if v is not None}) + b"\n"

    def commit(self, data: bytes, hits: int) -> bool:
        """Write lines; False: they are not written, so nothing may be answered.

        They must be the last so many that took a `uid`, in that order.
        """
        now = time.time()
        if self.trouble and not self._recovers(now, hits):
            self.missed += hits
            return False
        if self._size >= self._limits[0] or now - self._begun >= self._limits[1]:
            self._rotate(now)
        if self.trouble or not self._write(data):
            self.missed += hits
            return False
        self.lines += hits
        return True

    def event(self, kind: str, **fields: Any) -> bool:
        """Write a line about the log itself; importing leaves it out."""
        line = {"sinkhole": self.sensor, "ts": iso(time.time()), "event": kind, "run": self.run}
        return self._write(orjson.dumps(line | {"format": FORMAT, **fields}) + b"\n")

    def sync(self) -> None:
        """Bring what was written onto the disk."""
        self.later()()

    def later(self) -> Callable[[], None]:
        """Return what brings it onto the disk, to be called from another thread.

        It has its own handle, as the file may be closed by then.
        """
        handle = os.dup(self._file)

        def sync() -> None:
            try:
                os.fsync(handle)
            except OSError as error:
                self._alarm(error)
            finally:
                os.close(handle)

        return sync

    def close(self, kind: str = "stop", **fields: Any) -> None:
        """Write how many lines there are, sync and close."""
        if self._file < 0:
            return
        self._tried = 0.0  # one last try, however soon
        if not self.trouble or self._recovers(time.time(), 0):
            self.event(kind, last=self.number, hits=self.lines, missed=self.missed, **fields)
            self.sync()
        if self.trouble:
            self.on_trouble(f"the log ends without its count; {self.missed} hits are not in it")
        os.close(self._file)
        self._file = -1

    def _open(self, now: float) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
        self._part += 1
        path = self._folder / f"sinkhole-{stamp}-{self.run}-{self._part:05}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        self._size, self._begun = 0, now

    def _rotate(self, now: float) -> None:
        """Go on in a new file; when there can be none, go on in the old one and say so."""
        old = self._file
        self._begun = now  # a failing one is tried again only after the next period
        try:
            self._open(now)
        except OSError as error:
            self._file, self._size = old, 0
            self.on_trouble(f"no new log file: {error.strerror}; the old one is used on")
            return
        fresh, self._file = self._file, old
        self.event("rotate", last=self.number)
        self.sync()
        os.close(old)
        self._file, self._size = fresh, 0
        self.event("start", first=self.number + 1)

    def _write(self, data: bytes) -> bool:
        """Write all of it, or nothing: a torn line is cut off again."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:] if done else data)
        except OSError as error:
            self._undo(done)
            self._alarm(error)
            return False
        self._size += done
        return True

    def _undo(self, done: int) -> None:
        if not done:
            return
        try:  # the file is this process's alone, so its end is where we left it
            os.ftruncate(self._file, os.fstat(self._file).st_size - done)
        except OSError as error:
            self.on_trouble(f"a torn line is left in the log: {error.strerror}")

    def _alarm(self, error: OSError) -> None:
        if not self.trouble:
            self._tried = time.time()
            self.on_trouble(f"the log cannot be written: {error.strerror}; nothing is answered now")
        self.trouble = error.strerror or "cannot be written"

    def _recovers(self, now: float, waiting: int) -> bool:
        """Try once a second whether there is room again; the first line says what was missed.

        `waiting` lines have their numbers already and follow it.
        """
        if abs(now - self._tried) < _RETRY:
            return False
        self._tried, why = now, self.trouble
        if not self.event("gap", missed=self.missed, last=self.number - waiting, why=why):
            return False
        self.trouble = ""
        self.on_trouble(f"the log can be written again; {self.missed} hits were not answered")
        return True


def iso(now: float) -> str:
    """Return a time in UTC to the millisecond."""
    whole = int(now)
    return f"{_second(whole)}.{int((now - whole) * 1000):03}Z"


_LAST: tuple[int, str] = (0, "1970-01-01T00:00:00")


def _second(whole: int) -> str:
    global _LAST  # noqa: PLW0603 - formatting a time takes longer than the rest of a line
    if _LAST[0] != whole:
        _LAST = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)))
    return _LAST[1]


def finished(folder: Path) -> list[Path]:
    """Return the log files that are never written again: those that end with `rotate` or `stop`.

    They can be sealed as evidence; the others still grow, or ended when the process was killed.
    """
    found = []
    for path in sorted(folder.glob("sinkhole-*.jsonl")):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            last = _row((file.read().splitlines(keepends=True) or [b""])[-1]) or {}
        if last.get("event") in ("rotate", "stop"):
            found.append(path)
    return found


def problems(folder: Path) -> list[str]:
    """Return what is wrong with the logs in a folder: lines that lack, are torn, or were added.

    Raises SourceError when the folder holds no log.
    """
    paths = sorted(p for p in folder.glob("sinkhole-*.jsonl") if _NAME.fullmatch(p.name))
    if not paths:
        raise SourceError("no sinkhole log is here", where=str(folder))
    runs: dict[str, list[Path]] = {}
    for path in sorted(paths, key=lambda p: (p.name.split("-")[2], p.name.split("-")[3])):
        runs.setdefault(path.name.split("-")[2], []).append(path)
    return [said for run, files in runs.items() for said in _problems_of(run, files)]


def _problems_of(run: str, files: list[Path]) -> Iterator[str]:
    due, ended = 1, False
    for path in files:
        for number, raw in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            row = _row(raw)
            if row is None or row.get("run", run) != run:
                yield f"{path}:{number}: not a whole line of this run"
            elif "event" in row:
                ended = row["event"] == "stop"
                if ended and row.get("last") != due - 1:
                    yield f"{path}:{number}: {row.get('last')} hits were logged, {due - 1} are here"
                due = int(row["last"]) + 1 if row["event"] == "gap" else due
            else:
                if row.get("uid") != f"{run}-{due}":
                    yield f"{path}:{number}: hit {due} was due, not {row.get('uid')}"
                due = _number(row.get("uid"), due) + 1
    if not ended:
        yield f"{files[-1]}: the run did not end by itself (it goes on, or was killed)"


def _number(uid: Any, otherwise: int) -> int:
    digits = str(uid).rpartition("-")[2]
    return int(digits) if digits.isdecimal() else otherwise


def _row(raw: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and raw.endswith(b"\n") else None
