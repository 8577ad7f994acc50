"""JSON objects one after another: as lines, in an array, or printed over several lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._contract import Reject
from sakimori.readers._jsonl import Lines
from sakimori.readers._source import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.readers._source import Source

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1024 * 1024
# A string, a bracket, or a quote whose string goes on in the next chunk.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|"', re.DOTALL)
_BETWEEN = b" \t\r\n,[]"
_MOST_BRACKETS = 10_000  # of one object; deep nesting makes parsers overflow
_SHOWN = 1000


def first_object(head: bytes) -> dict[str, Any]:
    """Return the first JSON object of a head, or {}; a list's first element counts."""
    data = head.removeprefix(_BOM).lstrip(_BETWEEN)
    if not data.startswith(b"{"):
        return {}
    splitter = _Splitter()
    records = splitter.feed(data)
    try:
        value = json.loads(records[0][0].decode("utf-8", errors="replace")) if records else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def records(source: Source) -> Iterator[tuple[Lines, list[Reject]]]:
    """Give the objects in bounded memory, one a line, and what lies between them and is none.

    A line of `Lines` is numbered by where its object begins.
    """
    if _is_lines(source.head):
        for block in source.blocks(_CHUNK):
            yield _few_brackets(_jsonl.lines_of(block))
        return
    splitter = _Splitter()
    for chunk in source.chunks(_CHUNK):
        yield from _taken(splitter.feed(chunk), splitter)
    splitter.finish()
    yield from _taken([], splitter)


def _is_lines(head: bytes) -> bool:
    """Whether the first line that is not blank is a whole object."""
    line = head.removeprefix(_BOM).lstrip(b" \t\r\n").split(b"\n", 1)[0]
    try:
        return isinstance(json.loads(line.decode("utf-8", errors="replace")), dict)
    except (ValueError, RecursionError):
        return False


def _taken(
    found: Sequence[tuple[bytes, int]], splitter: _Splitter
) -> Iterator[tuple[Lines, list[Reject]]]:
    rejects, splitter.rejects = splitter.rejects, []
    if not found:
        if rejects:
            yield Lines(pa.table({"line": pa.array([], pa.large_string()),
                                  "number": pa.array([], pa.int64())})), rejects  # fmt: skip
        return
    texts = [one.decode("utf-8", errors="replace") for one, _ in found]
    numbers = np.array([number for _, number in found], dtype=np.int64)
    table = pa.table({"line": pa.array(texts, pa.large_string()), "number": numbers})
    lines, deep = _few_brackets(Lines(table))
    yield lines, rejects + deep


def _few_brackets(lines: Lines) -> tuple[Lines, list[Reject]]:
    text = lines.table["line"]
    count = pc.add(pc.count_substring(text, "["), pc.count_substring(text, "{"))
    deep = pc.greater(count, _MOST_BRACKETS)
    if not pc.any(deep).as_py():
        return lines, []
    return lines.where(pc.invert(deep)), lines.refused(deep, "too many brackets in one object")


@dataclass(slots=True)
class _Splitter:
    """Cuts a stream of bytes into its outermost objects."""

    held: bytes = b""
    line: int = 1  # at `counted`
    counted: int = 0  # where in `held` lines are counted up to
    depth: int = 0
    at: int = 0  # where in `held` to go on looking
    begin: int = 0  # where the object that is open began, or what lies between objects
    rejects: list[Reject] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[tuple[bytes, int]]:
        """Return the objects that are whole now, on one line each, with the line they began at."""
        self.held += chunk
        found: list[tuple[bytes, int]] = []
        for token in _TOKEN.finditer(self.held, self.at):
            text = token[0]
            if text == b'"':  # the string goes on
                self.at = token.start()
                break
            self.at = token.end()
            if text[0] in b"{[":
                self._open(text, token.start())
            elif text[0] in b"}]":
                self._close(token.end(), found)
        self._let_go()
        return found

    def finish(self) -> None:
        """Refuse what is left when the stream has ended."""
        rest = self.held.strip(_BETWEEN)
        if rest:
            self._refuse(rest, "this object is not finished" if self.depth else "not a JSON object")
        self.held = b""

    def _open(self, bracket: bytes, start: int) -> None:
        if not self.depth:
            if bracket == b"[":
                return
            self._between(start)
            self.begin = start
        self.depth += 1

    def _close(self, end: int, found: list[tuple[bytes, int]]) -> None:
        if not self.depth:
            return
        self.depth -= 1
        if self.depth:
            return
        whole = self.held[self.begin : end]
        found.append((whole.replace(b"\r", b" ").replace(b"\n", b" "), self._line_at(self.begin)))
        self.begin = end

    def _between(self, start: int) -> None:
        text = self.held[self.begin : start].removeprefix(_BOM).strip(_BETWEEN)
        if text:
            self._refuse(text, "not a JSON object")

    def _refuse(self, text: bytes, reason: str) -> None:
        line = self._line_at(self.begin)
        self.rejects.append(Reject(line, reason, text[:_SHOWN].decode("utf-8", errors="replace")))

    def _line_at(self, offset: int) -> int:
        """Return the line of an offset; asked for in order, so that nothing is counted twice."""
        self.line += self.held.count(b"\n", self.counted, offset)
        self.counted = max(self.counted, offset)
        return self.line

    def _let_go(self) -> None:
        """Forget what is cut; what is longer than any object can be is refused."""
        if len(self.held) - self.begin > LONGEST_LINE:
            self._refuse(self.held[self.begin :], "longer than 64 MiB")
            self.begin, self.depth = len(self.held), 0
            self.at = self.begin
        self._line_at(self.begin)
        self.held = self.held[self.begin :]
        self.at -= self.begin
        self.counted -= self.begin
        self.begin = 0
