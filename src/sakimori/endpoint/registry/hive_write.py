"""A tree of keys as the bytes of a hive file (REGF).

Source of the format: M. Suhanov, "Windows registry file format specification".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.hive_node import BIG
from sakimori.endpoint.registry.names import upper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.registry.hive_node import Node
    from sakimori.endpoint.registry.model import Value

_NONE = 0xFFFFFFFF
_LEAF = 500  # entries of one list of subkeys; longer ones get a root list


def checksum(block: bytes | bytearray) -> int:
    """Return a base block's checksum: its first 508 bytes as words, XORed; never 0 or all ones."""
    total = 0
    for word in struct.unpack_from("<127I", block):
        total ^= word
    return {0: 1, _NONE: _NONE - 1}.get(total, total)


def write_hive(root: Node, *, written: int, base: bytes = b"") -> bytes:
    """Return a clean hive with these keys. `written` is the hive's own FILETIME.

    `base` is the base block of the hive that it replaces: name, version, flags and identifiers are
    kept, sequence numbers go up by one. Without one it is format 1.5.
    Raises ValueError when a name or a list is longer than the format allows.
    """
    head = bytearray(base[:4096].ljust(4096, b"\0")) if base else _fresh()
    space = _Space(written, minor=int.from_bytes(head[24:28], "little"))
    body = _fill(space, root)
    sequence = (int.from_bytes(head[4:8], "little") + 1) & _NONE
    struct.pack_into("<4sIIQ", head, 0, b"regf", sequence, sequence, written)
    struct.pack_into("<IIIII", head, 28, 0, 1, body, len(space.data), 1)
    struct.pack_into("<I", head, 508, checksum(head))
    return bytes(head + space.data)


def _fresh() -> bytearray:
    head = bytearray(4096)
    struct.pack_into("<II", head, 20, 1, 5)
    return head


@dataclass
class _Space:
    """Hive bins with cells laid one after the other; what is left of a bin becomes a free cell."""

    written: int
    minor: int
    data: bytearray = field(default_factory=bytearray)
    at: int = 0  # where the next cell goes
    shared: dict[bytes, list[int]] = field(default_factory=dict)  # descriptor -> [cell, uses]

    def room(self, size: int) -> int:
        """Return the offset of a new cell with `size` bytes of content."""
        need = (size + 4 + 7) & ~7
        if self.at + need > len(self.data):
            self._bin(need)
        cell, self.at = self.at, self.at + need
        struct.pack_into("<i", self.data, cell, -need)
        return cell

    def put(self, content: bytes) -> int:
        cell = self.room(len(content))
        self.fill(cell, content)
        return cell

    def fill(self, cell: int, content: bytes) -> None:
        self.data[cell + 4 : cell + 4 + len(content)] = content

    def _bin(self, need: int) -> None:
        self.close()
        start, size = len(self.data), (need + 32 + 4095) & ~4095
        stamp = 0 if start else self.written
        self.data += struct.pack("<4sII8xQI", b"hbin", start, size, stamp, 0).ljust(size, b"\0")
        self.at = start + 32

    def close(self) -> None:
        left = len(self.data) - self.at
        if left:
            struct.pack_into("<i", self.data, self.at, left)

    def security(self, raw: bytes) -> int:
        """Return the cell of a descriptor; equal ones share it."""
        found = self.shared.get(raw)
        if found is None:
            found = self.shared[raw] = [self.room(20 + len(raw)), 0]
        found[1] += 1
        return found[0]


def _fill(space: _Space, root: Node) -> int:
    """Lay out every cell; return the root's."""
    nodes, parents = [root], [_NONE]
    cells: list[int] = []
    for node in nodes:  # grows while we walk: breadth first
        parents.extend([len(cells)] * len(node.children))
        nodes.extend(node.children)
        cells.append(space.room(76 + len(_name(node.name)[0])))
    first = 1
    for at, node in enumerate(nodes):
        below = dict(
            zip(map(id, node.children), cells[first : first + len(node.children)], strict=True)
        )
        first += len(node.children)
        above = cells[parents[at]] if at else cells[0]
        space.fill(cells[at], _key(space, node, above, below))
    _securities(space)
    space.close()
    return cells[0]


