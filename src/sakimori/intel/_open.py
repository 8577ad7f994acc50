"""Files to text in bounded memory: plain, gzip, zstd or xz, UTF-8 or UTF-16 with its mark."""

from __future__ import annotations

import codecs
import gzip
import lzma
import zlib
from typing import IO, TYPE_CHECKING

import zstandard

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES = 64 * 1024
LONGEST_LINE = 64 * 1024
JSON_BYTES = 512 * 1024 * 1024  # json.loads needs about five times this
_PIECE = 1 << 20
_XZ_MEMORY = 256 * 1024 * 1024  # xz -9 needs 65 MiB; a hostile header asks for 4 GiB
_ZSTD_BYTES = 1024  # 4 bytes can unpack to 128 KiB, so at most 32 MiB a step
_GZIP, _ZSTD, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class DamagedError(Exception):
    """Compressed data broke off or is not what it claims; what came before is good."""


def head(path: Path) -> bytes:
    """Return the first 64 KiB after decompression, fewer where the data is damaged.

    Raises SourceError when the path cannot be read.
    """
    found = bytearray()
    try:
        for piece in _pieces(path, HEAD_BYTES):
            found += piece
            if len(found) >= HEAD_BYTES:
                break
    except DamagedError:
        pass  # reading tells it, with what was lost
    return bytes(found[:HEAD_BYTES])


def text_of(data: bytes) -> str:
    """Return the head as text; bytes that are no text become U+FFFD."""
    return codecs.getincrementaldecoder(_encoding(data))("replace").decode(data)


def whole(path: Path) -> str:
    """Return the file's text.

    Raises SourceError when it is unreadable, damaged, or over 512 MiB after decompression.
    """
    found = bytearray()
    try:
        for piece in _pieces(path, _PIECE):
            found += piece
            if len(found) > JSON_BYTES:
                raise SourceError(
                    "is over 512 MiB after decompression",
                    where=str(path),
                    hint="export it in parts, or as a plain list or CSV",
                )
    except DamagedError as error:
        raise SourceError(str(error), where=str(path), hint="fetch the file again") from error
    return text_of(bytes(found))


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give (number, line) without line ends; a line over 64 KiB is cut there.

    Raises SourceError when the file cannot be read, DamagedError after the last good line.
    """
    number, rest, cut = 1, "", False
    decoder: codecs.IncrementalDecoder | None = None
    for piece in _pieces(path, _PIECE):
        if not piece:
            continue
        decoder = decoder or codecs.getincrementaldecoder(_encoding(piece))("replace")
        *full, tail = (rest + decoder.decode(piece)).split("\n")
        for line in full:
            if cut:
                cut = False
            else:
                yield number, line[:LONGEST_LINE]
            number += 1
        rest = "" if cut else tail
        if len(rest) > LONGEST_LINE:
            yield number, rest[:LONGEST_LINE]
            rest, cut = "", True
    if rest and not cut:
        yield number, rest


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw:
            magic = raw.read(6)
            raw.seek(0)
            yield from _unpacked(raw, magic, size)
    except _DAMAGED as error:  # before OSError: BadGzipFile is one
        raise DamagedError(f"the compressed data is damaged: {error}") from error
    except (OSError, ValueError) as error:
        raise SourceError(
            getattr(error, "strerror", None) or "cannot be read",
            where=str(path),
            hint="check the path and your permission to read it",
        ) from error


def _unpacked(raw: IO[bytes], magic: bytes, size: int) -> Iterator[bytes]:
    if magic.startswith(_XZ):
        yield from _xz(raw, size)
    elif magic.startswith(_ZSTD):
        yield from _zstd(raw)
    else:
        # read1: where the data breaks off, read would drop what it had gathered so far
        read = gzip.GzipFile(fileobj=raw).read1 if magic.startswith(_GZIP) else raw.read
        while piece := read(size):
            yield piece


def _xz(raw: IO[bytes], size: int) -> Iterator[bytes]:
    """Unpack stream after stream with a memory limit, which lzma.open does not offer."""
    unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    data = raw.read(size)
    while True:
        yield unpacker.decompress(data, max_length=size)
        if unpacker.eof:
            data = unpacker.unused_data or raw.read(size)
            if not data.strip(b"\0"):
                return
            unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        elif unpacker.needs_input:
            data = raw.read(size)
            if not data:
                raise EOFError("it is cut short")
        else:
            data = b""


def _zstd(raw: IO[bytes]) -> Iterator[bytes]:
    """Unpack frame after frame; zstandard's stream_reader does not tell a cut-short file."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    while data := raw.read(_ZSTD_BYTES):
        while data:
            if unpacker.eof:
                unpacker = zstandard.ZstdDecompressor().decompressobj()
            yield unpacker.decompress(data)
            data = unpacker.unused_data if unpacker.eof else b""
    if not unpacker.eof:
        raise EOFError("it is cut short")
