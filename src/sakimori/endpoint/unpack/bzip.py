"""bzip2: one file, in one or more streams that are read as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import bunzip, drained, stem
from sakimori.endpoint.unpack._model import Entry, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.unpack._source import Pull


def read(layer: Layer) -> Iterator[Entry]:
    """Yield the one file, named as the file without its suffix."""
    yield Entry(stem(layer.name, ".bz2", ".bz", ".tbz2"), _content(layer.pull))


def _content(pull: Pull) -> Iterator[bytes]:
    while True:
        decoder = bunzip()
        yield from drained(decoder, iter(pull.some, b""))
        pull.back(decoder.unused_data)
        magic = pull.exact(3)
        pull.back(magic)
        if magic != b"BZh":
            return
