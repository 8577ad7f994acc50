from __future__ import annotations

import string
from random import Random

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.detectors._names import CAP, ORDINARY, excess, letters_of, made_up

WORDS = {
    "english": ["network", "account", "market", "weather", "travel", "hospital", "kitchen", "history"],
    "spanish": ["mercado", "viajes", "cocina", "historia", "escuela", "trabajo", "noticias"],
    "german": ["wetterdienst", "krankenhaus", "nachrichten", "einkaufen", "zahnarzt", "gartenbau"],
    "french": ["voyage", "cuisine", "actualites", "hopital", "boulangerie", "fromage"],
    "japanese": ["tanaka", "kawasaki", "yamaha", "nihonbashi", "hiroshima", "suzuki", "shinbun"],
    "chinese": ["zhongguo", "shanghai", "beijing", "guangzhou", "wangzhan", "yinhang"],
    "polish": ["szkola", "wiadomosci", "przychodnia", "samochody", "sprzedaz"],
}  # fmt: skip


def random_labels(alphabet: str, length: int, count: int = 300) -> list[str | None]:
    rnd = Random(7)
    return ["".join(rnd.choices(alphabet, k=length)) for _ in range(count)]


RANDOM = {
    "letters": random_labels(string.ascii_lowercase, 12),
    "letters-and-digits": random_labels(string.ascii_lowercase + string.digits, 16),
    "half-the-letters": random_labels(string.ascii_lowercase[::2], 16),
}


@pytest.mark.parametrize("labels", RANDOM.values(), ids=RANDOM)
def test_random_letters_are_made_up(labels: list[str | None]) -> None:
    found = excess(labels)
    assert np.median(found) > 18
    assert (found > 10).mean() > 0.9


@pytest.mark.parametrize("language", WORDS)
def test_words_of_any_language_are_not(language: str) -> None:
    found = excess([*WORDS[language]])
    assert found.mean() < 4
    assert found.max() < 12


@pytest.mark.parametrize("language", WORDS)
def test_two_words_joined_are_not(language: str) -> None:
    rnd = Random(3)
    words = WORDS[language]
    joined = excess([rnd.choice(words) + rnd.choice(words) for _ in range(200)])
    assert joined.mean() < 6
    assert (joined < np.median(excess(RANDOM["letters"]))).mean() > 0.98


def test_longer_random_names_are_more_plainly_made_up() -> None:
    short, long = (excess(random_labels(string.ascii_lowercase, k)).mean() for k in (8, 16))
    assert long > 1.7 * short


def test_a_syllable_machine_is_told_from_words_by_many_names_only() -> None:
    rnd = Random(9)
    names: list[str | None] = [
        "".join(rnd.choice("bcdfghjklmnpqrstvwxz") + rnd.choice("aeiouy") for _ in range(4))
        for _ in range(300)
    ]
    found = excess(names)
    assert found.mean() > 7
    assert (found > 14).mean() < 0.5


@pytest.mark.parametrize(
    ("label", "letters"),
    [
        ("cdn77", "cdn"),
        ("2024-web", "web"),
        ("web-", "web"),
        ("w3schools24", "w0schools"),
        ("a1b22c333", "a0b0c"),
        ("a-b", "a-b"),
        ("12345", ""),
        ("xn--abcdefgh", ""),
        ("Printer", "printer"),
        ("", ""),
        (None, ""),
    ],
)
def test_numbers_count_once_and_not_at_the_ends(label: str | None, letters: str) -> None:
    assert letters_of(label) == letters
    assert excess([label]) == excess([letters])


def test_nothing_is_not_made_up() -> None:
    assert excess([None, "", "2024", "xn--abcdefgh"]).tolist() == [0, 0, 0, 0]
    assert excess([]).shape == (0,)


def test_a_hyphen_ends_a_word() -> None:
    apart, joined = excess(["market-kitchen", "marketqkitchen"])
    assert apart < joined


def test_only_as_much_as_a_label_holds_is_looked_at() -> None:
    assert excess(["a" * 63]) == excess(["a" * 63 + "q" * 500])


def test_each_label_is_judged_alone() -> None:
    labels = ["printer", "", "xkqzvw", None, "garden"]
    assert excess(labels) == pytest.approx([excess([label])[0] for label in labels])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.text(max_size=100), max_size=20))
@example(["\x00", "\ud800", "日本", "\U0001f600", "é" * 200, "-" * 63, "0" * 63])
def test_any_text_has_a_finite_excess_within_bounds(labels: list[str | None]) -> None:
    found = excess(labels)
    assert found.shape == (len(labels),)
    for label, one in zip(labels, found, strict=True):
        size = len(letters_of(label))
        assert -ORDINARY * size <= one <= CAP * (size + 1) - ORDINARY * size


def test_the_engine_sees_the_same() -> None:
    labels = ["printer", "xkqzvwpj", "", None, "日本"]
    table = ibis.memtable(pa.table({"label": pa.array(labels, pa.string())}))
    rows = table.mutate(nats=made_up(table.label)).to_pyarrow().to_pylist()
    found = {row["label"]: row["nats"] for row in rows}
    assert found[None] is None
    for label in ("printer", "xkqzvwpj", "日本", ""):
        assert found[label] == pytest.approx(excess([label])[0])
