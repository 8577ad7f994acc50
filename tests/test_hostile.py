from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.hostile import csv_safe, defanged, is_unsafe, visible

ACTS = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain text 1.2", "plain text 1.2", id="plain"),
        pytest.param("感染端末 é", "感染端末 é", id="other scripts stay"),
        pytest.param("", "", id="empty"),
        pytest.param("a\x1b[31mb", r"a\u{1b}[31mb", id="ANSI colour"),
        pytest.param("a\x9b31mb", r"a\u{9b}31mb", id="one-byte CSI"),
        pytest.param("a\nb\r\tc\0", r"a\u{a}b\u{d}\u{9}c\u{0}", id="line ends, tab, NUL"),
        pytest.param("a\u2028b\u2029", r"a\u{2028}b\u{2029}", id="Unicode line ends"),
        pytest.param("exe\u202egpj", r"exe\u{202e}gpj", id="right-to-left override"),
        pytest.param(
            "\u2066x\u2069\u200f\u061c", r"\u{2066}x\u{2069}\u{200f}\u{61c}", id="isolates"
        ),
        pytest.param("a\u200bb\ufeff", r"a\u{200b}b\u{feff}", id="zero width"),
        pytest.param("a\U000e0041", r"a\u{e0041}", id="invisible tags"),
        pytest.param("a\udcff", r"a\u{dcff}", id="half of a surrogate pair"),
    ],
)
def test_visible_escapes_what_acts_and_leaves_what_shows(text: str, shown: str) -> None:
    assert visible(text) == shown


@settings(max_examples=50, deadline=None)
@given(ANYTHING, st.integers(1, 80))
def test_nothing_that_acts_survives_visible(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert not [c for c in shown if unicodedata.category(c) in ACTS]
    assert len(shown.splitlines()) <= 1


@settings(max_examples=50, deadline=None)
@given(ANYTHING)
def test_visible_changes_harmless_text_only_by_its_length(text: str) -> None:
    harmless = "".join(c for c in text if not is_unsafe(c))
    assert visible(harmless, 60) == harmless


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_visible_cuts_to_the_limit_and_says_so(limit: int) -> None:
    assert visible("x" * limit, limit) == "x" * limit
    cut = visible("x" * (limit + 1), limit)
    assert len(cut) == limit
    assert cut.endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("http://a.example/x", "hxxp://a.example/x", id="http"),
        pytest.param("HTTPS://a.example", "hxxps://a.example", id="upper case"),
        pytest.param("ftp://a.example", "fxp://a.example", id="ftp"),
        pytest.param("http://a http://b", "hxxp://a hxxp://b", id="two"),
        pytest.param("参照http://a.example", "参照hxxp://a.example", id="no space before it"),
        pytest.param("_http://a.example", "_hxxp://a.example", id="after an underscore"),
        pytest.param("a.example/http", "a.example/http", id="no scheme"),
    ],
)
def test_defanged_breaks_schemes(text: str, shown: str) -> None:
    assert defanged(text) == shown


@settings(max_examples=50, deadline=None)
@given(ANYTHING, st.sampled_from(["http", "https", "HtTp", "ftp", "FTP"]), ANYTHING)
def test_no_live_scheme_survives_defanged(before: str, scheme: str, after: str) -> None:
    shown = defanged(f"{before}{scheme}://{after}").lower()
    assert not any(live in shown for live in ("http://", "https://", "ftp://"))


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_csv_safe_stops_formulas(sign: str) -> None:
    assert csv_safe(f"{sign}cmd|' /C calc'!A0") == f"'{sign}cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a=b", "a=b", id="sign inside"),
        pytest.param("\t=1+1", r"\u{9}=1+1", id="leading tab"),
        pytest.param("\r=1+1", r"\u{d}=1+1", id="leading return"),
        pytest.param("\u200b=1", r"\u{200b}=1", id="hidden before the sign"),
        pytest.param("", "", id="empty"),
    ],
)
def test_csv_safe_leaves_text_that_is_no_formula(text: str, shown: str) -> None:
    assert csv_safe(text) == shown


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["", "=", "+", "-", "@", "\t", "\n"]), ANYTHING)
def test_no_csv_cell_begins_as_a_formula_or_acts(start: str, rest: str) -> None:
    shown = csv_safe(start + rest)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert not [c for c in shown if is_unsafe(c)]
