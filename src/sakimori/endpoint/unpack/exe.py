"""Windows programs that carry an archive: self-extracting zip, 7z and cabinet files.

Nothing is said of a program that carries none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.unpack import zip as zip_format
from sakimori.endpoint.unpack._model import Entry, Layer, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"MSCF\0\0\0\0", "cab"))
_MOST = 16  # archives of a kind in one program


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield each archive inside, named by where it begins, and the members of a zip at the end."""
    blob = layer.whole()
    for mark, kind in _MARKS:
        at = 0
        for _ in range(_MOST):
            layer.budget.tick()
            at = blob.find(mark, at)
            if at < 0:
                break
            if _plausible(blob.at(at, 36), kind, blob.size - at):
                yield Entry(f"{kind} at {at:#x}", blob.chunks(at, blob.size - at))
            at += len(mark)
    if zip_format.has_directory(layer):
        yield from zip_format.read(layer)


def _plausible(head: bytes, kind: str, left: int) -> bool:
    """Whether sizes in the header fit; a program that unpacks these formats holds their marks too."""
    if len(head) < 36:
        return False
    if kind == "cab":
        return 36 < int.from_bytes(head[8:12], "little") <= left and head[25] == 1
    end = int.from_bytes(head[12:20], "little") + int.from_bytes(head[20:28], "little")
    return head[6] == 0 and 0 < end <= left - 32
