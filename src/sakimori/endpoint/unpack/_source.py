"""Bytes to read from: anywhere in a file, or once from the beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK = 256 * 1024


class Blob:
    """A seekable file of known size. Reads past the end give less, never an error."""

    __slots__ = ("_file", "size")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; never more than the file has."""
        if offset < 0 or count <= 0 or offset >= self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(min(count, self.size - offset))

    def chunks(self, offset: int, count: int, step: int = _CHUNK) -> Iterator[bytes]:
        """The bytes of a range in pieces; ends early where the file ends."""
        end = min(self.size, offset + count)
        while offset < end:
            piece = self.at(offset, min(step, end - offset))
            if not piece:
                return
            offset += len(piece)
            yield piece

    def find(self, needle: bytes, start: int = 0) -> int:
        """Offset of the first `needle` from `start`; -1 where there is none."""
        step, keep = 4096, len(needle) - 1  # small first: the next one is often near
        while start < self.size:
            found = self.at(start, step + keep).find(needle)
            if found >= 0:
                return start + found
            start += step
            step = min(4 * _CHUNK, 2 * step)
        return -1


class Pull:
    """Reads a sequence of chunks as a stream, forward only."""

    __slots__ = ("_at", "_chunks", "_have", "position")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._have = b""
        self._at = 0
        self.position = 0

    def some(self, most: int = _CHUNK) -> bytes:
        """The next bytes, at most `most`; b"" at the end."""
        while self._at >= len(self._have):  # a chunk may be empty
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._have, self._at = piece, 0
        if self._at == 0 and len(self._have) <= most:
            out, self._have = self._have, b""
        else:
            out = self._have[self._at : self._at + most]
            self._at += len(out)
        self.position += len(out)
        return out

    def exact(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end. Give small counts only."""
        parts, left = [], count
        while left > 0 and (piece := self.some(left)):
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def back(self, piece: bytes) -> None:
        """Put bytes back that were read last."""
        self._have = piece + self._have[self._at :]
        self._at = 0
        self.position -= len(piece)

    def take(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes in pieces; ends early at the end of the stream."""
        while count > 0 and (piece := self.some(min(count, _CHUNK))):
            count -= len(piece)
            yield piece
