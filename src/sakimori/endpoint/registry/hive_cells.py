"""The bytes of a hive, opened cell by cell: every offset, size and count in them may be a lie.

Nothing here trusts a number before comparing it with what is there. What cannot be is told and left out;
the work and memory of a reading are bounded by the size of the file.
Source of the format: M. Suhanov, "Windows registry file format specification".
"""

from __future__ import annotations

import struct

from sakimori.endpoint.registry.found import Problem
from sakimori.errors import SourceError

NONE = 0xFFFFFFFF
BASE = 4096  # bytes before the first cell can lie
_MOST_TOLD = 500
_I = struct.Struct("<i")


class CellError(Exception):
    """A cell that cannot be read; the text says why."""


class Cells:
    """A hive's bytes with a purse: reading the same bytes over and over through many cells ends."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.problems: list[Problem] = []
        self._purse = len(data) + 65536
        self.minor = int.from_bytes(data[24:28], "little")
        self.root = int.from_bytes(data[36:40], "little")
        self.end = self._check_size()

    def tell(self, cell: int | None, reason: str) -> None:
        """Add a problem; after 500 only that there are more."""
        if len(self.problems) < _MOST_TOLD:
            where = self.where if cell is None else f"{self.where}: cell 0x{cell:x}"
            self.problems.append(Problem(where, reason))
        elif len(self.problems) == _MOST_TOLD:
            self.problems.append(Problem(self.where, "more problems than are told"))

    def spend(self, size: int) -> None:
        """Take from the purse. Raises CellError when cells overlap so much that it is empty."""
        if size > self._purse:
            raise CellError("cells overlap: they claim more bytes than the hive has")
        self._purse -= size

    def cell(self, offset: int) -> tuple[int, int]:
        """Return where a cell's content begins and ends in the data.

        Raises CellError. A cell that runs past the end is told and cut; one that is marked free is told.
        """
        at = offset + BASE
        if offset < 32 or offset & 7 or at + 8 > self.end:
            raise CellError(f"0x{offset:x} is no place for a cell")
        size = -_I.unpack_from(self.data, at)[0]
        if size < 0:
            self.tell(offset, "in use, but marked as free")
            size = -size
        if size < 8:
            raise CellError(f"cell 0x{offset:x} has {size} bytes")
        if at + size > self.end:
            self.tell(offset, f"{at + size - self.end} bytes of the cell lie past the end")
            size = self.end - at
        return at + 4, at + size

    def content(self, offset: int, size: int, what: str) -> bytes:
        """Return `size` bytes of a cell, fewer where it has fewer, which is told. Raises CellError."""
        start, end = self.cell(offset)
        if start + size > end:
            self.tell(offset, f"{what}: {size} bytes wanted, {end - start} are there")
            size = end - start
        self.spend(size)
        return self.data[start : start + size]

    def offsets(self, offset: int, count: int, what: str) -> tuple[int, ...]:
        """Return a list of cell offsets, cut to what its cell holds. Raises CellError."""
        start, end = self.cell(offset)
        held = (end - start) // 4
        if count > held:
            self.tell(offset, f"{what}: {count} entries wanted, {held} are there")
            count = held
        self.spend(4 * count)
        return struct.unpack_from(f"<{count}I", self.data, start)

    def _check_size(self) -> int:
        said, there = int.from_bytes(self.data[40:44], "little"), len(self.data) - BASE
        if said > there:
            self.tell(None, f"truncated: {said} bytes of bins wanted, {there} are there")
            return len(self.data)
        if said < 4096:
            self.tell(None, f"{said} bytes of bins cannot be right")
            return len(self.data)
        return BASE + said

    def check_bins(self) -> None:
        """Tell of hive bins that are not where they should be; reading goes on."""
        at = BASE
        while at + 32 <= self.end:
            mark, offset, size = struct.unpack_from("<4sII", self.data, at)
            if mark != b"hbin" or offset != at - BASE or size < 4096 or size & 4095:
                self.tell(at - BASE, "no hive bin begins where one should")
                return
            at += size


def check_base(data: bytes, where: str) -> None:
    """Raise SourceError where the bytes are no primary hive file that can be read."""
    if data[:4] != b"regf" and b"hbin" in data[: 2 * BASE]:
        raise SourceError(
            "a fragment of a hive, no whole one: bins without the base block before them",
            where=where,
        )
    if data[:4] != b"regf":
        raise SourceError(
            f"no registry hive: it begins with {data[:4].hex() or 'nothing'}",
            where=where, hint="give a hive file (regf) or a .reg export",
        )  # fmt: skip
    if len(data) < BASE + 64:
        raise SourceError(f"a hive of {len(data)} bytes is too short", where=where)
    major, minor, kind, layout = struct.unpack_from("<4I", data, 20)
    if kind in (1, 2, 6):
        raise SourceError("a transaction log, not the hive that it belongs to", where=where)
    if major != 1 or minor < 2 or minor > 6:
        raise SourceError(f"hive format {major}.{minor} is not read", where=where)
    if kind or layout != 1:
        raise SourceError(f"file type {kind}, layout {layout}: no hive that is read", where=where)
