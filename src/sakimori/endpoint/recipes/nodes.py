"""YAML as data with places: strict, small, and every value knows its line.

Only plain YAML: no aliases, no tags of one's own, no key twice, at most 256 KiB and 12 levels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 256 * 1024  # bytes
DEEPEST = 12
LONGEST = 4_000  # characters of one text
MOST = 2_000  # entries of one list
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[+-]?[0-9]{1,12}|0x[0-9a-fA-F]{1,16}")


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a recipe with its place. `value` is a text, list of Nodes or dict of Nodes."""

    file: str
    line: int
    tag: str
    value: Any
    where: str = ""  # such as items[2].good

    def wrong(self, message: str, hint: str = "") -> NoReturn:
        """Raise SourceError for this place."""
        told = f"{self.where}: {message}" if self.where else message
        raise SourceError(told, where=f"{self.file}:{self.line}", hint=hint)

    def text(self, *, empty: bool = False) -> str:
        """Return a text. Raises SourceError for anything else, and where empty for an empty one."""
        if self.tag != "str" or not isinstance(self.value, str):
            self.wrong("a text is expected", "put it in quotes" if self.tag != "map" else "")
        if len(self.value) > LONGEST or "\0" in self.value:
            self.wrong(f"longer than {LONGEST:,} characters, or holds a NUL")
        if not self.value.strip() and not empty:
            self.wrong("empty")
        return self.value

    def number(self, low: int, high: int) -> int:
        """Return a whole number in a range."""
        if self.tag != "int" or not _INT.fullmatch(self.value):
            self.wrong("a whole number is expected")
        found = int(self.value, 16 if self.value.startswith("0x") else 10)
        if not low <= found <= high:
            self.wrong(f"{found} is not within {low} to {high}")
        return found

    def flag(self) -> bool:
        """Return true or false."""
        if self.tag != "bool" or self.value.lower() not in ("true", "false"):
            self.wrong("true or false is expected")
        return bool(self.value.lower() == "true")

    def day(self) -> str:
        """Return a date as year-month-day; years and months alone count too."""
        text = self.value if isinstance(self.value, str) else ""
        if not re.fullmatch(r"[12][0-9]{3}(-[01][0-9](-[0-3][0-9])?)?", text):
            self.wrong("a date is expected, such as 2009-12-01")
        return text

    def list(self) -> list[Node]:
        """Return the entries of a list; there must be one."""
        if self.tag != "seq":
            self.wrong("a list is expected")
        if not 0 < len(self.value) <= MOST:
            self.wrong("an empty list" if not self.value else f"more than {MOST:,} entries")
        return list(self.value)

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts; a single text counts as a list of one."""
        if self.tag == "str":
            return (self.text(),)
        return tuple(entry.text() for entry in self.list())

    def choice(self, known: Iterable[str]) -> str:
        """Return one of the known words. Raises SourceError with the nearest one."""
        text, known = self.text(), tuple(known)
        if text not in known:
            self.wrong(f"{text!r} is not known{did_you_mean(text, known)}")
        return text

    def fields(self, known: Iterable[str], needed: Iterable[str] = ()) -> dict[str, Node]:
        """Return a mapping's entries; an unknown or missing key is an error."""
        if self.tag != "map":
            self.wrong("named values are expected, such as `name: value`")
        known = tuple(known)
        for key, node in self.value.items():
            if key not in known:
                node.wrong(f"unknown key{did_you_mean(key, known)}")
        for key in needed:
            if key not in self.value:
                self.wrong(f"{key!r} is missing")
        return dict(self.value)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is not known."""
    known = tuple(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def read(data: bytes, file: str) -> Node:
    """Return the only document of a YAML file. Raises SourceError with `file:line`."""
    import yaml  # noqa: PLC0415 - slow to import

    if len(data) > LARGEST:
        raise SourceError(f"larger than {LARGEST:,} bytes", where=file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError("not UTF-8", where=f"{file}:{line}", hint="save it as UTF-8") from error
    try:
        _check_events(text, file)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SourceError(f"not valid YAML: {error.problem}", where=f"{file}:{line}") from error
    except yaml.reader.ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1  # its position is in bytes
        raise SourceError(f"not valid YAML: {error.reason}", where=f"{file}:{line}") from error
    if root is None:
        raise SourceError("empty", where=file)
    return _node(root, file, "")


def _check_events(text: str, file: str) -> None:
    """Refuse aliases and depth before anything is built from them."""
    import yaml  # noqa: PLC0415 - slow to import

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        where = f"{file}:{event.start_mark.line + 1}" if event.start_mark else file
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SourceError("anchors and aliases (& and *) are not allowed", where=where)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise SourceError(f"nested deeper than {DEEPEST} levels", where=where)


def _node(node: Any, file: str, where: str) -> Node:
    line = node.start_mark.line + 1
    tag = node.tag.removeprefix(_TAG)
    if tag not in ("str", "int", "bool", "null", "timestamp", "float", "map", "seq"):
        Node(file, line, tag, None, where).wrong(f"the tag {node.tag!r} is not allowed")
    if tag == "seq":
        entries = [_node(e, file, f"{where}[{i}]") for i, e in enumerate(node.value, 1)]
        return Node(file, line, tag, entries, where)
    if tag == "map":
        return Node(file, line, tag, _entries(node, file, where), where)
    return Node(file, line, tag, node.value, where)


def _entries(node: Any, file: str, where: str) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key, value in node.value:
        at = Node(file, key.start_mark.line + 1, key.tag.removeprefix(_TAG), key.value, where)
        name = at.text()
        if name in entries:
            at.wrong(f"{name!r} is there twice")
        entries[name] = _node(value, file, f"{where}.{name}" if where else name)
    return entries
