"""Plain lists: one indicator a line, hosts files, block lists with remarks.

Remarks begin with `#`, `;` or `//`. A remark of one word, or of two with capitals, is taken as
the family's name. A hosts file points bad names at 0.0.0.0, 127.0.0.1, :: or ::1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.intel import _fields, _open, _values
from sakimori.intel._contract import Indicator, Options, Reject
from sakimori.intel._values import Refusal, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "plain"
TITLE = "Plain lists and hosts files"

_REMARK = re.compile(r"(?:^|\s)(?:[#;]|//)")
_TIGHT_REMARK = re.compile(r"[#;]")  # where no URL can hold the sign
_FAMILY = re.compile(r"[A-Za-z][\w.+-]{2,39}|[A-Z][\w+-]{1,29} [A-Z][\w+-]{1,29}")
_NO_FAMILY = re.compile(  # remarks that say what is wrong, not whose it is
    r"c2|cnc|bots?|botnet|malware|phish(ing)?|spam|scam|ads|trackers?|sinkholed?|bad|evil|block(ed)?"
    r"|blocklist|blacklist|listed|online|offline|active|inactive|new|test|todo",
    re.IGNORECASE,
)
_SINKS = frozenset(("0.0.0.0", "127.0.0.1", "::", "::1"))  # noqa: S104 - written in hosts files
_HOSTS_OWN = re.compile(r"localhost.*|local|broadcasthost|ip6-.*|0\.0\.0\.0", re.IGNORECASE)
_SAMPLE = 200


def recognises(head: bytes) -> bool:
    """Whether at least half of the first lines hold an indicator, or all are remarks."""
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    lines = _open.text_of(head).split("\n")
    if len(head) >= _open.HEAD_BYTES:
        del lines[-1:]  # it may be cut
    lines = [line.strip() for line in lines if line.strip()]
    data = [line for line in lines if not _is_remark(line)][:_SAMPLE]
    good = sum(_looks_right(line) for line in data)
    return bool(lines) and good * 2 >= len(data)


def _looks_right(line: str) -> bool:
    found = [value for value, _ in _cut(line)]
    return all(isinstance(value, Value) or value.known for value in found)


def read(path: Path, options: Options) -> Iterator[Indicator | Reject]:
    """Read one list. Raises SourceError when the file cannot be read."""
    del options  # what a list leaves open is filled by `load`
    number = 0
    try:
        for number, line in _open.lines(path):
            text = line.strip()
            if not text or _is_remark(text):
                continue
            words = text.split(maxsplit=2)
            if len(words) == 1 or (len(words) == 2 and words[0] in _SINKS):  # most lines
                kind = "name" if len(words) == 2 else None
                value = _values.normalise(kind, words[-1])
                if isinstance(value, Value):
                    yield Indicator(value.kind, value.value, value.port)
                    continue
            yield from _remarked(number, text)
    except _open.DamagedError as error:
        yield Reject(number + 1, str(error))


def _is_remark(text: str) -> bool:
    return text[0] in "#;/" and (text[0] != "/" or text.startswith("//"))


def _remarked(number: int, text: str) -> Iterator[Indicator | Reject]:
    for value, remark in _cut(text):
        if isinstance(value, Refusal):
            yield Reject(number, value.reason, text)
        else:
            family = remark if remark and _is_family(remark) else None
            yield Indicator(value.kind, value.value, value.port, family=family, label=remark)


def _is_family(remark: str) -> bool:
    named = _fields.family(remark) and _FAMILY.fullmatch(remark)
    return bool(named) and not _NO_FAMILY.fullmatch(remark)


def _cut(line: str) -> Iterator[tuple[Value | Refusal, str | None]]:
    """Give the line's indicators, each with the line's remark."""
    sign = _REMARK.search(line)
    if not sign and "://" not in _values.refang(line):
        sign = _TIGHT_REMARK.search(line)
    text, remark = (line[: sign.start()], line[sign.end() :]) if sign else (line, "")
    label = _fields.said(remark.strip("#;/ \t"))
    words = _values.refang(text).split()
    if not words:
        return
    if len(words) > 1 and words[0] in _SINKS:
        for name in words[1:]:
            if not _HOSTS_OWN.fullmatch(name):
                yield _values.normalise("name", name), label
    elif len(words) == 2 and words[1].isdecimal() and ":" not in words[0]:
        yield _values.normalise("host", f"{words[0]}:{words[1]}"), label
    elif len(words) > 1 and "://" not in words[0]:
        yield Refusal("a list has one indicator a line; remarks begin with #"), label
    else:
        yield _values.normalise(None, " ".join(words)), label
