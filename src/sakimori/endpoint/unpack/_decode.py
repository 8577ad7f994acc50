"""Decoders fed in pieces, so that no input makes more at once than is asked for."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.unpack._model import CHUNK, MIB, BrokenError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DICTIONARY = 128 * MIB  # the largest window that is held, bytes


class Decoder(Protocol):
    """What bz2 and lzma decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Inflate:
    """A zlib stream with the face of the others. `window` as zlib's wbits; `history` what came before."""

    def __init__(self, window: int = -15, history: bytes = b"") -> None:
        self._z = zlib.decompressobj(window, history) if history else zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        """Whether the stream's end was read."""
        return self._z.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return not self._z.eof and not self._z.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What followed the stream's end."""
        return self._z.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Decode; at most `max_length` bytes come out. Raises zlib.error."""
        return self._z.decompress(self._z.unconsumed_tail + data, max(0, max_length))


def drained(decoder: Decoder, chunks: Iterable[bytes], size: int | None = None) -> Iterator[bytes]:
    """What a decoder makes of chunks, at most CHUNK bytes at once, until its end or `size` bytes.

    Raises TruncatedError where the input ends first.
    """
    left = size if size is not None else 1 << 62
    for chunk in chunks:
        data = chunk
        while left > 0:
            out = decoder.decompress(data, min(CHUNK, left))
            data = b""
            if out:
                left -= len(out)
                yield out
            if decoder.eof:
                return
            if decoder.needs_input or not out:
                break
        if left <= 0:
            return
    if size is None or left > 0:
        yield from _flushed(decoder, left)


def _flushed(decoder: Decoder, left: int) -> Iterator[bytes]:
    """What is still inside: zlib keeps the last bytes back when the room was exactly used up."""
    while not decoder.eof and left > 0 and (out := decoder.decompress(b"", min(CHUNK, left))):
        left -= len(out)
        yield out
    if not decoder.eof and left > 0:
        raise TruncatedError("ends too early: the data is cut off or broken")


def lzma_filter(properties: bytes, identity: int = lzma.FILTER_LZMA1) -> dict[str, int]:
    """The settings of a raw LZMA stream from its five property bytes. Raises BrokenError."""
    if len(properties) < 5 or properties[0] >= 225:
        raise BrokenError("has LZMA settings that cannot be")
    rest, literal = divmod(properties[0], 9)
    position_bits, literal_position = divmod(rest, 5)
    size = checked_window(int.from_bytes(properties[1:5], "little"))
    return {
        "id": identity,
        "dict_size": max(4096, size),
        "lc": literal,
        "lp": literal_position,
        "pb": position_bits,
    }


def checked_window(size: int) -> int:
    """`size`, where a window of that many bytes is held. Raises BrokenError where not."""
    if size > DICTIONARY:
        raise BrokenError(
            f"needs {size // MIB:,} MiB of memory to unpack, more than {DICTIONARY // MIB}; left packed"
        )
    return size


def raw_lzma(filters: list[dict[str, int]]) -> lzma.LZMADecompressor:
    """A decoder for LZMA without a file header."""
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, None, filters)


def bunzip() -> Decoder:
    """A decoder for one bzip2 stream."""
    return bz2.BZ2Decompressor()


def stem(name: str, *suffixes: str) -> str:
    """The name of a single compressed file's content: its own without the suffix."""
    own = name.replace("\\", "/").rsplit("/", 1)[-1]
    for suffix in suffixes:
        if own.lower().endswith(suffix) and len(own) > len(suffix):
            return own[: -len(suffix)] + (".tar" if suffix in {".tgz", ".tbz2", ".txz"} else "")
    return own or "content"
