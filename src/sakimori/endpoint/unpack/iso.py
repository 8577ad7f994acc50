"""ISO 9660 images with Joliet and Rock Ridge names. Sources: ECMA-119; Joliet 1.0; IEEE P1282 (RRIP).

Each folder is read once, so that folders in a ring end. UDF is reported, not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._model import MIB, BrokenError, Entry, Layer, Problem, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.unpack._source import Blob

_SECTOR = 2048


@dataclass(frozen=True, slots=True)
class _Record:
    name: str
    extents: tuple[tuple[int, int], ...]
    is_folder: bool
    goes_on: bool
    rock_ridge: bool


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield every file once, by its best name. Raises BrokenError."""
    roots, udf = _descriptors(layer.whole())
    if not roots:
        raise BrokenError("has no root folder")
    if udf:
        yield Problem(None, "also has a UDF file system, which is not read")
    seen: set[tuple[tuple[int, int], ...]] = set()
    for root, joliet in _best_first(layer, roots):
        for name, record in _walk(layer, root, joliet=joliet):
            if record.extents not in seen or not record.extents[0][1]:
                seen.add(record.extents)
                yield Entry(name, _content(layer.whole(), record))


def _best_first(layer: Layer, roots: list[tuple[_Record, bool]]) -> list[tuple[_Record, bool]]:
    """Rock Ridge before Joliet before plain names."""
    plain = [root for root in roots if not root[1]]
    wide = [root for root in roots if root[1]]
    records = _folder(layer.whole(), plain[0][0], joliet=False) if plain else []
    return plain + wide if any(r.rock_ridge for r in records) else wide + plain


def _descriptors(blob: Blob) -> tuple[list[tuple[_Record, bool]], bool]:
    roots, udf = list[tuple[_Record, bool]](), False
    for sector in range(16, 16 + 64):
        block = blob.at(sector * _SECTOR, _SECTOR)
        udf |= block[1:6] in {b"NSR02", b"NSR03"}
        if block[1:6] != b"CD001" or len(block) < 190 or block[0] not in {1, 2}:
            continue
        joliet = block[0] == 2 and block[88:91] in {b"%/@", b"%/C", b"%/E"}
        record = _record(blob, block[156:190], joliet=joliet)
        if record is not None:
            roots.append((record, joliet))
    return roots, udf


def _walk(layer: Layer, root: _Record, *, joliet: bool) -> Iterator[tuple[str, _Record]]:
    waiting, seen = [("", root)], {root.extents[0][0]}
    while waiting:
        prefix, folder = waiting.pop()
        layer.budget.tick()
        for record in _folder(layer.whole(), folder, joliet=joliet):
            name = prefix + record.name
            if not record.is_folder:
                yield name, record
            elif record.extents[0][0] not in seen:
                seen.add(record.extents[0][0])
                waiting.append((f"{name}/"[-4096:], record))


def _folder(blob: Blob, folder: _Record, *, joliet: bool) -> list[_Record]:
    """What a folder lists, without itself and its parent; a file in several extents is one."""
    start, size = folder.extents[0]
    data = blob.at(start * _SECTOR, min(size, 16 * MIB))
    at, out = 0, list[_Record]()
    parts: tuple[tuple[int, int], ...] = ()
    while at < len(data):
        length = data[at]
        if not length:  # records do not cross sectors
            at = (at // _SECTOR + 1) * _SECTOR
            continue
        record = _record(blob, data[at : at + length], joliet=joliet)
        at += length
        if record is None or record.name in {"\0", "\1"}:
            continue
        parts += record.extents
        if not record.goes_on or len(parts) > 4096:
            out.append(_Record(record.name, parts, record.is_folder, False, record.rock_ridge))
            parts = ()
    return out


def _record(blob: Blob, data: bytes, *, joliet: bool) -> _Record | None:
    if len(data) < 34 or 33 + data[32] > len(data):
        return None
    (start,) = struct.unpack_from("<I", data, 2)
    (size,) = struct.unpack_from("<I", data, 10)
    raw = data[33 : 33 + data[32]]
    long = "" if joliet else _rock_ridge(blob, data[33 + data[32] + (data[32] + 1) % 2 :])
    name = long or _name(raw, joliet=joliet)
    return _Record(
        name, ((start + data[1], size),), bool(data[25] & 2), bool(data[25] & 0x80), bool(long)
    )


def _name(raw: bytes, *, joliet: bool) -> str:
    if raw in {b"\0", b"\1"}:
        return raw.decode()
    if joliet:
        text = (
            raw.decode("utf-16-be", "surrogatepass") if len(raw) % 2 == 0 else raw.decode("cp437")
        )
    else:
        text = raw.decode("utf-8", "surrogateescape")
    return text.removesuffix(";1").removesuffix(".") or text


def _rock_ridge(blob: Blob, area: bytes) -> str:
    """The name in the NM entries, some of which may lie elsewhere (CE); "" where there is none."""
    name, at, hops = b"", 0, 0
    more: tuple[int, int] | None = None
    while True:
        if at + 4 > len(area) or area[at + 2] < 4:
            if more is None or hops >= 8:
                break
            area, at, more, hops = blob.at(*more), 0, None, hops + 1
            continue
        kind, length = area[at : at + 2], area[at + 2]
        if kind == b"NM" and length > 5:
            name += area[at + 5 : at + length]
        elif kind == b"CE" and length >= 28 and at + 28 <= len(area):
            block, offset, count = (struct.unpack_from("<I", area, at + n)[0] for n in (4, 12, 20))
            more = (block * _SECTOR + offset, min(count, 8192))
        at += length
    return name.decode("utf-8", "surrogateescape")


def _content(blob: Blob, record: _Record) -> Iterator[bytes]:
    for start, size in record.extents:
        got = 0
        for chunk in blob.chunks(start * _SECTOR, size):
            got += len(chunk)
            yield chunk
        if got < size:
            raise TruncatedError(f"ends after {got:,} of {size:,} bytes")
