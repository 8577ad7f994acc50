"""A hive's bytes as a tree of keys, whatever is wrong with them.

Loops and shared cells are read once, depth is that of Windows (512), lists are cut to their cells. python-registry
is not used: see docs/decisions. Tests compare with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.hive_cells import NONE, CellError, Cells, check_base
from sakimori.endpoint.registry.hive_node import BIG, Node
from sakimori.endpoint.registry.model import Value
from sakimori.endpoint.registry.names import upper
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.registry.found import Problem

_DEEPEST = 512  # levels; Windows makes no deeper key
_MOST_BROKEN = 1000  # entries of one list; what has more is no list
_NK = struct.Struct("<2sHQ15I2H")
_VK = struct.Struct("<2sHIIIHH")


@dataclass(frozen=True, slots=True)
class Tree:
    """The root key and what could not be read below it."""

    root: Node
    problems: tuple[Problem, ...]


def read_tree(data: bytes, where: str) -> Tree:
    """Read a primary hive's bytes. Raises SourceError when it is no hive or has no root."""
    check_base(data, where)
    cells = Cells(data, where)
    cells.check_bins()
    root = _Walk(cells).run()
    return Tree(root, tuple(cells.problems))


@dataclass(slots=True)
class _Raw:
    """What a key node points to, before it is followed."""

    node: Node
    parent: int
    subkeys: tuple[int, int]  # count, list
    values: tuple[int, int]


