from __future__ import annotations

import string
from random import Random

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.detectors._names import oddness, surprise

WORDS = [
    "network", "account", "market", "service", "weather", "travel", "school", "hospital",
    "kitchen", "garden", "history", "science", "animal", "picture", "morning", "holiday",
    "company", "printer", "security", "support", "student", "teacher", "library", "football",
    "computer", "insurance", "president", "government", "university", "education",
]  # fmt: skip
JAPANESE = ["tanaka", "kawasaki", "yamaha", "nihonbashi", "hiroshima", "toyota", "suzuki", "nagoya"]


def made_up(alphabet: str, length: int, count: int = 300) -> list[str]:
    rnd = Random(7)
    return ["".join(rnd.choices(alphabet, k=length)) for _ in range(count)]


RANDOM = {
    "letters": made_up(string.ascii_lowercase, 12),
    "letters-and-digits": made_up(string.ascii_lowercase + string.digits, 14),
    "hexadecimal": made_up("0123456789abcdef", 16),
}


@pytest.mark.parametrize("labels", RANDOM.values(), ids=RANDOM)
@pytest.mark.parametrize("words", [WORDS, JAPANESE], ids=["english", "japanese"])
def test_words_surprise_less_than_made_up_names(words: list[str], labels: list[str]) -> None:
    of_words, of_made_up = surprise(list(words)), surprise(list(labels))
    assert of_words.max() < np.median(of_made_up)
    ahead = of_words[:, None] < of_made_up[None, :]
    assert ahead.mean() > 0.95


def test_two_words_joined_surprise_less_than_made_up_names() -> None:
    rnd = Random(3)
    joined = [rnd.choice(WORDS) + rnd.choice(WORDS) for _ in range(200)]
    ahead = surprise(joined)[:, None] < surprise(RANDOM["letters"])[None, :]
    assert ahead.mean() > 0.95


def test_nothing_has_no_surprise() -> None:
    assert np.isnan(surprise([None, ""])).all()
    assert surprise([]).shape == (0,)


def test_case_does_not_matter() -> None:
    assert surprise(["Printer"]) == surprise(["printer"])


def test_only_as_much_as_a_label_holds_is_looked_at() -> None:
    assert surprise(["a" * 63]) == surprise(["a" * 63 + "q" * 500])


def test_each_label_is_judged_alone() -> None:
    together = surprise(["printer", "", "xkqzvw", None, "garden"])
    alone = [surprise([label])[0] for label in ("printer", "", "xkqzvw", None, "garden")]
    assert together == pytest.approx(alone, nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.text(max_size=100), max_size=20))
@example(["\x00", "\ud800", "日本", "\U0001f600", "é" * 200])
def test_any_text_has_a_finite_surprise(labels: list[str | None]) -> None:
    found = surprise(labels)
    assert found.shape == (len(labels),)
    for label, one in zip(labels, found, strict=True):
        assert np.isnan(one) if not label else one > 0


def test_the_engine_sees_the_same() -> None:
    labels = ["printer", "xkqzvwpj", "", None, "日本"]
    table = ibis.memtable(pa.table({"label": pa.array(labels, pa.string())}))
    rows = table.mutate(odd=oddness(table.label)).to_pyarrow().to_pylist()
    found = {row["label"]: row["odd"] for row in rows}
    assert found[None] is None
    assert np.isnan(found[""])
    for label in ("printer", "xkqzvwpj", "日本"):
        assert found[label] == pytest.approx(surprise([label])[0])
