"""YARA source cut by what a file must begin with, so that each file meets only rules that can match.

More than half of a usual rule set asks `uint16(0) == 0x5a4d and ...`: such a rule cannot match
a text file, yet its patterns are searched and its condition is run. Here such rules go into a set of
their own, which only files with such a beginning are scanned with. A rule whose condition is not
understood goes into the set for all files, so that a cut never loses a match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = frozenset({b"MZ"})
Heads = frozenset[bytes]  # the first two bytes that a file may have; None: any

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/)
      |(?P<text>"[^"\\\n]*(?:\\.[^"\\\n]*)*")
      |(?P<hex>\{[0-9A-Fa-f?~\s\[\]()|-]+\})
      |(?P<regex>/(?![*/])[^/\\\n]*(?:\\.[^/\\\n]*)*/[is]*)
      |(?P<word>[$#@!]?[A-Za-z_][A-Za-z0-9_]*\*?|[$#@!]\*?)
      |(?P<number>0x[0-9a-fA-F]+|0o[0-7]+|[0-9]+(?:KB|MB)?)
      |(?P<other>==|!=|<=|>=|<<|>>|\.\.|.)""",
    re.VERBOSE | re.DOTALL,
)
_IMPORT = re.compile(r'^[ \t]*import[ \t]+"(\w+)"', re.MULTILINE)
_UINT = re.compile(r"uint(8|16|32)(be)?")


class Token(NamedTuple):
    """A piece of source with its place; `kind` is text, hex, regex, word, number or other."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one rule stands in its source, and its condition's tokens."""

    name: str
    start: int
    end: int
    is_global: bool
    condition: tuple[Token, ...]


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of YARA source without spaces and comments."""
    for found in _TOKEN.finditer(source):
        if found.lastgroup and found.lastgroup != "skip":
            yield Token(found.lastgroup, found[0], found.start(), found.end())


def rules_of(source: str) -> list[Rule] | None:
    """Return the rules of a source; None where its shape is not understood."""
    stream = list(tokens(source))
    rules: list[Rule] = []
    at = 0
    while at < len(stream):
        token = stream[at]
        if token.text == "import":
            at += 2
        elif token.text in ("rule", "private", "global"):
            rule, at = _rule(stream, at)
            if rule is None:
                return None
            rules.append(rule)
        else:  # an include, or something newer than this
            return None
    return rules


def _rule(stream: list[Token], at: int) -> tuple[Rule | None, int]:
    start, is_global = at, False
    while at < len(stream) and stream[at].text in ("private", "global"):
        is_global |= stream[at].text == "global"
        at += 1
    if at + 2 >= len(stream) or stream[at].text != "rule":
        return None, at
    name = stream[at + 1].text
    opened = _next(stream, at, "{")
    condition = _condition(stream, opened + 1)
    closed = _next(stream, condition, "}")
    if closed >= len(stream):
        return None, closed
    inside = tuple(stream[condition:closed])
    return Rule(name, stream[start].start, stream[closed].end, is_global, inside), closed + 1


def _next(stream: list[Token], at: int, text: str) -> int:
    while at < len(stream) and stream[at].text != text:
        at += 1
    return at


def _condition(stream: list[Token], at: int) -> int:
    """Return where the tokens after `condition:` begin."""
    while at + 1 < len(stream):
        if stream[at].text == "condition" and stream[at + 1].text == ":":
            return at + 2
        at += 1
    return len(stream)


def heads_of(condition: tuple[Token, ...]) -> Heads | None:
    """Return the first two bytes that a file must have for the condition to be true; None: any.

    Follows `and`, `or` and brackets at the top; whatever else there is counts as "may be true".
    """
    for word, joined in (("or", _either), ("and", _both)):
        parts = _parts(condition, word)
        if len(parts) > 1:
            return joined([heads_of(part) for part in parts])
    if condition and condition[0].text == "(" and _closes(condition) == len(condition) - 1:
        return heads_of(condition[1:-1])
    return _atom(condition)


def _either(parts: list[Heads | None]) -> Heads | None:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _both(parts: list[Heads | None]) -> Heads | None:
    known = [part for part in parts if part is not None]
    return frozenset.intersection(*known) if known else None


def _parts(condition: tuple[Token, ...], word: str) -> list[tuple[Token, ...]]:
    parts, depth, begin = [], 0, 0
    for at, token in enumerate(condition):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0 and token.kind == "word" and token.text == word:
            parts.append(condition[begin:at])
            begin = at + 1
    return [*parts, condition[begin:]]


def _closes(condition: tuple[Token, ...]) -> int:
    depth = 0
    for at, token in enumerate(condition):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return at
    return -1


# What is undefined, and so false, for a file that does not begin with MZ: fields of the module pe,
# whatever they are compared with, and some of its functions. `pe.imports(..) == 0` is true for such
# files, which is why a call is taken for false only where it stands alone.
_PE = re.compile(
    r"pe \. (?!is_pe\b)\w+ (?!\()(?!.* [!=]= pe \.)"
    r"|pe \. imphash \( \) =="
    r"|pe \. (?:is_32bit|is_64bit|is_dll) \( \)$"
    r"|pe \. (?:exports|imports) \( [^()]* \)$"
    r"|for (?:any|all) \w+ in \( [01] \.\. pe \. number_of_\w+ (?:- 1 )?\) :"
    r"|for any \w+ in pe \. \w+ :"
)


def _atom(condition: tuple[Token, ...]) -> Heads | None:
    """Read `uint16(0) == 0x5a4d` and its like; None for anything else."""
    texts = [token.text for token in condition]
    if texts == ["pe", ".", "is_pe"] or _PE.match(" ".join(texts[:40])):
        return PROGRAM
    if len(texts) != 6 or "==" not in texts:
        return None
    if texts[1] == "==":
        texts = [*texts[2:], "==", texts[0]]
    kind = _UINT.fullmatch(texts[0])
    if kind is None or texts[1:5] not in (["(", "0", ")", "=="], ["(", "0x0", ")", "=="]):
        return None
    return _bytes(int(kind[1]) // 8, bool(kind[2]), texts[5])


def _bytes(size: int, big: bool, number: str) -> Heads | None:
    if size < 2 or not re.fullmatch(r"0x[0-9a-fA-F]+|[1-9][0-9]*|0", number):
        return None
    value = int(number, 0)
    if value >= 1 << (8 * size):
        return None
    return frozenset({value.to_bytes(size, "big" if big else "little")[:2]})


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a source's rules. `words` are the names that their conditions use."""

    heads: Heads | None
    text: str
    words: frozenset[str]


