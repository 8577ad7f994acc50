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
SOME = settings(max_examples=8, deadline=None)


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
        pytest.param(generated(4), MISSING, id="a-few-odd-ones"),
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
        pytest.param(of_words(80), {"rcode": None}, id="words-without-an-answer-seen"),
        pytest.param(of_words(80), {"rcode": "SERVFAIL"}, id="words-that-fail"),
        pytest.param([f"ads.{n}" for n in of_words(80)], MISSING, id="blocked-trackers"),
        pytest.param(generated(80, ending="myhome"), MISSING, id="probes-with-a-local-suffix"),
        pytest.param(["qwfpgj", "zxcvkhd", "arstnei"] * 20, MISSING, id="start-up-probes"),
        pytest.param(
            [f"{n:040x}.hash.example" for n in range(10**12, 10**12 + 80)], MISSING, id="hashes"
        ),
        pytest.param([f"{n}.2.0.192.bl.example" for n in range(80)], MISSING, id="block-list"),
        pytest.param(of_words(11), MISSING, id="typing-errors-and-dead-links"),
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
    rows = [r for n in (6, 12, 24) for r in asks(generated(n), src_ip=f"10.0.0.{n}", **MISSING)]
    found = hunt(dga, Config(min_score=0.0), dns=rows)
    assert [f["host"] for f in found] == ["10.0.0.24", "10.0.0.12", "10.0.0.6"]


def test_odd_names_drown_among_many_ordinary_ones(hunt: Any, asks: Any) -> None:
    odd = asks(generated(20), answers=["203.0.113.9"])
    browsing = asks(of_words(400), answers=["198.51.100.7"])
    assert hunt(dga, dns=odd + browsing) == []
    assert len(hunt(dga, dns=odd)) == 1


def test_a_few_names_an_hour_add_up_over_a_day_to_less(hunt: Any, asks: Any) -> None:
    slow = [r for n, g in enumerate(generated(40)) for r in asks([g], begin=n * 1800.0, **MISSING)]
    (finding,) = hunt(dga, dns=slow)
    assert finding["window_s"] == 86_400
    assert finding["score"] < 0.7
    (burst,) = hunt(dga, dns=asks(generated(40), **MISSING))
    assert burst["window_s"] == 3600
    assert burst["score"] > 0.9


def test_words_missed_over_a_day_do_not_add_up(hunt: Any, asks: Any) -> None:
    slow = [r for n, w in enumerate(of_words(80)) for r in asks([w], begin=n * 900.0, **MISSING)]
    assert hunt(dga, dns=slow) == []


@pytest.mark.parametrize("begin", [0, 900, 1800, 2700, 3300])
def test_no_clock_cuts_a_burst_in_two(hunt: Any, asks: Any, begin: int) -> None:
    (finding,) = hunt(dga, dns=asks(generated(60), begin=float(begin), **MISSING))
    assert (finding["missing"], finding["window_s"]) == (60, 3600)


def test_pronounceable_names_are_told_by_their_mean(hunt: Any, asks: Any) -> None:
    rnd = Random(4)
    names = [
        "".join(rnd.choice("bcdfghjklmnpqrstvwxz") + rnd.choice("aeiouy") for _ in range(4))
        + ".com"
        for _ in range(25)
    ]
    (finding,) = hunt(dga, dns=asks(names, **MISSING))
    assert finding["odd_missing"] < 15
    assert 7 < finding["strange"] < 14
    assert finding["score"] > 0.6


def test_names_without_an_answer_count_by_their_letters_only(hunt: Any, asks: Any) -> None:
    (finding,) = hunt(dga, dns=asks(generated(80), rcode=None))
    assert (finding["missing"], finding["odd"] > 70) == (0, True)


def test_names_of_a_provider_of_dynamic_names_count_each(hunt: Any, asks: Any) -> None:
    (finding,) = hunt(dga, dns=asks(generated(30, ending="ddns.net"), **MISSING))
    assert finding["missing"] == 30


def test_a_host_that_asks_about_the_mail_of_a_name_is_not_looking_for_it(
    hunt: Any, asks: Any
) -> None:
    names = generated(60)
    mail = asks(names, begin=1.5, qtype="MX", **MISSING)
    assert hunt(dga, dns=asks(names, **MISSING) + mail) == []


def test_a_name_that_everybody_misses_is_one_programs(hunt: Any, asks: Any) -> None:
    everybody = [
        r for n in range(4, 14) for r in asks(of_words(30), src_ip=f"10.0.0.{n}", **MISSING)
    ]
    assert hunt(dga, dns=everybody) == []