def _key(space: _Space, node: Node, above: int, below: dict[int, int]) -> bytes:
    name, compressed = _name(node.name)
    flags = (node.flags & ~0x20) | (0x20 if compressed else 0)
    values = [_value(space, value, node.marks.get(value.name, 0)) for value in node.values]
    listed = space.put(struct.pack(f"<{len(values)}I", *values)) if values else _NONE
    class_cell = space.put(node.class_name) if node.class_name else _NONE
    return struct.pack(
        "<2sHQ15I2H", b"nk", flags, node.written, node.access, above, len(node.children), 0,
        _subkeys(space, node.children, below), _NONE, len(values), listed,
        space.security(node.security) if node.security else _NONE, class_cell,
        _longest(len(_wide(c.name)) for c in node.children) & 0xFFFF | node.extra << 16,
        _longest(len(c.class_name) for c in node.children),
        _longest(len(_wide(v.name)) for v in node.values),
        _longest(len(v.data) for v in node.values),
        0, len(name), len(node.class_name),
    ) + name  # fmt: skip


def _value(space: _Space, value: Value, marks: int) -> int:
    name, compressed = _name(value.name)
    size, at = len(value.data), 0
    if size <= 4:
        at = int.from_bytes(value.data.ljust(4, b"\0"), "little")
        size |= 0x80000000
    elif size > BIG and space.minor > 3:
        at = _big(space, value.data)
    else:
        at = space.put(value.data)
    flags = (marks & 0xFFFE) | bool(compressed and name)
    return space.put(
        struct.pack("<2sHIIIHH", b"vk", len(name), size, at, value.type, flags, marks >> 16) + name
    )


def _big(space: _Space, data: bytes) -> int:
    cells = [space.put(data[at : at + BIG]) for at in range(0, len(data), BIG)]
    if len(cells) > 0xFFFF:
        raise ValueError("a value is larger than the format allows")
    listed = space.put(struct.pack(f"<{len(cells)}I", *cells))
    return space.put(struct.pack("<2sHI", b"db", len(cells), listed))


def _subkeys(space: _Space, children: list[Node], below: dict[int, int]) -> int:
    if not children:
        return _NONE
    ordered = sorted(children, key=lambda c: _wide_key(c.name))
    leaves = [_leaf(space, ordered[at : at + _LEAF], below) for at in range(0, len(ordered), _LEAF)]
    if len(leaves) == 1:
        return leaves[0]
    return space.put(struct.pack(f"<2sH{len(leaves)}I", b"ri", len(leaves), *leaves))


def _leaf(space: _Space, children: list[Node], below: dict[int, int]) -> int:
    kind, hint = (b"lh", _hash) if space.minor >= 5 else (b"lf", _hint)
    content = struct.pack("<2sH", kind, len(children))
    return space.put(
        content + b"".join(struct.pack("<I", below[id(c)]) + hint(c.name) for c in children)
    )


def _hash(name: str) -> bytes:
    total = 0
    for (unit,) in struct.iter_unpack("<H", _wide(upper(name))):
        total = (total * 37 + unit) & _NONE
    return struct.pack("<I", total)


def _hint(name: str) -> bytes:
    raw, compressed = _name(name[:4])
    return raw.ljust(4, b"\0") if compressed else bytes(4)


def _securities(space: _Space) -> None:
    """Write the descriptors' cells as one ring."""
    cells = [cell for cell, _ in space.shared.values()]
    for at, (raw, (cell, uses)) in enumerate(space.shared.items()):
        after, before = cells[(at + 1) % len(cells)], cells[at - 1]
        space.fill(cell, struct.pack("<2sHIIII", b"sk", 0, after, before, uses, len(raw)) + raw)


def _name(name: str) -> tuple[bytes, bool]:
    """Return a name's bytes and whether they are one byte a character."""
    try:
        raw, compressed = name.encode("latin-1"), True
    except UnicodeEncodeError:
        raw, compressed = _wide(name), False
    if len(raw) > 0xFFFF:
        raise ValueError("a name is longer than the format allows")
    return raw, compressed


def _wide(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass")


def _wide_key(name: str) -> bytes:
    return upper(name).encode("utf-16-be", "surrogatepass")


def _longest(lengths: Iterable[int]) -> int:
    return max(lengths, default=0)
