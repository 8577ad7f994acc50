"""Where bytes come from: a file or standard input, plain or compressed, possibly cut short."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import sys
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import zstandard

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD_BYTES = 64 * 1024
BLOCK_BYTES = 8 * 1024 * 1024
LONGEST_LINE = 64 * 1024 * 1024
_RAW_BYTES = 1 << 20
_PACKED_BYTES = 1 << 15  # small, so that a bomb cannot unpack to gigabytes in one step

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(),
    "xz": lzma.LZMADecompressor,
    "bzip2": bz2.BZ2Decompressor,
}
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines. `line` is the number of the first one, from 1; `start` its byte offset.

    `tail` is True for a last line that lacks its newline: the writer may not be done.
    """

    data: bytes
    line: int
    start: int
    tail: bool = False


class Source:
    """One input. `head` holds the first 64 KiB after decompression.

    `warnings` collects what was wrong with the container (a truncated gzip) while its good bytes
    were still given. `begin_at` makes `blocks` start later in the decompressed content.
    """

    def __init__(self, path: Path | None, *, name: str = "", spool: Path | None = None) -> None:
        """Read the head. `path` None is standard input, copied to a temporary file in `spool`.

        Raises SourceError when the path cannot be read.
        """
        self.name = name or (name_of(path) if path else "-")
        self.warnings: list[str] = []
        self.on_bytes: Callable[[int], None] = lambda _count: None
        self.finished = 0  # bytes of whole lines given by `blocks`, or skipped by `begin_at`
        self.line = 1  # the line after them
        self.digest = hashlib.sha256()  # of those bytes
        self.rest = b""  # an unfinished last line
        self._spool = spool
        self._copy = None if path else _copy_of_stdin(spool)
        self.path = path or Path(self._copy.name)  # type: ignore[union-attr]
        self.head = next(self.chunks(HEAD_BYTES), b"")
        self.warnings.clear()

    @property
    def size(self) -> int:
        """Bytes on disk, compressed if it is."""
        return self.path.stat().st_size

    def digest_of(self, length: int | None = None) -> Any:
        """Return the hash object fed with the first `length` bytes of the content (None: all).

        None when the content is shorter.
        """
        digest, left = hashlib.sha256(), length
        for chunk in self.chunks(_RAW_BYTES):
            part = chunk if left is None else chunk[:left]
            digest.update(part)
            if left is not None and not (left := left - len(part)):
                break
        return None if left else digest

    def begin_at(self, offset: int, line: int, digest: Any) -> None:
        """Make `blocks` start at this byte of the content, which is this line."""
        self.finished, self.line, self.digest = offset, line, digest

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Give the decompressed bytes from the start, `size` at a time.

        A cut-short or damaged compressed file ends early, with a line in `warnings`.
        """
        held = bytearray()
        for part in self._plain():
            held += part
            while len(held) >= size:
                yield bytes(held[:size])
                del held[:size]
        if held:
            yield bytes(held)

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[Block]:
        """Give whole lines in blocks of about `size` bytes, then an unfinished last line alone.

        Raises SourceError for a line longer than 64 MiB.
        """
        rest, line, start = b"", self.line, self.finished
        for chunk in self._from_offset(size):
            data = rest + chunk if rest else chunk
            end = data.rfind(b"\n") + 1
            if end:
                whole = data[:end]
                self.digest.update(whole)
                yield Block(whole, line, start)
                line += whole.count(b"\n")
                start += end
                self.finished, self.line = start, line
            rest = data[end:]
            if len(rest) > LONGEST_LINE:
                raise SourceError(
                    "a line is longer than 64 MiB",
                    where=f"{self.name}:{line}",
                    hint="this is no text log, or it lost its newlines",
                )
        self.rest = rest
        if rest:
            yield Block(rest, line, start, tail=True)

    @contextmanager
    def local_file(self) -> Iterator[Path]:
        """Give a seekable decompressed file, for formats that need one (Parquet, nfcapd)."""
        with self.path.open("rb") as raw:
            packed = compression(raw.read(8))
        if not packed:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(dir=self._spool, prefix="sakimori-") as plain:
            for chunk in self.chunks():
                plain.write(chunk)
            plain.flush()
            yield Path(plain.name)

    def _from_offset(self, size: int) -> Iterator[bytes]:
        skip = self.finished
        for chunk in self.chunks(size):
            if skip >= len(chunk):
                skip -= len(chunk)
            else:
                yield chunk[skip:] if skip else chunk
                skip = 0

    def _plain(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as raw:
                packed = compression(raw.read(8))
                raw.seek(0)
                yield from self._unpacked(raw, packed) if packed else self._raw(raw, _RAW_BYTES)
        except OSError as error:
            raise SourceError(
                error.strerror or "cannot be read",
                where=self.name,
                hint="check the path and your permission to read it",
            ) from error

    def _raw(self, raw: IO[bytes], size: int) -> Iterator[bytes]:
        while data := raw.read(size):
            self.on_bytes(len(data))
            yield data

    def _unpacked(self, raw: IO[bytes], packed: str) -> Iterator[bytes]:
        """Unpack, member after member, up to where the data breaks off."""
        unpacker = _DECOMPRESSORS[packed]()
        try:
            for part in self._raw(raw, _PACKED_BYTES):
                data = part
                while data:
                    if unpacker.eof:  # another member follows
                        unpacker = _DECOMPRESSORS[packed]()
                    yield unpacker.decompress(data)
                    data = unpacker.unused_data if unpacker.eof else b""
        except _DAMAGED as error:
            self._warn(f"the {packed} data is damaged after what was read: {error}")
            return
        if not unpacker.eof:
            self._warn(f"the {packed} data is cut short; what was there was read")

    def _warn(self, message: str) -> None:
        """Keep a warning once, however often the bytes are gone through."""
        if message not in self.warnings:
            self.warnings.append(message)


def name_of(path: Path) -> str:
    """Return a path as text that can be stored: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def compression(magic: bytes) -> str:
    """Return "gzip", "zstd", "xz", "bzip2", or "" by the first bytes."""
    return next((name for start, name in _MAGIC if magic.startswith(start)), "")


def _copy_of_stdin(spool: Path | None) -> Any:
    """Copy standard input to a temporary file: formats are recognised and hashed before reading."""
    copy = tempfile.NamedTemporaryFile(dir=spool, prefix="sakimori-stdin-")  # noqa: SIM115
    while data := sys.stdin.buffer.read(_RAW_BYTES):
        copy.write(data)
    copy.flush()
    return copy
