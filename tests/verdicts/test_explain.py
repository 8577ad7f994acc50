from __future__ import annotations

import math
import re
import string
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import load_all
from sakimori.i18n import Translator
from sakimori.verdicts import explain as telling
from sakimori.verdicts.explain import explain, sentence
from sakimori.verdicts.judge import judge_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.verdicts.explain import Explanation

LANGS = ["en", "ja"]
DETECTORS = load_all()
HOSTILE = "evil\x1b[2J\x07.exa\u202emple\n\u200bx"
VALUES = {
    "string": st.text(max_size=30) | st.sampled_from(sorted(telling.WORDS)),
    "float64": st.sampled_from([math.inf, math.nan, 1e300]) | st.floats() | st.integers(-5, 5),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "array<string>": st.lists(st.text(max_size=30), max_size=12),
    "timestamp('UTC', 6)": st.just("2026-03-01T09:00:00+00:00"),
}


@st.composite
def a_finding(draw: Any, finding: Any, names: Any) -> Any:
    """Any finding of a detector: details of the declared types, null, or left out."""
    name = draw(names)
    declared = DETECTORS[name].DETAILS if name in DETECTORS else {"x_s": "float64"}
    optional = {key: st.none() | VALUES[kind] for key, kind in declared.items()}
    details = draw(st.fixed_dictionaries({}, optional=optional))
    return finding(
        name,
        peer=draw(st.none() | st.text(max_size=30)),
        peer_port=draw(st.none() | st.integers(-1, 70_000)),
        score=draw(st.floats(0, 1)),
        count=draw(st.integers(0, 2**63 - 1)),
        **details,
    )


def texts(told: Explanation) -> Iterator[str]:
    yield from (told.sentence, told.sum, *told.steps, *(text for _, text in told.timeline))
    for point in told.points:
        yield from (point.says, point.weighs, point.innocent, point.aside, point.next)


def is_plain(text: str) -> bool:
    """Whether nothing in the text does something instead of showing something."""
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in text)


