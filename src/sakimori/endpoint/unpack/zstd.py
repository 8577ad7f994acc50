"""Zstandard: one file, in one or more frames that are read as one. Source: RFC 8878."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import DICTIONARY, stem
from sakimori.endpoint.unpack._model import CHUNK, MIB, BrokenError, Entry, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def read(layer: Layer) -> Iterator[Entry]:
    """Yield the one file, named as the file without its suffix."""
    yield Entry(stem(layer.name, ".zst", ".zstd"), frames(iter(layer.pull.some, b"")))


class _File:
    """Chunks with the `read` that the library asks for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, however long; b"" at the end."""
        return next(self._chunks, b"")


def frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What the frames hold; skippable frames are skipped. Raises BrokenError."""
    import zstandard  # noqa: PLC0415 - slow to import

    decoder = zstandard.ZstdDecompressor(max_window_size=DICTIONARY)
    try:
        with decoder.stream_reader(_File(chunks), read_across_frames=True) as reader:  # type: ignore[arg-type]
            while out := reader.read(CHUNK):
                yield out
    except zstandard.ZstdError as error:
        if "memory" in str(error).lower() or "parameter" in str(error).lower():
            raise BrokenError(
                f"needs more than {DICTIONARY // MIB} MiB of memory to unpack; left packed"
            ) from None
        raise BrokenError(f"is broken: {error}") from None
