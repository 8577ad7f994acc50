"""xz and the older .lzma: one file; memory is bounded before decoding. Source: the .xz format, 1.2.1."""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import DICTIONARY, checked_window, drained, stem
from sakimori.endpoint.unpack._model import MIB, BrokenError, Entry, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.endpoint.unpack._source import Pull

_MEMORY = DICTIONARY + 16 * MIB  # the window and what the decoder needs beside it


def read(layer: Layer) -> Iterator[Entry]:
    """Yield the one file, named as the file without its suffix."""
    yield Entry(stem(layer.name, ".xz", ".txz"), _content(layer.pull))


def read_alone(layer: Layer) -> Iterator[Entry]:
    """The same for .lzma, which has one stream."""
    head = layer.pull.exact(13)
    layer.pull.back(head)
    checked_window(int.from_bytes(head[1:5], "little"))
    decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY)
    yield Entry(stem(layer.name, ".lzma"), drained(decoder, iter(layer.pull.some, b"")))


def _content(pull: Pull) -> Iterator[bytes]:
    while True:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY)
        try:
            yield from drained(decoder, iter(pull.some, b""))
        except lzma.LZMAError as error:
            if "emory" in str(error):
                raise BrokenError(
                    f"needs more than {DICTIONARY // MIB} MiB of memory to unpack; left packed"
                ) from None
            raise
        pull.back(decoder.unused_data)
        while (piece := pull.some()) and not piece.strip(b"\0"):
            pass  # padding between streams
        pull.back(piece.lstrip(b"\0"))
        magic = pull.exact(6)
        pull.back(magic)
        if magic != b"\xfd7zXZ\0":
            return


def one_stream(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What a single xz stream inside another container holds."""
    return drained(lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY), chunks)
