from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.recipes.patterns import (
    expression_matches,
    is_wild,
    wrong_expression,
    wrong_glob,
)

GOOD = [
    r"a\.exe",
    r".*\\sdra64\.exe,?",
    r"[A-Z]:\\.+",
    r"(one|two)\.sys",
    r"x{3}",
    r"[^\\]+",
    r"a{2,4}",
]
BAD = [
    r"(a+)+", r"(a|a)*", r"a**", r"a+?", r"(?:a)", r"(?=a)", r"\1", r"\b", r"[a", r"a)", r"(a", r"*a",
    r".*.*.*", r"a?" * 9, "|".join("abcdefghij"), r".*.*(a|b)(a|b)(a|b)(a|b)(a|b)", r"^a", r"a$", "a" * 501,
    r"x{5,}y{1,}z{1,}",
]  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_expressions_of_the_subset_are_taken(pattern: str) -> None:
    assert wrong_expression(pattern) == ""


@pytest.mark.parametrize("pattern", BAD)
def test_expressions_that_could_take_long_are_refused(pattern: str) -> None:
    assert wrong_expression(pattern)


def test_the_whole_text_must_match_without_regard_to_case() -> None:
    assert expression_matches(r".*\\BAD\.exe", r"C:\x\bad.EXE")
    assert not expression_matches("bad", "xbad")
    assert not expression_matches(".*", "a" * 2049), "a very long text never matches"


_PIECES = st.sampled_from(
    ["a", ".", r"\\", "[ab]", "[^x]", "*", "+", "?", "{1,9}", "(", ")", "|", r"\d"]
)


@settings(max_examples=25)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_what_is_taken_compiles_and_ends_soon(pattern: str) -> None:
    if wrong_expression(pattern):
        return
    re.compile(pattern)
    began = time.process_time()
    expression_matches(pattern, "a" * 400 + "\\")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/opt/bad-*", True),
        ("/opt/?????/n", True),
        ("/opt/[ab][cd][ef]*", True),
        ("/opt/plain", True),
        ("/opt/*", False),
        ("/opt/[a-z]*", False),
        ("/bad*/x", False),
        ("/opt/bad*/x*y", False),
    ],
)
def test_globs_must_fix_enough(path: str, right: bool) -> None:
    assert (wrong_glob([part for part in path.split("/") if part]) == "") is right
    assert is_wild(path) is (path != "/opt/plain")
