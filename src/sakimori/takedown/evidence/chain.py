"""A folder of evidence: `chain.jsonl`, which only grows, and `objects/`, files named by their hash.

    FOLDER/chain.jsonl     one record a line: {"header":{...},"opening":{...}}, see `record`
    FOLDER/objects/HASH    the files that records speak of
    FOLDER/seals, stamps   see `seal` and `stamp`
    FOLDER/lock            one process writes at a time

A record counts once its line, with the newline, is on the disk (fsync). When a write fails, the
chain is cut back to what it was. After a crash a last line may be torn: the next writer keeps its
bytes as an object, cuts it off and records that it did. Appending costs the same however long the
chain is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import SakimoriError, SourceError, StateError
from sakimori.takedown.evidence.record import (
    MAX_LINE,
    NOTHING_BEFORE,
    Entry,
    Halves,
    Malformed,
    Object,
    Record,
    make,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHAIN = "chain.jsonl"
OBJECTS = "objects"
_BEGIN, _MIDDLE, _END = b'{"header":', b',"opening":{', b"}"
_BLOCK = 1 << 20
_PATIENCE = 30.0  # seconds to wait for another writer


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its last record's number and hash, and the file's size in bytes."""

    seq: int
    hash: str
    size: int


EMPTY = Head(0, NOTHING_BEFORE, 0)


