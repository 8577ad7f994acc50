"""gzip: one file, in one or more members that are read as one. Source: RFC 1952."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import Inflate, drained, stem
from sakimori.endpoint.unpack._model import Entry, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.unpack._source import Pull


def read(layer: Layer) -> Iterator[Entry]:
    """Yield the one file, named as the header says or as the file without its suffix."""
    head = layer.pull.exact(4096)
    layer.pull.back(head)
    yield Entry(_name(head) or stem(layer.name, ".gz", ".tgz", ".z"), _content(layer.pull))


def _content(pull: Pull) -> Iterator[bytes]:
    while True:
        decoder = Inflate(31)
        yield from drained(decoder, iter(pull.some, b""))
        pull.back(decoder.unused_data)
        while (piece := pull.some()) and not piece.strip(b"\0"):
            pass  # padding of tapes
        pull.back(piece.lstrip(b"\0"))
        magic = pull.exact(3)
        pull.back(magic)
        if magic != b"\x1f\x8b\x08":
            return


def _name(head: bytes) -> str:
    """The stored name; "" where there is none."""
    flags, at = head[3] if len(head) > 10 else 0, 10
    if not flags & 8:
        return ""
    if flags & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    end = head.find(b"\0", at)
    return head[at:end].decode("utf-8", "surrogateescape") if end >= 0 else ""
