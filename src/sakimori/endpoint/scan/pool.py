"""Worker processes that share one compiled rule set, and survive what a file does to one of them.

On systems that can fork, workers are forked after the rules are compiled, so that all share their
memory; elsewhere they are given the compiled rules. Parent and workers speak JSON over pipes: a worker
that a file took over could send nothing that runs here.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Literal, Self

from sakimori.endpoint.hits import Hit, Trouble
from sakimori.endpoint.scan import _rules
from sakimori.endpoint.scan.definitions import Definitions
from sakimori.endpoint.scan.scanner import Looked, Scanner, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sakimori.endpoint.scan._hashes import Hashes
    from sakimori.endpoint.scan.walk import Found

_FILES = 64  # in one batch
_BYTES = 4 * 1024 * 1024
_NAMES = 16_000  # characters of paths in one batch: two batches fit into a pipe
_AHEAD = 2  # batches that a worker has: one at work, one waiting
_LOOK = 0.5  # s between looks for workers that hang
_OLDEST = 2  # times the limit of one file, after which its worker is ended
Start = Literal["fork", "spawn"]


def batches(files: Iterable[Found]) -> Iterator[list[Found]]:
    """Put files together so that a batch is small in number, bytes and text."""
    batch: list[Found] = []
    size = text = 0
    for file in files:
        batch.append(file)
        size += file.state[2]
        text += len(file.path)
        if len(batch) >= _FILES or size >= _BYTES or text >= _NAMES:
            yield batch
            batch, size, text = [], 0, 0
    if batch:
        yield batch


def _next(waiting: deque[list[str]], source: Iterator[Sequence[str]]) -> list[str]:
    """Return what a dead worker left, else the next batch; an empty one at the end."""
    return waiting.popleft() if waiting else list(next(source, ()))


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    begun: Any  # shared: [files begun, place of the file at work in its batch]
    batches: deque[list[str]] = field(default_factory=deque)
    seen: int = 0
    since: float = 0.0


class Pool:
    """Some workers. Use as a context manager; leaving ends them."""

    def __init__(
        self,
        definitions: Definitions,
        settings: Settings,
        workers: int,
        start: Start | None = None,
    ) -> None:
        """Take what workers need; they begin, and rules are made ready, when there is work."""
        chosen = start or ("fork" if hasattr(os, "fork") else "spawn")
        self._definitions = definitions
        self._settings = settings
        self._most = max(1, workers)
        self._context = multiprocessing.get_context(chosen)
        self._forks = chosen == "fork"
        self._workers: list[_Worker] = []
        self._given: Definitions | _Parcel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    @property
    def processes(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid or 0 for worker in self._workers]

    def run(self, work: Iterable[Sequence[str]]) -> Iterator[Looked]:
        """Look at batches of paths; results come in no order. A batch is taken when it is needed."""
        source = iter(work)
        waiting: deque[list[str]] = deque()
        while True:
            while self._room() and (batch := _next(waiting, source)):
                self._give(self._idlest(), batch)
            busy = [worker for worker in self._workers if worker.batches]
            if not busy:
                return
            for worker in self._ready(busy):
                yield from self._answers(worker, waiting)
            yield from self._hung(busy, waiting)

    def _room(self) -> bool:
        """Whether a worker, or a new one, could take a batch."""
        return len(self._workers) < self._most or any(
            len(worker.batches) < _AHEAD for worker in self._workers
        )

    def _idlest(self) -> _Worker:
        """Return the worker with least to do; a new one where all have something and it may be."""
        least = min(self._workers, key=lambda worker: len(worker.batches), default=None)
        if least is None or (least.batches and len(self._workers) < self._most):
            return self._new()
        return least

    def _new(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        begun = self._context.RawArray("q", 2)
        if self._given is None:
            self._given = self._ready_made()
        inherited = [worker.pipe for worker in self._workers] + [ours] if self._forks else []
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_work, args=(theirs, begun, self._given, self._settings, inherited), daemon=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside YARA-X's thread
            process.start()
        theirs.close()
        worker = _Worker(process, ours, begun)
        self._workers.append(worker)
        return worker

    def _ready_made(self) -> Definitions | _Parcel:
        if not self._forks:
            return _Parcel.of(self._definitions)
        for compiled in self._definitions.compiled:
            for pack in compiled.packs:
                _ = pack.rules  # made ready once, before the forks
        return self._definitions

    def _give(self, worker: _Worker, batch: list[str]) -> None:
        if not worker.batches:
            worker.since = time.monotonic()
        worker.batches.append(batch)
        with suppress(OSError):  # it is dead: found out when its answer does not come
            worker.pipe.send_bytes(json.dumps(batch).encode())

    def _ready(self, busy: Sequence[_Worker]) -> list[_Worker]:
        by_pipe = {worker.pipe: worker for worker in busy}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe), _LOOK)]  # type: ignore[index]

    def _answers(self, worker: _Worker, waiting: deque[list[str]]) -> Iterator[Looked]:
        try:
            rows = json.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError, ValueError):
            yield from self._died(worker, waiting, "")
            return
        batch = worker.batches.popleft()
        worker.since = time.monotonic()
        for path, row in zip(batch, rows, strict=True):
            yield _looked(path, row)

    def _hung(self, busy: Sequence[_Worker], waiting: deque[list[str]]) -> Iterator[Looked]:
        now = time.monotonic()
        most = self._settings.seconds * _OLDEST + 5
        for worker in busy:
            if worker not in self._workers or not worker.batches:
                continue
            if worker.begun[0] != worker.seen:
                worker.seen, worker.since = worker.begun[0], now
            elif now - worker.since > most:
                yield from self._died(worker, waiting, f"took longer than {most:g} s")

    def _died(self, worker: _Worker, waiting: deque[list[str]], why: str) -> Iterator[Looked]:
        """Report the file at which a worker died; what else it had goes to others."""
        at = worker.begun[1]
        self._workers.remove(worker)
        _end(worker)
        code = worker.process.exitcode
        batch = worker.batches.popleft()
        waiting.extend(worker.batches)
        if not 0 <= at < len(batch):  # it died before its first file, or between two
            at = 0
        rest = batch[:at] + batch[at + 1 :]
        if rest:
            waiting.append(rest)
        reason = why or f"the scanning process died at it ({_name(code)})"
        trouble = Trouble(path=batch[at], reason=reason)
        yield Looked(path=batch[at], troubles=(trouble,), lasting=False)


def _name(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"


def _end(worker: _Worker) -> None:
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join(5)
    worker.pipe.close()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Definitions as they travel to a process that was not forked."""

    version: str
    compiled: tuple[bytes, ...]
    hashes: Hashes

    @classmethod
    def of(cls, definitions: Definitions) -> Self:
        """Pack definitions."""
        packed = tuple(_rules.packed(compiled) for compiled in definitions.compiled)
        return cls(definitions.version, packed, definitions.hashes)

    def open(self) -> Definitions:
        """Return the definitions."""
        compiled = tuple(_rules.unpacked(data, "compiled rules") for data in self.compiled)
        return Definitions(version=self.version, compiled=compiled, hashes=self.hashes, warnings=())


