"""Containers taken apart in memory: archives, disk images, compound files and mail, in any order.

Whatever the content is, nothing is raised, nothing is written to disk, and limits on depth, ratio, bytes,
memory, members and time hold. A kind is told by content, never by a name. Add a format: one file with
`read(layer)`, which yields an Entry per member, a line in READERS and its magic number in `_kind`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack import (
    bzip,
    cab,
    exe,
    gz,
    iso,
    mail,
    ole,
    sevenzip,
    tar,
    xz,
    zstd,
)
from sakimori.endpoint.unpack import zip as zip_format
from sakimori.endpoint.unpack._kind import TAIL, kind_of
from sakimori.endpoint.unpack._model import Budget, Layer, Limits, Member, Problem
from sakimori.endpoint.unpack._source import Blob, Pull
from sakimori.endpoint.unpack._walk import HEAD, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["READERS", "Limits", "Member", "Problem", "kind_of", "unpack"]

READERS = {
    "zip": zip_format.read,
    "7z": sevenzip.read,
    "tar": tar.read,
    "gz": gz.read,
    "bz2": bzip.read,
    "xz": xz.read,
    "lzma": xz.read_alone,
    "zstd": zstd.read,
    "cab": cab.read,
    "iso": iso.read,
    "ole": ole.read,
    "eml": mail.read,
    "mbox": mail.read_box,
    "exe": exe.read,
}
_STREAMED = frozenset({"tar", "gz", "bz2", "xz", "lzma", "zstd", "mbox"})  # need no random access
_WALK = Walk(READERS, _STREAMED)


def unpack(
    source: Path | bytes,
    *,
    name: str = "",
    limits: Limits | None = None,
    passwords: Sequence[str] = (),
) -> Iterator[Member | Problem]:
    """Yield what is inside a file, container by container, and what could not be unpacked.

    Lazy: stop asking, and nothing more is unpacked. A container inside comes as a Member before its own
    members. Folders are not given; a link is a Member whose data is its target, a device one without
    data. A member cut at a limit comes with its first bytes, then a Problem. `name` is what the file is
    called, used to name the content of a single compressed file. `passwords` are tried in turn on
    encrypted members. Nothing is yielded where the file is no container. Raises OSError where `source`
    cannot be opened, and nothing else.
    """
    limits = limits or Limits()
    if isinstance(source, bytes):
        yield from _unpack(Blob(io.BytesIO(source)), name, limits, passwords)
        return
    with source.open("rb") as file:
        yield from _unpack(Blob(file), name or source.name, limits, passwords)


def _unpack(
    blob: Blob, name: str, limits: Limits, passwords: Sequence[str]
) -> Iterator[Member | Problem]:
    kind = kind_of(blob.at(0, HEAD), blob.size, blob.at(max(0, blob.size - TAIL), TAIL))
    if kind is None:
        return
    budget = Budget(limits, blob.size)
    layer = Layer(blob, Pull(blob.chunks(0, blob.size)), name, budget, tuple(passwords))
    for item in _WALK.layer(kind, layer, "", 1):
        budget.pause()
        yield item
        budget.resume()