@pytest.mark.parametrize("lang", LANGS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_findings_of_any_detector_can_be_told(
    finding: Any, is_inside: Any, data: st.DataObject, lang: str
) -> None:
    names = st.sampled_from([*DETECTORS, "a-plugin-that-is-gone"])
    findings = data.draw(st.lists(a_finding(finding, names), min_size=1, max_size=4))
    (host,) = judge_hosts(findings, is_inside)
    told = explain(host, lang)
    assert len(told.points) == len(findings)
    assert all(text and is_plain(text) for text in texts(told))
    assert [t for t, _ in told.timeline] == sorted(t for t, _ in told.timeline)


@pytest.fixture(scope="session")
def full(finding: Any) -> Any:
    """`full("beacon")`: a finding with every detail it can have."""
    examples = {
        "string": "outbound", "float64": 0.5, "int64": 3, "int32": 3, "boolean": True,
        "array<string>": ["a.example"], "timestamp('UTC', 6)": "2026-03-01T09:00:00+00:00",
    }  # fmt: skip

    def of(name: str, **columns: Any) -> Any:
        details = {key: examples[kind] for key, kind in DETECTORS[name].DETAILS.items()}
        return finding(name, **{**details, **columns})

    return of


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", DETECTORS)
def test_no_place_in_a_sentence_stays_open(full: Any, is_inside: Any, name: str, lang: str) -> None:
    (host,) = judge_hosts([full(name)], is_inside)
    told = explain(host, lang)
    for text in texts(told):
        assert not re.search(r"[{}]", text)
    point = told.points[0]
    assert point.says == sentence(full(name), lang)
    for text in (point.says, point.innocent, point.aside, point.next):
        assert not re.search(r"(^| )-([ ,.;)]|$)", text)  # a dash stands for a missing value


PARTS = ("SAYS", "INNOCENT", "ASIDE", "NEXT")
MESSAGES = [
    *(getattr(d, part) for d in DETECTORS.values() for part in PARTS),
    *(m for d in DETECTORS.values() for p in PARTS for m in getattr(d, f"{p}_IF", {}).values()),
    *telling.VERDICTS.values(),
    *telling.WORDS.values(),
    *telling.REASONS.values(),
    *(step for steps in telling.FIRST_STEPS.values() for step in steps),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m[:40])
def test_japanese_says_the_same_with_the_same_values(message: str) -> None:
    places = {name for _, name, _, _ in string.Formatter().parse(message) if name}
    values = {name: f"<{name}>" for name in places}
    told = Translator("ja").tr(message, **values)
    assert told != Translator("en").tr(message, **values), "not translated"
    assert set(re.findall(r"<\w+>", told)) == set(values.values())


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", [*DETECTORS, "a-plugin-that-is-gone"])
def test_hostile_text_is_made_visible(
    finding: Any, full: Any, is_inside: Any, name: str, lang: str
) -> None:
    hostile = {"peer": HOSTILE, "family": HOSTILE, "indicator": HOSTILE, "sources": HOSTILE}
    found = full(name, **hostile) if name in DETECTORS else finding(name, **hostile)
    (host,) = judge_hosts([found], is_inside)
    told = list(texts(explain(host, lang)))
    assert all(is_plain(text) for text in told)
    if "{peer}" in getattr(DETECTORS.get(name), "SAYS", "{peer}"):
        assert any("\\u{1b}" in text and "\\u{202e}" in text for text in told)


def test_braces_of_a_peer_are_only_text(finding: Any) -> None:
    said = sentence(finding("beacon", peer="{host}.{0}.example", period_s=60.0), "en")
    assert "{host}.{0}.example" in said


def test_a_value_that_is_missing_shows_as_a_dash(finding: Any) -> None:
    assert sentence(finding("beacon", peer=None, peer_port=None), "en") == (
        "called - port - 40 times, about every -"
    )


@pytest.mark.parametrize("lang", LANGS)
def test_only_what_counted_gets_a_next_step(finding: Any, is_inside: Any, lang: str) -> None:
    strong = finding("beacon", score=1.0, peer="203.0.113.9")
    weak = finding("beacon", score=0.5, peer="198.51.100.7")
    (host,) = judge_hosts([weak, strong], is_inside)
    told = explain(host, lang)
    assert [p.counted for p in told.points] == [True, False]
    assert any("203.0.113.9" in step for step in told.steps)
    assert not any("198.51.100.7" in step for step in told.steps)


NOT_SET_ASIDE = "it was not set aside: this finding does not decide the verdict"


@pytest.mark.parametrize("lang", LANGS)
def test_only_what_decides_says_why_it_is_not_innocent(
    finding: Any, full: Any, is_inside: Any, lang: str
) -> None:
    strong = full("beacon", score=1.0, hosts=4, covered=0.9)
    weak = full("beacon", score=0.5, peer="198.51.100.7")
    (host,) = judge_hosts([weak, strong, finding("scan", score=0.8)], is_inside)
    decides, _, idle = explain(host, lang).points
    assert host.verdict != "clean"
    told = Translator(lang).tr(
        DETECTORS["beacon"].ASIDE, host=host.host, hosts=4, covered_pct="90%"
    )
    assert (decides.counted, decides.aside) == (True, told)
    assert (idle.counted, idle.aside) == (False, Translator(lang).tr(NOT_SET_ASIDE))


def test_nothing_is_set_aside_at_a_clean_host(full: Any, is_inside: Any) -> None:
    (host,) = judge_hosts([full("beacon", score=0.5, peer_port=443)], is_inside)
    (point,) = explain(host, "en").points
    assert host.verdict == "clean"
    assert (point.counted, point.aside) == (True, NOT_SET_ASIDE)


CHOICES = [
    (d.NAME, part, condition)
    for d in DETECTORS.values()
    for part in PARTS
    for condition in getattr(d, f"{part}_IF", {})
]


@pytest.mark.parametrize(("name", "part", "condition"), CHOICES)
def test_a_detail_can_choose_the_sentence(
    full: Any, is_inside: Any, name: str, part: str, condition: str
) -> None:
    field, _, value = condition.partition("=")
    found = full(name, **{field: value})
    (host,) = judge_hosts([found, *(full(other) for other in ("dga", "spam", "p2p"))], is_inside)
    assert host.verdict == "infected"
    (point,) = (p for p in explain(host, "en").points if p.finding is found)
    message = getattr(DETECTORS[name], f"{part}_IF")[condition]
    pieces = [text for text, *_ in string.Formatter().parse(message) if text]
    told = getattr(point, part.lower())
    if part == "ASIDE" and not point.counted:
        assert told == NOT_SET_ASIDE
    else:
        assert all(piece in told for piece in pieces)
        assert not re.search(r"(^| )-([ ,.;)]|$)", told)


def test_the_sum_is_that_of_what_counted(finding: Any, is_inside: Any) -> None:
    (host,) = judge_hosts([finding("beacon", score=0.8), finding("scan", score=0.5)], is_inside)
    told = explain(host, "en")
    for weight in host.counted:
        assert f"{weight.nats:.1f} ({weight.kind})" in told.sum
    assert told.sum.endswith(f"probability {host.score:.2f}")


def test_the_timeline_tells_when_each_behaviour_began_and_was_last_seen(
    finding: Any, is_inside: Any
) -> None:
    one = finding("beacon")
    (host,) = judge_hosts([one], is_inside)
    told = explain(host, "en")
    assert [t for t, _ in told.timeline] == [one.first_seen, one.last_seen]
    assert all(sentence(one, "en") in text for _, text in told.timeline)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (45, "45 s"),
        (60, "1 min"),
        (587, "9 min 47 s"),
        (3599.9, "1 h"),
        (3600, "1 h"),
        (29_220, "8 h 7 min"),
        (259_200, "72 h"),
        (math.inf, "-"),
        (math.nan, "-"),
    ],
)
def test_durations_read_as_people_say_them(finding: Any, seconds: float, words: str) -> None:
    assert sentence(finding("beacon", period_s=seconds), "en").endswith(f"about every {words}")