def split(source: str) -> list[Part]:
    """Return a source as one per kind of beginning: "MZ", other known ones, and any.

    Lines stay where they are: rules that are elsewhere are blanked, and so are imports that a part
    does not use, for a module is run over every file. A source with global rules, with rules that
    name each other, or of unknown shape stays whole.
    """
    rules = rules_of(source)
    if not rules or any(rule.is_global for rule in rules) or _refer(rules):
        return [Part(None, source, _words(tuple(tokens(source))))]
    known = {rule.name: heads_of(rule.condition) for rule in rules}
    if len(known) < len(rules):  # two rules of one name: the compiler says so best
        return [Part(None, source, _words(tuple(tokens(source))))]
    parts = []
    for kind in ("any", "program", "other"):
        kept = [rule for rule in rules if _kind(known[rule.name]) == kind]
        if kept:
            heads = frozenset().union(*(known[rule.name] or frozenset() for rule in kept))
            gone = [rule for rule in rules if _kind(known[rule.name]) != kind]
            words = frozenset().union(*(_words(rule.condition) for rule in kept))
            text = _needed(_without(source, gone), words)
            parts.append(Part(None if kind == "any" else heads, text, words))
    return parts


def _words(condition: tuple[Token, ...]) -> frozenset[str]:
    """Return the names in a condition, but for fields of modules."""
    before = (None, *condition)
    return frozenset(
        token.text
        for token, last in zip(condition, before, strict=False)
        if token.kind == "word" and (last is None or last.text != ".")
    )


def _needed(source: str, words: frozenset[str]) -> str:
    return _IMPORT.sub(lambda m: m[0] if m[1] in words else " " * len(m[0]), source)


def _kind(heads: Heads | None) -> str:
    if heads is None:
        return "any"
    return "program" if heads == PROGRAM else "other"


def _refer(rules: list[Rule]) -> bool:
    names = {rule.name for rule in rules}
    for rule in rules:
        for token in rule.condition:
            plain = token.text.removesuffix("*")
            if token.kind == "word" and (
                plain in names or (token.text != plain and not token.text.startswith("$"))
            ):
                return True
    return False


def _without(source: str, gone: list[Rule]) -> str:
    pieces, at = [], 0
    for rule in gone:
        pieces += [source[at : rule.start], "\n" * source.count("\n", rule.start, rule.end)]
        at = rule.end
    return "".join([*pieces, source[at:]])