@dataclass(slots=True)
class _Walk:
    cells: Cells
    keys: set[int] = field(default_factory=set)  # cells of keys met so far
    lists: set[int] = field(default_factory=set)  # cells of subkey lists met so far
    securities: dict[int, bytes] = field(default_factory=dict)
    paths: int = 0  # characters of all paths so far

    def run(self) -> Node:
        start = self.cells.root
        self.keys.add(start)
        try:
            first = self._key(start)
        except CellError as error:
            raise SourceError(f"no root key: {error}", where=self.cells.where) from error
        limit = max(1 << 26, 16 * len(self.cells.data))
        stack = [(start, first, "", 0)]
        while stack:
            offset, raw, path, depth = stack.pop()
            self.paths += len(path)
            if depth >= _DEEPEST or self.paths > limit:
                self.cells.tell(offset, "keys are nested too deep", path)
                continue
            raw.node.values, raw.node.marks = self._values(raw, offset, path)
            for child, below in self._children(raw, offset, path):
                raw.node.children.append(below.node)
                stack.append((child, below, f"{path}\\{below.node.name}", depth + 1))
        return first.node

    def _key(self, offset: int) -> _Raw:
        cells = self.cells
        start, end = cells.cell(offset)
        if start + 76 > end:
            raise CellError(f"cell 0x{offset:x} is too small for a key")
        (mark, flags, written, access, parent, count, _, listed, _, values, value_list, security,
         class_cell, longest, _, _, _, _, length, class_length) = _NK.unpack_from(cells.data, start)  # fmt: skip
        if mark != b"nk":
            raise CellError(f"cell 0x{offset:x} holds no key but {mark.hex()}")
        node = Node(
            self._name(offset, (start + 76, end), length, narrow=bool(flags & 0x20)),
            flags, written, self._security(offset, security), access=access, extra=longest >> 16,
        )  # fmt: skip
        if class_length and class_cell != NONE:
            node.class_name = self._try(offset, class_cell, class_length, "class name")
        if flags & 0x40:  # its count of values is a handle
            values = 0
        return _Raw(node, parent, (count, listed), (values, value_list))

    def _name(self, offset: int, span: tuple[int, int], length: int, *, narrow: bool) -> str:
        start, end = span
        if start + length > end:
            self.cells.tell(offset, f"name of {length} bytes, {end - start} are there")
            length = end - start
        self.cells.spend(length)
        raw = self.cells.data[start : start + length]
        if narrow:
            return raw.decode("latin-1")
        if length & 1:
            self.cells.tell(offset, f"a name of {length} bytes ends in half a character")
            raw = raw[:-1]
        return raw.decode("utf-16-le", "surrogatepass")

    def _try(self, offset: int, cell: int, size: int, what: str) -> bytes:
        try:
            return self.cells.content(cell, size, what)
        except CellError as error:
            self.cells.tell(offset, f"{what}: {error}")
            return b""

    def _security(self, offset: int, cell: int) -> bytes:
        """Return a descriptor's bytes; b"" when the key has none that can be reached, which is told."""
        if cell == NONE:
            return b""
        found = self.securities.get(cell)
        if found is None:
            try:
                found = self._descriptor(cell)
            except CellError as error:
                self.cells.tell(offset, f"no security: {error}")
                found = b""
            self.securities[cell] = found
        return found

    def _descriptor(self, cell: int) -> bytes:
        start, end = self.cells.cell(cell)
        mark, room = self.cells.data[start : start + 2], end - start - 20
        if mark != b"sk" or room < 0:
            raise CellError(f"cell 0x{cell:x} holds no security but {mark.hex()}")
        size = int.from_bytes(self.cells.data[start + 16 : start + 20], "little")
        if size > room:
            self.cells.tell(cell, f"security of {size} bytes, {room} are there")
            size = room
        self.cells.spend(size)
        return self.cells.data[start + 20 : start + 20 + size]

    def _children(self, raw: _Raw, offset: int, path: str) -> list[tuple[int, _Raw]]:
        count, listed = raw.subkeys
        if not count and listed == NONE:
            return []
        offsets = self._listed(listed, offset) if count else []
        if len(offsets) != count:
            self.cells.tell(offset, f"{count} subkeys wanted, {len(offsets)} listed", path)
        found: list[tuple[int, _Raw]] = []
        broken = 0
        for child in offsets:
            try:
                below = self._key(self._claim(child))
            except CellError as error:
                broken += 1
                self.cells.tell(offset, f"a subkey: {error}", path)
                if broken > _MOST_BROKEN:
                    self.cells.tell(offset, "the rest of its subkeys is left out", path)
                    break
                continue
            if below.parent != offset:
                self.cells.tell(child, f"names 0x{below.parent:x} as its parent, not 0x{offset:x}")
            found.append((child, below))
        self._check_names(found, offset, path)
        return found

    def _claim(self, child: int) -> int:
        if child in self.keys:
            raise CellError(f"key 0x{child:x} is listed a second time")
        self.keys.add(child)
        return child

    def _check_names(self, found: list[tuple[int, _Raw]], offset: int, path: str) -> None:
        names = [upper(below.node.name) for _, below in found]
        if len(set(names)) < len(names):
            self.cells.tell(offset, "two subkeys have one name", path)
        elif sorted(names) != names:
            self.cells.tell(offset, "subkeys are out of order: Windows may miss some", path)
        for name in names:
            if "\\" in name:
                self.cells.tell(offset, "a subkey's name holds a backslash", path)

    def _listed(self, listed: int, owner: int) -> list[int]:
        """Return the cells of the subkeys that a list names, a root list's parts included."""
        offsets: list[int] = []
        stack = [(listed, False)]
        while stack:
            cell, nested = stack.pop()
            try:
                kind, entries = self._entries(cell)
            except CellError as error:
                self.cells.tell(owner, f"list of subkeys: {error}")
                continue
            if kind != b"ri":
                offsets.extend(entries)
            elif nested:
                self.cells.tell(cell, "a root list inside a root list")
            else:
                stack.extend((entry, True) for entry in reversed(entries))
        return offsets

    def _entries(self, cell: int) -> tuple[bytes, tuple[int, ...]]:
        if cell in self.lists:
            raise CellError(f"cell 0x{cell:x} is used a second time")
        self.lists.add(cell)
        start, end = self.cells.cell(cell)
        kind = self.cells.data[start : start + 2]
        if kind not in (b"lf", b"lh", b"li", b"ri"):
            raise CellError(f"cell 0x{cell:x} holds no list but {kind.hex()}")
        count = int.from_bytes(self.cells.data[start + 2 : start + 4], "little")
        width = 8 if kind in (b"lf", b"lh") else 4
        if count * width > end - start - 4:
            self.cells.tell(cell, f"{count} entries do not fit into {end - start - 4} bytes")
            count = (end - start - 4) // width
        self.cells.spend(count * width)
        words = struct.unpack_from(f"<{count * width // 4}I", self.cells.data, start + 4)
        return kind, words[:: width // 4]

    def _values(self, raw: _Raw, offset: int, path: str) -> tuple[list[Value], dict[str, int]]:
        count, listed = raw.values
        if not count:
            return [], {}
        values: list[Value] = []
        marks: dict[str, int] = {}
        try:
            offsets = self.cells.offsets(listed, count, "values")
        except CellError as error:
            self.cells.tell(offset, f"values: {error}", path)
            return [], {}
        broken = 0
        for cell in offsets:
            try:
                value, mark = self._value(cell)
            except CellError as error:
                broken += 1
                self.cells.tell(offset, f"a value: {error}", path)
                if broken > _MOST_BROKEN:
                    self.cells.tell(offset, "the rest of its values is left out", path)
                    break
                continue
            values.append(value)
            if mark:
                marks[value.name] = mark
        if len(values) > 1 and len({upper(value.name) for value in values}) < len(values):
            self.cells.tell(offset, "two values have one name", path)
        return values, marks

    def _value(self, offset: int) -> tuple[Value, int]:
        cells = self.cells
        start, end = cells.cell(offset)
        if start + 20 > end:
            raise CellError(f"cell 0x{offset:x} is too small for a value")
        mark, length, size, at, kind, flags, spare = _VK.unpack_from(cells.data, start)
        if mark != b"vk":
            raise CellError(f"cell 0x{offset:x} holds no value but {mark.hex()}")
        narrow = bool(flags & 1)
        name = self._name(offset, (start + 20, end), length, narrow=narrow) if length else ""
        return Value(
            name, kind, self._data(offset, start + 8, size, at)
        ), flags & 0xFFFE | spare << 16

    def _data(self, offset: int, place: int, size: int, at: int) -> bytes:
        if size & 0x80000000:
            size &= 0x7FFFFFFF
            if size > 4:
                self.cells.tell(offset, f"{size} bytes of data in a place for 4")
            return self.cells.data[place : place + min(size, 4)]
        if not size:
            return b""
        if size > BIG and self.cells.minor > 3:
            return self._big(offset, at, size)
        return self._try(offset, at, size, "data")

    def _big(self, offset: int, at: int, size: int) -> bytes:
        """Return data in segments; what is missing of it is told."""
        cells = self.cells
        try:
            start, end = cells.cell(at)
            if cells.data[start : start + 2] != b"db" or start + 8 > end:
                return cells.content(at, size, "data")
            count, listed = struct.unpack_from("<HI", cells.data, start + 2)
            parts: list[bytes] = []
            left = size
            for segment in cells.offsets(listed, count, "segments"):
                parts.append(cells.content(segment, min(left, BIG), "a segment"))
                left -= len(parts[-1])
            if left:
                cells.tell(offset, f"{left} of {size} bytes of data are missing")
            return b"".join(parts)
        except CellError as error:
            cells.tell(offset, f"data of {size} bytes: {error}")
            return b""