class Chain:
    """An append-only chain in a folder. Any number may read; writers take turns."""

    def __init__(self, folder: Path, patience: float = _PATIENCE) -> None:
        """Open a chain. Raises SourceError when the folder holds none."""
        self.folder = folder
        self.path = folder / CHAIN
        self.objects = folder / OBJECTS
        self._patience = patience
        self._head = EMPTY
        if not self.path.is_file():
            raise SourceError(
                "there is no chain of evidence here",
                where=str(folder),
                hint="begin one: sakimori evidence init --chain DIR --actor NAME",
            )

    @classmethod
    def create(cls, folder: Path, patience: float = _PATIENCE) -> Chain:
        """Make the folder and an empty chain; one that is there is opened as it is.

        Raises StateError when the folder cannot be written.
        """
        try:
            (folder / OBJECTS).mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / CHAIN, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o640)
            os.fsync(handle)
            os.close(handle)
            _sync_folder(folder)
        except OSError as error:
            raise _cannot(error, folder) from error
        return cls(folder, patience)

    # Write

    def append(self, entry: Entry) -> Record:
        """Add one record and return it, once it is on the disk.

        Raises StateError when it cannot be written; the chain is then as it was.
        """
        return self.extend([entry])[-1]

    def extend(self, entries: Sequence[Entry]) -> list[Record]:
        """Add records with one write to the disk: all of them, or none when it fails.

        A note about a torn last line, if there was one, comes first in what is returned.
        """
        with self._locked(), self._opened() as handle:
            head, torn = self._find_head(handle)
            if torn and entries:
                entries = [self._set_aside(handle, head, torn, entries[0]), *entries]
            return self._write(handle, head, entries)

    def _write(self, handle: int, head: Head, entries: Sequence[Entry]) -> list[Record]:
        seq, previous, made, lines = head.seq, head.hash, [], []
        for entry in entries:
            seq += 1
            halves = make(entry, seq, previous)
            previous = halves.hash
            made.append(parse(halves).record)  # before it is written: it must read back
            lines.append(joined(halves))
        data = b"".join(lines)
        try:
            _write_all(handle, data)
            os.fsync(handle)
        except OSError as error:
            with contextlib.suppress(OSError):  # else the next writer finds a torn line
                os.ftruncate(handle, head.size)
            raise _cannot(error, self.path) from error
        self._head = Head(seq, previous, head.size + len(data))
        return made

    def _set_aside(self, handle: int, head: Head, torn: bytes, entry: Entry) -> Entry:
        """Keep a torn line as an object and cut it off; return the note that says so."""
        kept = self.keep_bytes("torn last line", torn)
        try:
            os.ftruncate(handle, head.size)
            os.fsync(handle)
        except OSError as error:
            raise _cannot(error, self.path) from error
        return Entry(
            kind="note",
            actor=entry.actor,
            time=entry.time,
            tool=entry.tool,
            body={
                "what": "a torn last line was set aside: a writer was stopped while it wrote",
                "bytes": len(torn),
                "after_record": head.seq,
            },
            objects=(kept,),
        )

    def _find_head(self, handle: int) -> tuple[Head, bytes]:
        """Return the last whole record, and the bytes of a torn line after it."""
        size = os.fstat(handle).st_size
        if size == self._head.size:
            return self._head, b""
        whole, last, torn = _tail(handle, size)
        if not last:
            return EMPTY, torn
        try:
            record = parse(split(last)).record
        except Malformed as error:
            raise StateError(
                f"the last record is damaged, so nothing is added: {error}",
                where=str(self.path),
                hint="sakimori evidence verify says what is wrong; restore it from a bundle",
            ) from error
        return Head(record.seq, record.hash, whole), torn

    # Files

    def keep(self, path: Path, name: str = "", *, copy: bool = True) -> Object:
        """Return a file as an object; with `copy` its bytes are kept here, else only its hash.

        Raises SourceError when it is no readable file, StateError when the copy cannot be written.
        """
        name = name or path.name
        with _reading(path) as source:
            if copy:
                return self._store(name, iter(lambda: os.read(source, _BLOCK), b""))
            digest, size = hashlib.sha256(), 0
            for block in iter(lambda: os.read(source, _BLOCK), b""):
                digest.update(block)
                size += len(block)
        return Object(name, digest.hexdigest(), size, where=str(path.absolute()))

    def keep_bytes(self, name: str, data: bytes) -> Object:
        """Keep bytes as an object. Raises StateError when they cannot be written."""
        return self._store(name, iter([data]))

    def _store(self, name: str, blocks: Iterator[bytes]) -> Object:
        """Write beside, then rename: an object is whole or not there."""
        beside = self.objects / f".{os.getpid()}-{time.monotonic_ns()}"
        digest, size = hashlib.sha256(), 0
        try:
            handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o440)
            try:
                for block in blocks:
                    digest.update(block)
                    size += len(block)
                    _write_all(handle, block)
                os.fsync(handle)
            finally:
                os.close(handle)
            beside.replace(self.objects / digest.hexdigest())
            _sync_folder(self.objects)
        except OSError as error:
            raise _cannot(error, self.objects) from error
        finally:
            beside.unlink(missing_ok=True)
        return Object(name, digest.hexdigest(), size)

    # Read

    def head(self) -> Head:
        """Return where the chain ends now, without a torn line. Raises StateError when damaged."""
        with self._opened(os.O_RDONLY) as handle:
            self._head = self._find_head(handle)[0]
            return self._head

    def lines(self) -> Iterator[bytes]:
        """Give each whole line without its newline. A torn last line is not given."""
        yield from whole_lines(self.path)

    def records(self) -> Iterator[Record]:
        """Give each record. Raises StateError at a damaged line."""
        for number, line in enumerate(self.lines(), 1):
            try:
                yield parse(split(line)).record
            except Malformed as error:
                raise StateError(
                    f"this record is damaged: {error}",
                    where=f"{self.path}:{number}",
                    hint="sakimori evidence verify lists everything that is wrong",
                ) from error

    # Inside

    @contextlib.contextmanager
    def _opened(self, mode: int = os.O_RDWR | os.O_APPEND) -> Iterator[int]:
        try:
            handle = os.open(self.path, mode | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot(error, self.path) from error
        try:
            yield handle
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait for our turn. Raises StateError when another writer does not end."""
        until = time.monotonic() + self._patience
        try:
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _cannot(error, self.folder) from error
        try:
            while not _taken(lock):
                if time.monotonic() > until:
                    raise StateError(
                        "another program is writing to this chain",
                        where=str(self.folder),
                        hint="wait for it to end",
                    )
                time.sleep(0.005)
            yield
        finally:
            os.close(lock)


def joined(halves: Halves) -> bytes:
    """Return a record as its line in a chain, with the newline."""
    return _BEGIN + halves.header + b',"opening":' + halves.opening + _END + b"\n"


def split(line: bytes) -> Halves:
    """Return the halves of a line without its newline. Raises Malformed.

    The first `,"opening":{` ends the header: inside it such a member would have a text as value.
    """
    middle = line.find(_MIDDLE)
    if not line.startswith(_BEGIN) or not line.endswith(_END) or middle < 0:
        raise Malformed("this is no record")
    return Halves(line[len(_BEGIN) : middle], line[middle + len(_MIDDLE) - 1 : -1])


def whole_lines(path: Path) -> Iterator[bytes]:
    """Give the lines of a file that end in a newline, without it, in bounded memory.

    Raises SourceError for a line that is longer than a record can be.
    """
    limit = 2 * MAX_LINE + 100
    try:
        with path.open("rb", buffering=_BLOCK) as file:
            for number, line in enumerate(iter(lambda: file.readline(limit), b""), 1):
                if line.endswith(b"\n"):
                    yield line[:-1]
                elif len(line) == limit:
                    raise SourceError("this line is too long", where=f"{path}:{number}")
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def _tail(handle: int, size: int) -> tuple[int, bytes, bytes]:
    """Return the size up to the last newline, the line it ends, and the bytes after it."""
    held, start = b"", size
    while start > 0 and held.count(b"\n") < 2:
        step = min(_BLOCK, start)
        start -= step
        held = os.pread(handle, step, start) + held
    end = held.rfind(b"\n") + 1
    if not end:
        return 0, b"", held
    begin = held.rfind(b"\n", 0, end - 1) + 1
    return start + end, held[begin : end - 1], held[end:]


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(
            f"the file cannot be read: {error.strerror}", where=str(path), hint="check its path"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SourceError("this is no file", where=str(path), hint="name files, not folders")
        yield handle
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot(error: OSError, path: Path) -> SakimoriError:
    return StateError(
        f"the evidence cannot be written: {error.strerror}; what was there before is whole",
        where=str(path),
        hint="check free space and permissions",
    )
