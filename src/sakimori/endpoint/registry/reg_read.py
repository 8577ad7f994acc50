r"""`.reg` files: what regedit exports and imports, versions 4 (REGEDIT4, ANSI) and 5 (UTF-16).

Data is what regedit would write: "text" becomes UTF-16 with its terminator, `hex(n):` exactly the bytes given;
in version 4 `hex(1)`, `hex(2)` and `hex(7)` are in the code page and are widened.
Source: Microsoft, "How to add, modify, or delete registry subkeys and values by using a .reg file" (KB310516).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.found import HiveRead, Problem
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.names import exact, parent, upper
from sakimori.errors import SourceError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 512 * 1024 * 1024
_MOST_TOLD = 500
_DEEPEST = 512  # levels of keys
_HEADS = {"windows registry editor version 5.00": 5, "regedit4": 4}
_NARROW = (1, 2, 7)  # types that version 4 keeps in the code page
_STRING = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_SPACE = re.compile(r"[ \t\r\n\f\v]*")
_LINE = re.compile(r"[^\r\n]*")
_KEY = re.compile(r"\[(-?)([^\r\n]*)\][ \t]*(?:;[^\r\n]*)?(?=[\r\n]|\Z)")
_NAME = re.compile(rf"(?:@|{_STRING})[ \t]*=[ \t]*", re.DOTALL)
_TEXT = re.compile(_STRING, re.DOTALL)
_DWORD = re.compile(r"dword:[ \t]*([0-9a-f]{1,8})(?![0-9a-f])", re.IGNORECASE)
_HEX = re.compile(
    r"hex(?:\(([0-9a-f]{1,8})\))?:((?:[0-9a-f, \t]+|\\[ \t]*(?:;[^\r\n]*)?(?:\r\n|\r|\n))*)",
    re.IGNORECASE,
)
_END = re.compile(r"[ \t]*(?:;[^\r\n]*)?(?=[\r\n]|\Z)")
_BREAK = re.compile(r"\\[ \t]*(?:;[^\r\n]*)?(?:\r\n|\r|\n)")
# cp1252 over Latin-1; the five bytes that it leaves open stay as they are, as in Windows.
_WESTERN = {
    byte: bytes((byte,)).decode("cp1252", "ignore") or chr(byte) for byte in range(128, 160)
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def read_reg(path: Path, *, encoding: str | None = None) -> HiveRead:
    r"""Return what a `.reg` file sets, and in `deleted` what it removes: removals come first.

    Paths are as written (`HKEY_LOCAL_MACHINE\...`), in order of first mention; times and security are None. Lines
    that cannot be understood are told (`path:line`) and skipped. `encoding` is for files
    that say nothing of theirs (version 4, as "cp932"); None: UTF-8 if it fits, else cp1252, and a note
    says so. Raises SourceError where the file cannot be read or is no `.reg` file.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceError("larger than 512 MiB", where=str(path), hint="split the file")
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error
    return parse_reg(raw, str(path), encoding=encoding)


def parse_reg(raw: bytes, where: str, *, encoding: str | None = None) -> HiveRead:
    """Return `read_reg` of a file's bytes; `where` is what errors call it."""
    text, codec, note = _decode(raw, where, encoding)
    head = _LINE.match(text)
    version = _HEADS.get(head[0].strip().lower()) if head else None
    if head is None or version is None:
        first = visible(head[0], 40) if head else ""
        raise SourceError(
            f"no .reg file: it begins with {first!r}", where=f"{where}:1",
            hint='the first line is "Windows Registry Editor Version 5.00" or "REGEDIT4"',
        )  # fmt: skip
    reader = _Reader(text, where, codec if version == 4 else "")
    reader.run(head.end())
    return reader.result(note)


def _decode(raw: bytes, where: str, encoding: str | None) -> tuple[str, str, tuple[str, ...]]:
    """Return text, code page, and a note where the code page was assumed."""
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if raw.startswith(mark):
            return (
                raw[2:].decode(codec, "surrogatepass" if not len(raw) & 1 else "replace"),
                "cp1252",
                (),
            )
    if raw[1:8:2] == b"\0\0\0\0":
        return raw.decode("utf-16-le", "replace"), "cp1252", ("no byte order mark: read as UTF-16",)
    if encoding is not None:
        try:
            return raw.decode(encoding), encoding, ()
        except (LookupError, UnicodeDecodeError) as error:
            raise SourceError(f"not {encoding}: {error}", where=where) from error
    try:
        return raw.decode("utf-8-sig"), "cp1252" if raw.isascii() else "utf-8", ()
    except UnicodeDecodeError:
        pass
    note = "the file does not say its encoding: read as Western (cp1252)"
    return raw.decode("latin-1").translate(_WESTERN), "cp1252", (note,)


