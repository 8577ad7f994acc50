from __future__ import annotations

import string
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.detectors import dga
from sakimori.detectors.dga import Config

Row = dict[str, Any]
HOST = "10.0.0.5"
MISSING = {"rcode": "NXDOMAIN"}
WORDS = [
    "network", "account", "market", "service", "weather", "travel", "school", "hospital",
    "kitchen", "garden", "history", "science", "animal", "picture", "morning", "holiday",
    "company", "printer", "security", "support", "student", "teacher", "library", "football",
]  # fmt: skip
SOME = settings(max_examples=20, deadline=None)


def generated(count: int, seed: int = 1, ending: str = "com") -> list[str]:
    rnd = Random(seed)
    return ["".join(rnd.choices(string.ascii_lowercase, k=14)) + f".{ending}" for _ in range(count)]


def of_words(count: int, seed: int = 1) -> list[str]:
    pairs = [f"{a}{b}.com" for a in WORDS for b in WORDS if a != b]
    return Random(seed).sample(pairs, count)


@pytest.fixture(scope="session")
def asks(row: Any) -> Any:
    """`asks([name, ...], rcode=..., answers=[...])`: one question a second."""

    def make(names: list[str], begin: float = 0.0, **columns: Any) -> list[Row]:
        given = {"src_ip": HOST, **columns}
        return [row("dns", begin + n, query=name, **given) for n, name in enumerate(names)]

    return make


def test_a_burst_of_made_up_names_that_do_not_exist_is_found(hunt: Any, asks: Any) -> None:
    rows = asks(generated(60), **MISSING)
    (finding,) = hunt(dga, dns=rows)
    assert finding["host"] == HOST
    assert finding["score"] > 0.8
    assert (finding["names"], finding["missing"]) == (60, 60)
    assert finding["odd_missing"] == finding["odd"] > 50
    assert (finding["peer"], finding["addresses"]) == (None, None)
    assert set(finding["examples"]) <= {r["query"] for r in rows}
    assert len(finding["examples"]) == 10
    assert sorted(finding["evidence"]) == sorted(r["uid"] for r in rows[:20])


def test_made_up_names_that_resolve_are_found_with_where_they_led(hunt: Any, asks: Any) -> None:
    names = generated(40)
    rows = asks(names[:30], answers=["203.0.113.9"]) + asks(names[30:], answers=["198.51.100.7"])
    (finding,) = hunt(dga, dns=rows)
    assert finding["score"] > 0.5
    assert finding["missing"] == 0
    assert finding["addresses"] == ["203.0.113.9", "198.51.100.7"]
    assert finding["peer"] in names


def test_the_name_that_resolved_last_is_the_peer(hunt: Any, asks: Any) -> None:
    *dead, alive = generated(60)
    rows = asks(dead, **MISSING) + asks([alive], begin=100, answers=["c.example", "203.0.113.9"])
    (finding,) = hunt(dga, dns=rows)
    assert (finding["peer"], finding["addresses"]) == (alive, ["203.0.113.9"])


def test_an_answer_that_is_a_name_is_no_address(hunt: Any, asks: Any) -> None:
    (finding,) = hunt(dga, dns=asks(generated(40), answers=["parked.example.net"]))
    assert not finding["addresses"]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        pytest.param(of_words(60), {"answers": ["203.0.113.9"]}, id="words-that-resolve"),
        pytest.param(generated(7), MISSING, id="a-few-typing-errors"),
        pytest.param(generated(1) * 500, MISSING, id="one-dead-name-again-and-again"),
        pytest.param(
            [f"{g}.example.com" for g in generated(80, ending="x")], MISSING, id="under-one-domain"
        ),
        pytest.param(
            [f"{w}.corp.example.co.jp" for w in of_words(80)], MISSING, id="search-suffix"
        ),
        pytest.param(generated(80, ending="local"), MISSING, id="local-names"),
        pytest.param(
            [f"{n}.113.0.203.in-addr.arpa" for n in range(80)], MISSING, id="reverse-names"
        ),
        pytest.param([f"198.51.100.{n}" for n in range(80)], MISSING, id="addresses-as-names"),
        pytest.param([g[:-4] for g in generated(80)], MISSING, id="bare-names"),
        pytest.param(generated(80), {"rcode": None}, id="no-answer-seen"),
        pytest.param(generated(80), {"rcode": "NXDOMAIN", "qtype": "TXT"}, id="texts"),
        pytest.param(generated(80), {"rcode": "NXDOMAIN", "src_ip": "198.51.100.1"}, id="outside"),
        pytest.param([f"{w}{n}.com" for n, w in enumerate(WORDS * 3)], {}, id="numbers-at-the-end"),
        pytest.param([f"{g[:5]}.com" for g in generated(80)], {}, id="abbreviations"),
    ],
)
def test_other_questions_are_not(hunt: Any, asks: Any, names: list[str], columns: Row) -> None:
    assert hunt(dga, dns=asks(names, **columns)) == []


