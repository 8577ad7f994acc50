from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.hostile import is_unsafe
from sakimori.i18n import Translator


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("x", "x", id="text"),
        pytest.param(None, "-", id="nothing"),
        pytest.param(12_345, "12,345", id="whole number"),
        pytest.param(0.12345, "0.123", id="small number"),
        pytest.param(12_345.6, "12,346", id="large number"),
        pytest.param(True, "True", id="flag"),
        pytest.param("a\x1b[0m\u202e", r"a\u{1b}[0m\u{202e}", id="hostile"),
        pytest.param("{other}", "{other}", id="a place is not filled twice"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_place_shows_its_value(lang: str, value: Any, shown: str) -> None:
    assert Translator(lang).tr("<{thing}>", thing=value, other="no") == f"<{shown}>"


def test_a_place_without_a_value_shows_a_dash() -> None:
    assert Translator("en").tr("{a} and {b}", a="x") == "x and -"


def test_a_message_without_translation_shows_the_english() -> None:
    assert Translator("ja").tr("no such message {n}", n=1) == "no such message 1"


def test_a_language_without_a_catalogue_shows_the_english() -> None:
    assert Translator("xx").tr("infected") == "infected"


def test_a_translated_message_is_in_the_language() -> None:
    message = "{infected} infected, {suspected} suspected, {clean} clean hosts"
    told = Translator("ja").tr(message, infected=3, suspected=2, clean=1)
    assert told != Translator("en").tr(message, infected=3, suspected=2, clean=1)
    assert all(number in told for number in "321")


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_no_value_acts_in_a_message(value: str) -> None:
    assert not [c for c in Translator("en").tr("<{v}>", v=value) if is_unsafe(c)]