@dataclass
class _Reader:
    """Goes through the text once; `line` counts as it goes."""

    text: str
    where: str
    codec: str  # of narrow data; "" in version 5
    line: int = 1
    counted: int = 0
    current: str | None = None
    names: dict[str, str] = field(default_factory=dict)  # exact -> as written
    keys: dict[str, dict[str, tuple[int, Value]]] = field(default_factory=dict)  # with their place
    opened: dict[str, int] = field(default_factory=dict)  # where each key was last named
    removed: dict[str, int] = field(default_factory=dict)  # where each key was last removed
    deleted: dict[tuple[str, str | None], tuple[str, str | None]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def run(self, at: int) -> None:
        end = len(self.text)
        while True:
            at = self._after(_SPACE, at)
            if at >= end or self.text[at] == "\0":
                return
            start = at
            if self.text[at] == ";":
                at = self._after(_LINE, at)
            elif self.text[at] == "[":
                at = self._key(at)
            else:
                at = self._value(at)
            if at < 0:
                self._tell(start, f"not understood: {visible(self._rest(start), 60)!r}")
                at = self._after(_LINE, start)

    def result(self, notes: tuple[str, ...]) -> HiveRead:
        keys = []
        for name, values in self.keys.items():
            gone = self._removed_at(name)
            if self.opened[name] > gone:
                kept = tuple(value for at, value in values.values() if at > gone)
                keys.append(Key(self.names[name], None, None, None, None, None, kept))
        return HiveRead(tuple(keys), tuple(self.problems), notes, tuple(self.deleted.values()))

    def _removed_at(self, name: str) -> int:
        """Return the last place where a key or one above it was removed; -1 for nowhere."""
        last = self.removed.get(name, -1)
        while self.removed and "\\" in name:
            name = parent(name)
            last = max(last, self.removed.get(name, -1))
        return last

    def _after(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self.text, at)
        return found.end() if found else at

    def _rest(self, at: int) -> str:
        found = _LINE.match(self.text, at)
        return found[0] if found else ""

    def _tell(self, at: int, reason: str) -> None:
        if at > self.counted:
            self.line += self.text.count("\n", self.counted, at)
            self.counted = at
        if len(self.problems) < _MOST_TOLD:
            self.problems.append(Problem(f"{self.where}:{self.line}", reason))
        elif len(self.problems) == _MOST_TOLD:
            self.problems.append(Problem(self.where, "more problems than are told"))

    def _key(self, at: int) -> int:
        found = _KEY.match(self.text, at)
        self.current = None
        if found is None or not found[2].strip("\\ \t") or found[2].count("\\") > _DEEPEST:
            return -1
        path = found[2].strip("\\")
        name = exact(path)
        if found[1]:
            self.removed[name] = at
            self.deleted[name, None] = (path, None)
        else:
            self.current = name
            self.opened[name] = at
            self.names.setdefault(name, path)
            self.keys.setdefault(name, {})
        return found.end()

    def _value(self, at: int) -> int:
        named = _NAME.match(self.text, at)
        if named is None:
            return -1
        name = "" if named[1] is None else self._unescape(named[1], at)
        data, end = self._data(named.end(), at)
        closed = _END.match(self.text, end) if end >= 0 else None
        if closed is None:
            return -1
        if self.current is None:
            self._tell(at, f"value {visible(name, 60)!r} stands below no key")
        else:
            self._keep(name, data, at)
        return closed.end()

    def _keep(self, name: str, data: tuple[int, bytes] | None, at: int) -> None:
        key, folded = self.current or "", upper(name)
        if data is None:
            self.keys[key].pop(folded, None)
            self.deleted[key, folded] = (self.names[key], name)
        else:
            self.deleted.pop((key, folded), None)
            self.keys[key][folded] = (at, Value(name, *data))

    def _data(self, at: int, start: int) -> tuple[tuple[int, bytes] | None, int]:
        """Return (type, bytes), None for a removal, and where it ends; -1 when not understood."""
        if self.text[at : at + 1] == "-":
            return None, at + 1
        if found := _TEXT.match(self.text, at):
            text = self._unescape(found[1], start)
            return (1, text.encode("utf-16-le", "surrogatepass") + b"\0\0"), found.end()
        if found := _DWORD.match(self.text, at):
            return (4, int(found[1], 16).to_bytes(4, "little")), found.end()
        if (found := _HEX.match(self.text, at)) is None:
            return None, -1
        kind = int(found[1], 16) if found[1] else 3
        raw = _hex_bytes(found[2])
        if raw is None:
            return None, -1
        if self.codec and kind in _NARROW:
            raw = raw.decode(self.codec, "replace").encode("utf-16-le")
        return (kind, raw), found.end()

    def _unescape(self, text: str, at: int) -> str:
        if "\\" not in text:
            return text
        for found in _ESCAPE.finditer(text):
            if found[1] not in '\\"':
                self._tell(at, f"{visible(found[0])!r} is no escape: kept as written")
                break
        return _ESCAPE.sub(lambda m: m[1] if m[1] in '\\"' else m[0], text)


def _hex_bytes(text: str) -> bytes | None:
    r"""Return the bytes of `01,ab,\<newline> 02`; None where something else stands there."""
    parts = [part.strip(" \t\r\n") for part in _BREAK.sub("", text).split(",")]
    if parts[-1] == "":
        parts.pop()  # one comma too many, or nothing at all
    if not all(0 < len(part) <= 2 for part in parts):
        return None
    try:
        return bytes(int(part, 16) for part in parts)
    except ValueError:
        return None