def test_many_labels_under_one_country_domain_count_once(hunt: Any, asks: Any) -> None:
    under = [f"{g.split('.')[0]}.example.co.jp" for g in generated(60)]
    names = under + generated(60, seed=2, ending="co.jp")
    (finding,) = hunt(dga, dns=asks(names, **MISSING))
    assert finding["names"] == 61


def test_a_name_that_exists_at_the_second_try_is_not_missing(hunt: Any, asks: Any) -> None:
    names = of_words(60)
    rows = asks(names, **MISSING) + asks(names, begin=100, answers=["203.0.113.9"])
    assert hunt(dga, dns=rows) == []
    assert len(hunt(dga, dns=rows[:60])) == 1


def test_a_type_that_is_not_known_is_no_reason_to_look_away(hunt: Any, asks: Any) -> None:
    assert len(hunt(dga, dns=asks(generated(60), qtype=None, **MISSING))) == 1


def test_missing_names_made_of_words_score_less_than_made_up_ones(hunt: Any, asks: Any) -> None:
    rows = asks(of_words(60), **MISSING) + asks(generated(60), src_ip="10.0.0.6", **MISSING)
    found = {f["host"]: f["score"] for f in hunt(dga, Config(min_score=0.0), dns=rows)}
    assert found[HOST] < found["10.0.0.6"]


def test_more_names_score_more(hunt: Any, asks: Any) -> None:
    rows = [r for n in (10, 25, 60) for r in asks(generated(n), src_ip=f"10.0.0.{n}", **MISSING)]
    found = hunt(dga, Config(min_score=0.0), dns=rows)
    assert [f["host"] for f in found] == ["10.0.0.60", "10.0.0.25", "10.0.0.10"]


def test_odd_names_drown_among_many_ordinary_ones(hunt: Any, asks: Any) -> None:
    odd = asks(generated(20), answers=["203.0.113.9"])
    browsing = asks(of_words(400), answers=["198.51.100.7"])
    assert hunt(dga, dns=odd + browsing) == []
    assert len(hunt(dga, dns=odd)) == 1


def test_names_of_different_hours_do_not_add_up(hunt: Any, asks: Any) -> None:
    slow = [r for n, g in enumerate(generated(48)) for r in asks([g], begin=n * 1800.0, **MISSING)]
    assert hunt(dga, dns=slow) == []


def test_the_worst_hour_is_the_finding(hunt: Any, asks: Any) -> None:
    rows = asks(generated(20), **MISSING) + asks(generated(50, seed=2), begin=7200, **MISSING)
    (finding,) = hunt(dga, dns=rows)
    assert finding["missing"] == 50


def test_a_resolver_is_not_blamed_for_its_clients(hunt: Any, asks: Any) -> None:
    resolver = "10.0.0.53"
    bot = asks(generated(60), dst_ip=resolver, **MISSING)
    others = [r for n in (6, 7) for r in asks(of_words(3), src_ip=f"10.0.0.{n}", dst_ip=resolver)]
    passed_on = asks(generated(60), src_ip=resolver, dst_ip="198.51.100.53", **MISSING)
    assert [f["host"] for f in hunt(dga, dns=bot + others + passed_on)] == [HOST]


def test_a_host_that_asks_outside_by_itself_is_blamed(hunt: Any, asks: Any) -> None:
    rows = asks(generated(60), dst_ip="198.51.100.53", **MISSING)
    assert [f["host"] for f in hunt(dga, dns=rows)] == [HOST]


def test_names_that_are_numbers_do_not_stop_the_hunt(hunt: Any, asks: Any) -> None:
    rows = asks(["163.com", "360.cn", "126.com", ".com", "com."]) + asks(generated(60), **MISSING)
    assert [f["host"] for f in hunt(dga, dns=rows)] == [HOST]


LABEL = st.text(st.characters(codec="utf-8", exclude_characters="."), max_size=30)


@SOME
@given(names=st.lists(st.lists(LABEL, min_size=1, max_size=5).map(".".join), max_size=40))
@example(names=[".", "..", ".com", "com.", "a..b", "\x00.com"])
def test_any_names_are_judged_without_an_error(hunt: Any, asks: Any, names: list[str]) -> None:
    for finding in hunt(dga, Config(min_score=0.0), dns=asks(names, **MISSING)):
        assert 0 <= finding["score"] <= 1


@SOME
@given(seed=st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(hunt: Any, asks: Any, seed: int) -> None:
    rows = asks(generated(30, seed), **MISSING) + asks(
        generated(5, seed + 1), answers=["203.0.113.9"]
    )
    (before,) = hunt(dga, dns=rows)
    (after,) = hunt(dga, dns=Random(seed).sample(rows, len(rows)))
    for listed in ("examples", "evidence"):
        assert len(before.pop(listed)) == len(after.pop(listed))
    assert before == after


@pytest.mark.parametrize(
    "bad", [{"min_missing": 0}, {"min_missing": 60}, {"min_odd": 0}, {"min_odd": 40}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
