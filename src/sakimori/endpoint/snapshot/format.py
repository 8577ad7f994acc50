"""The file of a snapshot: JSON lines under zstd, checked as a whole before anything in it is believed.

Line 1 is the header, then one record a line, sorted by `model.place`; the last line is the trailer
with the number of records, the SHA-256 of all bytes before it, and what was and was not looked at.
`zstdcat A.snap` shows it. The sum finds accidents and careless hands; who could have put another
whole file in its place is for the evidence chain to say.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from sakimori.endpoint.snapshot.model import (
    Gap,
    Header,
    Scope,
    Snapshot,
    Source,
    decode,
    encode,
    line_of,
)
from sakimori.errors import EngineError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from sakimori.endpoint.snapshot.model import Record

FORMAT = "sakimori-snapshot"
VERSION = 1
_CHUNK = 1 << 20
_LONGEST = 256 << 20  # bytes of one line: no record and no list of gaps is as long
_WINDOW = 1 << 27  # bytes that a decoder may be made to hold
_HINT = "take it again"


class Written(NamedTuple):
    """How many records a snapshot holds and how long its file is, in bytes."""

    records: int
    size: int


def aside_of(path: Path) -> Path:
    """Return a new name beside a snapshot's, for the time until it is whole."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def write_snapshot(
    path: Path,
    header: Header,
    records: Iterable[Record],
    finish: Callable[[], tuple[Iterable[Scope], Iterable[Gap]]],
    aside: Path | None = None,
) -> Written:
    """Write a snapshot aside and rename it. `records` come sorted by place.

    `finish` is asked after the last record: only then is known what could not be taken. Raises
    SourceError where the path can be no file, EngineError when the disk refuses; a file that was there
    stays as it was.
    """
    aside = aside or aside_of(path)
    try:
        with aside.open("xb") as file:
            count = _write(file, header, records, finish)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise SourceError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another file"
        ) from error
    except OSError as error:
        raise EngineError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            hint="check free space and permissions; nothing there was changed",
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return Written(count, size)


def _write(
    file: BinaryIO,
    header: Header,
    records: Iterable[Record],
    finish: Callable[[], tuple[Iterable[Scope], Iterable[Gap]]],
) -> int:
    import zstandard  # noqa: PLC0415 - only where a snapshot is written

    summed, count = hashlib.sha256(), 0
    packer = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with packer.stream_writer(file, closefd=False) as out:
        first = encode({"format": FORMAT, "version": VERSION, **asdict(header)})
        summed.update(first)
        out.write(first)
        for record in records:
            line = line_of(record)
            summed.update(line)
            out.write(line)
            count += 1
        scopes, gaps = finish()
        trailer = {
            "records": count,
            "sha256": summed.hexdigest(),
            "scopes": [asdict(scope) for scope in scopes],
            "gaps": [asdict(gap) for gap in gaps],
        }
        out.write(encode(trailer))
    return count


def read_snapshot(path: Path) -> Snapshot:
    """Read and check a whole snapshot; its records are then read one by one as they are asked for.

    Raises SourceError where it is no snapshot, of a newer version, cut short or altered.
    """
    with _told(path):
        first, last, lines, summed = _skim(path)
        header, trailer = decode(first), decode(last)
        _check_header(header, path)
        _check_trailer(trailer, (lines - 1, summed), path)
        return Snapshot(
            header=_header(header),
            scopes=tuple(_scope(one) for one in trailer["scopes"]),
            gaps=tuple(Gap(one["object"], one["key"], one["reason"]) for one in trailer["gaps"]),
            count=lines - 1,
            lines=lambda: _lines(path, lines - 1),
            path=str(path),
            sha256=_sum(path),
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a bad file does to its readers into one error with its place."""
    import zstandard  # noqa: PLC0415

    try:
        yield
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
    except zstandard.ZstdError as error:
        raise SourceError("is no snapshot, or damaged", where=str(path), hint=_HINT) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError("is no snapshot, or altered", where=str(path), hint=_HINT) from error


def _skim(path: Path) -> tuple[bytes, bytes, int, str]:
    """Return the first and last line, the number of lines but the last, and their SHA-256."""
    summed, held, first, count = hashlib.sha256(), b"", b"", 0
    with _unpacked(path) as stream:
        while chunk := stream.read(_CHUNK):
            held += chunk
            cut = held.rfind(b"\n", 0, len(held) - 1) + 1
            if not cut and len(held) > _LONGEST:
                raise ValueError("a line is too long")
            whole = memoryview(held)[:cut]
            summed.update(whole)
            first = first or held[:cut].partition(b"\n")[0]
            count += held.count(b"\n", 0, cut)
            held = held[cut:]
    return first, held, count, summed.hexdigest()


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    import zstandard  # noqa: PLC0415

    with path.open("rb") as file:
        unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        with unpacker.stream_reader(file, read_across_frames=False) as stream:
            yield stream


def _lines(path: Path, count: int) -> Iterator[bytes]:
    """Yield the records' lines."""
    import io  # noqa: PLC0415

    with _told(path), _unpacked(path) as stream:
        lines = io.BufferedReader(stream, _CHUNK)
        lines.readline()
        for _ in range(count):
            yield lines.readline(_LONGEST)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_header(header: Any, path: Path) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise SourceError("is no snapshot", where=str(path), hint=_HINT)
    if header["version"] != VERSION:
        raise SourceError(
            f"is a snapshot of version {header['version']!r}; this program reads {VERSION}",
            where=str(path),
            hint="read it with the program that took it",
        )


def _check_trailer(trailer: Any, found: tuple[int, str], path: Path) -> None:
    if not isinstance(trailer, dict) or "records" not in trailer:
        raise SourceError("ends too early", where=str(path), hint=_HINT)
    if (trailer["records"], trailer["sha256"]) != found:
        raise SourceError("was altered: its sum does not fit", where=str(path), hint=_HINT)


def _header(value: dict[str, Any]) -> Header:
    return Header(
        tool=value["tool"],
        machine=value["machine"],
        taken=value["taken"],
        asked=value["asked"],
        sources=tuple(_source(one) for one in value["sources"]),
    )


def _source(value: dict[str, Any]) -> Source:
    notes = tuple(value["notes"])
    return Source(value["kind"], value["name"], value["path"], value["sha256"], notes)


def _scope(value: dict[str, Any]) -> Scope:
    return Scope(value["object"], tuple(value["roots"]), tuple(value["excluded"]), value["reason"])
