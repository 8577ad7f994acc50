"""Compound files: old Office documents, MSI packages, Outlook messages. Sources: [MS-CFB], [MS-OLEDS].

All entries of the directory are read, also those that its tree leaves out. Chains of sectors end where
they come back to a sector they have been to.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._model import CHUNK, MIB, BrokenError, Entry, Layer, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sakimori.endpoint.unpack._source import Blob

_LAST = 0xFFFFFFFA  # numbers from here on are no sectors
_NONE = 0xFFFFFFFF
_MSI = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"
_DIRECTORY = 32 * MIB


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class _File:
    blob: Blob
    sector: int
    table: array[int]
    mini_table: array[int]
    mini: bytes
    cutoff: int


def read(layer: Layer) -> Iterator[Entry]:
    """Yield each stream, and the file inside an Ole10Native one. Raises BrokenError."""
    file, nodes = _open(layer)
    paths = _paths(nodes)
    for number, node in enumerate(nodes):
        layer.budget.tick()
        if node.kind != 2:
            continue
        name = paths.get(number, node.name)
        yield Entry(name, _stream(file, node))
        if node.name == "\1Ole10Native":
            yield from _native(name, b"".join(_some(_stream(file, node), layer.budget.room())))


def _open(layer: Layer) -> tuple[_File, list[_Node]]:
    blob = layer.whole()
    head = blob.at(0, 512)
    if len(head) < 512:
        raise TruncatedError("ends in the middle of its header")
    shift, mini_shift = struct.unpack_from("<HH", head, 30)
    if shift not in {9, 12} or mini_shift != 6:
        raise BrokenError("has sectors of a size that cannot be")
    directory, cutoff, mini_first = (struct.unpack_from("<I", head, n)[0] for n in (48, 56, 60))
    sector = 1 << shift
    table = _table(layer, head, sector)
    bare = _File(blob, sector, table, array("I"), b"", 0)
    data = b"".join(_some(_chain(bare, directory), _DIRECTORY))
    nodes = [n for at in range(0, len(data) - 127, 128) if (n := _node(data[at : at + 128], shift))]
    mini_table = _numbers(b"".join(_some(_chain(bare, mini_first), _DIRECTORY)))
    root = nodes[0] if nodes else None
    if root is None:
        raise BrokenError("has no directory")
    mini = b"".join(_some(_chain(bare, root.start), min(root.size, layer.budget.room())))
    return _File(blob, sector, table, mini_table, mini, min(cutoff, 4096)), nodes


def _table(layer: Layer, head: bytes, sector: int) -> array[int]:
    """The allocation table: which sector follows which. Never longer than the file has sectors."""
    blob = layer.whole()
    most = blob.size // sector + 1
    places = list(_numbers(head[76:512]))
    (more,) = struct.unpack_from("<I", head, 68)
    seen = set[int]()
    while more < _LAST and more not in seen and len(places) <= most:
        layer.budget.tick()
        seen.add(more)
        block = _numbers(blob.at((more + 1) * sector, sector))
        places.extend(block[:-1])
        more = block[-1] if block else _NONE
    table, used = array("I"), set[int]()
    for place in places:
        if place >= _LAST or place in used or len(table) > most:
            continue
        used.add(place)
        table.extend(_numbers(blob.at((place + 1) * sector, sector).ljust(sector, b"\xff")))
    return table


def _numbers(data: bytes) -> array[int]:
    return array("I", struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))


def _node(data: bytes, shift: int) -> _Node | None:
    length, kind = struct.unpack_from("<HB", data, 64)
    left, right, child = struct.unpack_from("<III", data, 68)
    start, size = struct.unpack_from("<IQ", data, 116)
    raw = data[: max(0, min(length, 64) - 2)]
    name = _msi(raw[: len(raw) // 2 * 2].decode("utf-16-le", "surrogatepass"))
    return _Node(name, kind, left, right, child, start, size & 0xFFFFFFFF if shift == 9 else size)


def _msi(name: str) -> str:
    """MSI squeezes two letters into one of U+3800..U+47FF, one into U+4800..U+483F."""
    out = []
    for letter in name:
        code = ord(letter)
        if 0x3800 <= code < 0x4800:
            out += [_MSI[(code - 0x3800) & 0x3F], _MSI[(code - 0x3800) >> 6]]
        elif 0x4800 <= code < 0x4840:
            out.append(_MSI[code - 0x4800])
        else:
            out.append("!" if code == 0x4840 else letter)
    return "".join(out)


def _paths(nodes: list[_Node]) -> dict[int, str]:
    """The path of each entry that the tree reaches."""
    paths, seen = dict[int, str](), set[int]()
    waiting = [(nodes[0].child, "")]
    while waiting:
        number, prefix = waiting.pop()
        if number >= len(nodes) or number in seen:
            continue
        seen.add(number)
        node = nodes[number]
        paths[number] = (prefix + node.name)[-4096:]
        waiting += [(node.left, prefix), (node.right, prefix)]
        if node.kind == 1:
            waiting.append((node.child, f"{prefix}{node.name}/"[-4096:]))
    return paths


def _stream(file: _File, node: _Node) -> Iterator[bytes]:
    """Raises TruncatedError where its chain ends early or runs in a ring."""
    small = node.size < file.cutoff
    chunks = _mini_chain(file, node.start) if small else _chain(file, node.start)
    got = 0
    for chunk in _some(chunks, node.size):
        got += len(chunk)
        yield chunk
    if got < node.size:
        raise TruncatedError(f"ends after {got:,} of {node.size:,} bytes: broken, or in a ring")


def _some(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    for chunk in chunks:
        if most <= 0:
            return
        yield chunk[:most]
        most -= len(chunk)


def _chain(file: _File, start: int) -> Iterator[bytes]:
    return _follow(file.table, start, lambda n: file.blob.at((n + 1) * file.sector, file.sector))


def _mini_chain(file: _File, start: int) -> Iterator[bytes]:
    return _follow(file.mini_table, start, lambda n: file.mini[n * 64 : n * 64 + 64])


def _follow(table: array[int], start: int, at: Callable[[int], bytes]) -> Iterator[bytes]:
    """Sectors in the order of the table, some at a time."""
    seen, held, size = bytearray(len(table)), list[bytes](), 0
    while start < len(table) and not seen[start]:
        seen[start] = 1
        held.append(at(start))
        size += len(held[-1])
        start = table[start]
        if size >= CHUNK or len(held) == 1024:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _native(name: str, data: bytes) -> Iterator[Entry]:
    """The file that a document carries: label, path, temporary path, then its bytes."""
    label, at = _word(data, 6)
    path, at = _word(data, at)
    at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    size = int.from_bytes(data[at : at + 4], "little")
    called = (label or path).replace("\\", "/").rsplit("/", 1)[-1] or "content"
    content = data[at + 4 : at + 4 + size]
    if content:
        yield Entry(f"{name}/{called}", (content,))


def _word(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    end = len(data) if end < 0 else end
    return data[at:end].decode("utf-8", "surrogateescape"), end + 1