def _work(
    pipe: Connection,
    begun: Any,
    given: Definitions | _Parcel,
    settings: Settings,
    inherited: Sequence[Connection],
) -> None:
    """Be a worker: look at batches until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:  # or a parent's death would not close them
        other.close()
    scanner = Scanner(given.open() if isinstance(given, _Parcel) else given, settings)
    with suppress(EOFError, OSError):
        while True:
            paths = json.loads(pipe.recv_bytes())
            rows = []
            for at, path in enumerate(paths):
                begun[1] = at
                begun[0] += 1
                rows.append(_row(scanner.file(path)))
            begun[1] = 0
            pipe.send_bytes(json.dumps(rows).encode())


def _row(looked: Looked) -> list[Any]:
    row: list[Any] = [looked.size, looked.state, looked.bytes, looked.lasting]
    if looked.sha256 or looked.hits or looked.troubles:
        row += [
            looked.sha256,
            [asdict(hit) for hit in looked.hits],
            [asdict(trouble) for trouble in looked.troubles],
        ]
    return row


def _looked(path: str, row: Sequence[Any]) -> Looked:
    size, state, read, lasting, *more = row
    sha256, hits, troubles = more or ("", (), ())
    return Looked(
        path=path, size=size, sha256=sha256, bytes=read, lasting=lasting,
        hits=tuple(Hit(**hit) for hit in hits),
        troubles=tuple(Trouble(**trouble) for trouble in troubles),
        state=tuple(state) if state else None,
    )  # fmt: skip
