"""STIX patterns to the alternatives that each match alone.

Source: OASIS STIX 2.1, section 9. A small parser of its own: the library's needs ANTLR, and only
the shape "this OR (that AND that)" is of use here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ALTERNATIVES = 10_000
_MOST_TESTS = 100
_DEEPEST = 40
_STRING = r"'(?:[^'\\]|\\.)*'"
_TOKEN = re.compile(
    rf"\s*(?:(?P<path>[A-Za-z][\w-]*:(?:{_STRING}|[\w-]+)(?:\.(?:{_STRING}|[\w-]+)|\[[^\]]*\])*)"
    rf"|(?P<text>[thb]?{_STRING})|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z]+)|(?P<mark>==|!=|<>|<=|>=|[=<>\[\](),]))",
    re.DOTALL,
)
_PART = re.compile(rf"{_STRING}|\[[^\]]*\]|[\w-]+")
_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<>": "!="} | {
    word: word for word in ("<", ">", "<=", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET")
}


class PatternError(ValueError):
    """The pattern is not STIX, or beyond what is read here."""


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison: `object` and the `path` of its property, lower case, quotes removed."""

    object: str
    path: tuple[str, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Tests that must all hold; in how many observations; whether times or repetitions count."""

    tests: tuple[Test, ...]
    observations: int = 1
    qualified: bool = False


Alternatives = list[Alternative]


def alternatives(pattern: str) -> Alternatives:
    """Return the alternatives of a pattern: it matches when any one of them does.

    Raises PatternError for what is not STIX 2, is nested deeper than 40, has more than 10,000
    alternatives or over 100 conditions in one.
    """
    parser = _Parser(_tokens(pattern))
    found = parser.followed()
    parser.expect("")
    return found


def _tokens(pattern: str) -> list[tuple[str, str]]:
    tokens, at, text = [], 0, pattern.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or not found.lastgroup:
            raise PatternError(f"the pattern cannot be read at {text[at : at + 20]!r}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return [*tokens, ("end", "")]


class _Parser:
    """Recursive descent; OR binds loosest, then AND; FOLLOWEDBY between observations."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def take(self, *words: str) -> str:
        kind, text = self.tokens[self.at]
        if kind in ("word", "mark") and text in words:
            self.at += 1
            return text
        return ""

    def expect(self, *words: str) -> None:
        if not self.take(*words) and self.tokens[self.at][1] != words[0]:
            raise PatternError(
                f"the pattern has {self.tokens[self.at][1][:20]!r}, not {words[0]!r}"
            )

    def next(self, *kinds: str) -> str:
        kind, text = self.tokens[self.at]
        if kind not in kinds:
            raise PatternError(f"the pattern has {text[:20]!r} where a {kinds[0]} belongs")
        self.at += 1
        return text

    def followed(self) -> Alternatives:
        found = self.any_of(self.observation, apart=True)
        while self.take("FOLLOWEDBY"):
            found = _both(found, self.any_of(self.observation, apart=True), apart=True)
        return found

    def any_of(self, leaf: Callable[[], Alternatives], *, apart: bool) -> Alternatives:
        found = list(self.all_of(leaf, apart=apart))
        while self.take("OR"):
            found += self.all_of(leaf, apart=apart)
            if len(found) > MOST_ALTERNATIVES:
                raise PatternError(f"the pattern has over {MOST_ALTERNATIVES} alternatives")
        return found

    def all_of(self, leaf: Callable[[], Alternatives], *, apart: bool) -> Alternatives:
        found = leaf()
        while self.take("AND"):
            found = _both(found, leaf(), apart=apart)
        return found

    def nested(self, inner: Callable[[], Alternatives], close: str) -> Alternatives:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise PatternError(f"the pattern is nested deeper than {_DEEPEST}")
        found = inner()
        self.expect(close)
        self.depth -= 1
        return found

    def observation(self) -> Alternatives:
        if self.take("("):
            found = self.nested(self.followed, ")")
        else:
            self.expect("[")
            found = self.nested(lambda: self.any_of(self.comparison, apart=False), "]")
        qualified = False
        while self.take("START", "STOP", "WITHIN", "REPEATS"):
            self.next("text", "number")
            self.take("SECONDS", "TIMES")
            qualified = True
        if not qualified:
            return found
        return [Alternative(one.tests, one.observations, qualified=True) for one in found]

    def comparison(self) -> Alternatives:
        if self.take("("):
            return self.nested(lambda: self.any_of(self.comparison, apart=False), ")")
        exists = bool(self.take("EXISTS"))
        thing, _, rest = self.next("path").partition(":")
        path = tuple(_unquoted(part).lower() for part in _PART.findall(rest))
        if exists:
            return [_single(thing, path, "EXISTS", "")]
        negated = "NOT " if self.take("NOT") else ""
        operator = _OPERATORS.get(self.next("mark", "word"))
        if not operator:
            raise PatternError("the pattern has no comparison after a property")
        if operator == "IN":
            return self.members(thing, path, negated)
        return [_single(thing, path, negated + operator, self.literal())]

    def members(self, thing: str, path: tuple[str, ...], negated: str) -> Alternatives:
        self.expect("(")
        values = [self.literal()]
        while self.take(","):
            values.append(self.literal())
        self.expect(")")
        operator = "NOT IN" if negated else "="
        return [_single(thing, path, operator, value) for value in values]

    def literal(self) -> str:
        return _unquoted(self.next("text", "number", "word"))


def _single(thing: str, path: tuple[str, ...], operator: str, value: str) -> Alternative:
    return Alternative((Test(thing.lower(), path, operator, value),))


def _both(left: Alternatives, right: Alternatives, *, apart: bool) -> Alternatives:
    if len(left) * len(right) > MOST_ALTERNATIVES:
        raise PatternError(f"the pattern has over {MOST_ALTERNATIVES} alternatives")
    if left and right and len(left[0].tests) + len(right[0].tests) > _MOST_TESTS:
        raise PatternError(f"the pattern has over {_MOST_TESTS} conditions that must all hold")
    return [
        Alternative(
            (*a.tests, *b.tests),
            a.observations + b.observations if apart else 1,
            a.qualified or b.qualified,
        )
        for a in left
        for b in right
    ]


def _unquoted(text: str) -> str:
    if not text.endswith("'"):
        return text
    return re.sub(r"\\(.)", r"\1", text[text.index("'") + 1 : -1], flags=re.DOTALL)