def test_names_that_two_hosts_miss_weigh_more(hunt: Any, asks: Any) -> None:
    clean = [r for n in range(20, 40) for r in asks(["a.example"], src_ip=f"10.0.0.{n}")]
    one = asks(of_words(30), **MISSING)
    (alone,) = hunt(dga, dns=clean + one)
    two = hunt(dga, dns=clean + one + asks(of_words(30), src_ip="10.0.0.6", **MISSING))
    assert [f["host"] for f in two] == [HOST, "10.0.0.6"]
    assert (alone["shared"], two[0]["shared"]) == (0, 30)
    assert two[0]["score"] == pytest.approx(alone["score"] + 0.2)


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
    "bad",
    [
        {"min_missing": 0},
        {"min_missing": 60},
        {"min_odd": 0},
        {"min_odd": 40},
        {"min_made_up": 25},
        {"min_flows": 3000},
        {"plain_nats": 6.0},
    ],
    ids=str,
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)


@pytest.fixture(scope="session")
def flows(row: Any) -> Any:
    """`flows(600, sizes=30)`: DNS calls over ten minutes, of that many lengths, and some others."""

    def make(count: int, sizes: int = 30, peers: int = 10, **columns: Any) -> list[Row]:
        given = {
            "src_ip": HOST,
            "dst_ip": "198.51.100.53",
            "dst_port": 53,
            "proto": "udp",
            **columns,
        }
        host = given["src_ip"]
        asked = [
            row("conn", n * 590 / count, src_bytes=60 + n % sizes if sizes else None, **given)
            for n in range(count)
        ]
        called = [
            row("conn", 590.0 * n / peers, src_ip=host, dst_ip=f"203.0.113.{n}", dst_port=443)
            for n in range(peers)
        ]
        return asked + called

    return make


def test_a_burst_of_dns_calls_is_found_where_names_are_not_known(hunt: Any, flows: Any) -> None:
    (finding,) = hunt(dga, conn=flows(3000))
    assert (finding["host"], finding["basis"], finding["peer"]) == (HOST, "flows", None)
    assert finding["peer_port"] == 53
    assert finding["peers"] <= 10
    assert finding["names"] is finding["examples"] is None
    assert 0.4 < finding["score"] <= 0.55
    assert finding["count"] > 1400  # START cuts ten minutes in two at the worst
    assert len(finding["evidence"]) == 20


def test_more_calls_score_more_and_never_convict(hunt: Any, flows: Any) -> None:
    scores = [hunt(dga, conn=flows(n))[0]["score"] for n in (1500, 3000, 12_000)]
    assert scores == sorted(scores)
    assert scores[-1] == pytest.approx(0.55)


@pytest.mark.parametrize(
    "burst",
    [
        pytest.param({"count": 300}, id="a-page-with-many-servers"),
        pytest.param({"peers": 500}, id="a-browser-that-calls-them"),
        pytest.param({"peers": 0}, id="a-name-server"),
        pytest.param({"sizes": 1}, id="one-name-again-and-again"),
        pytest.param({"sizes": 0}, id="lengths-not-known"),
        pytest.param({"dst_port": 123}, id="another-service"),
        pytest.param({"dst_port": None}, id="port-not-known"),
        pytest.param({"src_ip": "198.51.100.1"}, id="outside"),
    ],
)
def test_other_bursts_are_not(hunt: Any, flows: Any, burst: Row) -> None:
    assert hunt(dga, conn=flows(**{"count": 3000, **burst})) == []


def test_a_host_that_resolves_names_by_itself_is_not(hunt: Any, flows: Any) -> None:
    rows = [r for n in range(10) for r in flows(400, dst_ip=f"198.51.100.{n}")]
    assert hunt(dga, conn=rows) == []


def test_a_host_that_others_ask_is_not(hunt: Any, flows: Any, row: Any) -> None:
    clients = [
        row("conn", 1.0, src_ip=f"10.0.0.{n}", dst_ip=HOST, dst_port=53, src_bytes=60)
        for n in (7, 8)
    ]
    assert hunt(dga, conn=flows(3000) + clients) == []


def test_flows_say_the_same_where_names_are_known(hunt: Any, flows: Any, asks: Any) -> None:
    (without,) = hunt(dga, conn=flows(3000))
    (known,) = hunt(dga, conn=flows(3000), dns=asks(of_words(3)))
    assert known == without
