"""Microsoft cabinet: stored and MSZIP, block by block. Source: [MS-CAB] 2.1.

LZX and Quantum are reported as left packed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._decode import Inflate
from sakimori.endpoint.unpack._model import BrokenError, Entry, Layer, Problem, TruncatedError
from sakimori.endpoint.unpack._source import Pull

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 32768
_METHODS = {2: "Quantum", 3: "LZX"}


@dataclass(frozen=True, slots=True)
class _Folder:
    start: int
    blocks: int
    method: int
    reserve: int


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    offset: int
    folder: int


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield the files, folder by folder. Raises BrokenError."""
    folders, files = _tables(layer)
    for number, folder in enumerate(folders):
        mine = sorted((f for f in files if f.folder == number), key=lambda f: f.offset)
        if folder.method in _METHODS:
            reason = f"is packed by {_METHODS[folder.method]}, which is not known here; left packed"
            yield from (Problem(file.name, reason) for file in mine)
        elif folder.method > 1:
            yield from (Problem(file.name, "is packed in an unknown way") for file in mine)
        else:
            yield from _files(layer, folder, mine)
    for file in files:
        if file.folder >= len(folders):
            yield Problem(file.name, "is continued in another cabinet; left packed")


def _files(layer: Layer, folder: _Folder, files: list[_File]) -> Iterator[Entry]:
    pull = Pull(_blocks(layer, folder))
    for file in files:
        if file.offset < pull.position:  # files that overlap: begin again
            pull = Pull(_blocks(layer, folder))
        for piece in pull.take(file.offset - pull.position):
            layer.budget.spend(len(piece))
        yield Entry(file.name, _content(pull, file.size))


def _content(pull: Pull, size: int) -> Iterator[bytes]:
    got = 0
    for chunk in pull.take(size):
        got += len(chunk)
        yield chunk
    if got < size:
        raise TruncatedError(f"ends after {got:,} of {size:,} bytes")


def _blocks(layer: Layer, folder: _Folder) -> Iterator[bytes]:
    blob, at, history = layer.whole(), folder.start, b""
    for _ in range(folder.blocks):
        layer.budget.tick()
        head = blob.at(at, 8)
        if len(head) < 8:
            raise TruncatedError("ends too early: the data is cut off or broken")
        packed, size = struct.unpack_from("<HH", head, 4)
        data = blob.at(at + 8 + folder.reserve, packed)
        at += 8 + folder.reserve + packed
        out = data
        if folder.method == 1:
            out = _mszip(data, size, history)
            history = (history + out)[-_BLOCK:]
        yield out
        if len(data) < packed:
            raise TruncatedError("ends too early: the data is cut off or broken")
        if not size:
            raise BrokenError("is continued in another cabinet; the rest was left out")


def _mszip(data: bytes, size: int, history: bytes) -> bytes:
    if data[:2] != b"CK":
        raise BrokenError("has a broken block")
    return Inflate(-15, history).decompress(data[2:], min(size, _BLOCK)) if size else b""


def _tables(layer: Layer) -> tuple[list[_Folder], list[_File]]:
    blob = layer.whole()
    head = blob.at(0, 36)
    if len(head) < 36:
        raise TruncatedError("ends in the middle of its header")
    (first,) = struct.unpack_from("<I", head, 16)
    folders, files, flags = struct.unpack_from("<HHH", head, 26)
    at, extra, reserve = 36, 0, 0
    if flags & 4:
        own, extra, reserve = struct.unpack("<HBB", blob.at(36, 4).ljust(4, b"\0"))
        at += 4 + own
    for flag in (1, 2):  # names of the cabinets before and after
        if flags & flag:
            for _ in range(2):
                at += blob.at(at, 256).find(b"\0") + 1
    found = []
    for _ in range(folders):
        record = blob.at(at, 8)
        if len(record) < 8:
            break
        start, blocks, method = struct.unpack("<IHH", record)
        found.append(_Folder(start, blocks, method & 15, reserve))
        at += 8 + extra
    return found, _file_table(layer, first, files)


def _file_table(layer: Layer, at: int, count: int) -> list[_File]:
    blob, files = layer.whole(), list[_File]()
    for _ in range(count):
        record = blob.at(at, 16 + 256)
        end = record.find(b"\0", 16)
        if len(record) < 17 or end < 0:
            break
        size, offset, folder = struct.unpack_from("<IIH", record)
        (flags,) = struct.unpack_from("<H", record, 14)
        name = record[16:end]
        text = name.decode("utf-8", "surrogateescape") if flags & 0x80 else _old(name)
        files.append(_File(text.replace("\\", "/"), size, offset, folder))
        at += end + 1
    return files


def _old(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")
