"""Zstandard: one file, in one or more frames that are read as one. Source: RFC 8878."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import DICTIONARY, stem
from sakimori.endpoint.unpack._model import CHUNK, MIB, BrokenError, Entry, Layer, TruncatedError
from sakimori.endpoint.unpack._source import Pull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zstandard import ZstdDecompressor

_STEP = 1024  # bytes given at once: they make at most 32 MiB, 128 KiB for four bytes


def read(layer: Layer) -> Iterator[Entry]:
    """Yield the one file, named as the file without its suffix."""
    yield Entry(stem(layer.name, ".zst", ".zstd"), frames(iter(layer.pull.some, b"")))


def frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What the frames hold; skippable frames are skipped. Raises BrokenError, TruncatedError."""
    import zstandard  # noqa: PLC0415 - slow to import

    pull = Pull(chunks)
    try:
        while magic := pull.exact(8):
            pull.back(magic)
            if magic[1:4] == b"\x2a\x4d\x18":
                yield from _skipped(pull, magic)
            elif magic.startswith(b"\x28\xb5\x2f\xfd"):
                yield from _frame(zstandard.ZstdDecompressor(max_window_size=DICTIONARY), pull)
            else:
                return  # padding or another thing
    except zstandard.ZstdError as error:
        if "memory" in str(error).lower() or "parameter" in str(error).lower():
            raise BrokenError(
                f"needs more than {DICTIONARY // MIB} MiB of memory to unpack; left packed"
            ) from None
        raise BrokenError(f"is broken: {error}") from None


def _frame(maker: ZstdDecompressor, pull: Pull) -> Iterator[bytes]:
    decoder = maker.decompressobj()
    while not decoder.eof:
        piece = pull.some(_STEP)
        if not piece:
            raise TruncatedError("ends too early: the data is cut off or broken")
        out = decoder.decompress(piece)
        yield from (out[at : at + CHUNK] for at in range(0, len(out), CHUNK))
    pull.back(decoder.unused_data)


def _skipped(pull: Pull, magic: bytes) -> Iterator[bytes]:
    for _ in pull.take(8 + int.from_bytes(magic[4:8], "little")):
        yield b""  # lets the clock be looked at
