from __future__ import annotations

import math
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import spam
from sakimori.detectors.spam import Config, by_day

Row = dict[str, Any]
HOST, SERVER = "10.0.0.5", "10.0.0.25"
OUTSIDE = "198.51.100.7"
DAY = 86_400.0


@pytest.fixture(scope="session")
def fan(row: Any) -> Any:
    """`fan(30, port=25)`: one connection to a mail server in each of so many networks."""

    def make(networks: int, port: int = 25, gap_s: float = 60.0, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_port": port, **more}
        return [
            row("conn", n * gap_s, dst_ip=f"203.{n // 250}.{n % 250}.25", uid=f"C{port}-{n}",
                **columns)
            for n in range(networks)
        ]  # fmt: skip

    return make


@pytest.fixture(scope="session")
def questions(row: Any) -> Any:
    """`questions(50)`: so many domains' mail servers asked for."""

    def make(n: int, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "qtype": "MX", **more}
        return [
            row("dns", i * 9.0, query=f"d{i}.example", uid=f"Q{i}", **columns) for i in range(n)
        ]

    return make


@pytest.fixture(scope="session")
def letters(row: Any) -> Any:
    """`letters(40, refused=20, senders=1)`: a client's messages, each to another domain."""

    def make(
        n: int, refused: int = 0, senders: int = 1, helos: int = 1, domains: int = 50, **more: Any
    ) -> list[Row]:
        columns = {"src_ip": HOST, **more}
        at = columns.pop("begin", 0.0)
        return [
            row("mail", at + i * 9.0, uid=f"M{columns['src_ip']}-{at}-{i}",
                **{"status": "rejected" if i < refused else "sent",
                   "sender": f"a@s{i % senders}.example", "helo": f"h{i % helos}",
                   "recipients": [f"b@r{i % domains}.example"], **columns})
            for i in range(n)
        ]  # fmt: skip

    return make


def ways(found: list[Row]) -> list[tuple[str, str]]:
    return [(f["host"], f["way"]) for f in found]


def test_a_host_that_reaches_many_mail_servers_spams(hunt: Any, fan: Any) -> None:
    (found,) = hunt(spam, conn=fan(30))
    assert ways([found]) == [(HOST, "direct")]
    assert (found["direction"], found["peer"], found["peer_port"], found["proto"]) == (
        "outbound", None, 25, "tcp",
    )  # fmt: skip
    assert (found["servers"], found["networks"], found["count"]) == (30, 30, 30)
    assert found["unanswered"] == 0.0
    assert len(found["evidence"]) == 20


@pytest.mark.parametrize(
    ("port", "least"),
    [
        pytest.param(25, Config().min_nets, id="25"),
        pytest.param(465, Config().min_submission, id="465"),
        pytest.param(587, Config().min_submission, id="587"),
    ],
)
def test_the_number_of_networks_makes_the_score(hunt: Any, fan: Any, port: int, least: int) -> None:
    assert hunt(spam, conn=fan(least - 1, port)) == []
    (low,) = hunt(spam, conn=fan(least, port))
    (high,) = hunt(spam, conn=fan(Config().full_nets, port))
    assert low["score"] == pytest.approx(0.3, abs=1e-5)
    assert high["score"] == pytest.approx(1.0, abs=1e-5)


def test_a_bot_whose_port_is_blocked_spams_too(hunt: Any, fan: Any) -> None:
    (found,) = hunt(spam, conn=fan(30, state="S0", dst_pkts=0))
    assert found["unanswered"] == 1.0


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"dst_ip": "203.0.113.25"}, id="one-server"),
        pytest.param({"port": 443}, id="web"),
        pytest.param({"port": 993}, id="mail-pick-up"),
        pytest.param({"proto": "udp"}, id="udp"),
        pytest.param({"proto": None}, id="protocol-not-known"),
        pytest.param({"src_ip": "198.51.100.1"}, id="between-strangers"),
        pytest.param({"gap_s": DAY / 5}, id="five-a-day"),
    ],
)
def test_other_connections_are_no_spam(hunt: Any, fan: Any, columns: Row) -> None:
    moved = {k: columns[k] for k in ("dst_ip",) if k in columns}
    rows = fan(30, **{k: v for k, v in columns.items() if k not in moved})
    assert hunt(spam, conn=[r | moved for r in rows]) == []


def test_addresses_of_one_providers_network_are_one(hunt: Any, fan: Any) -> None:
    rows = [r | {"dst_ip": f"203.0.113.{n}"} for n, r in enumerate(fan(60))]
    assert hunt(spam, conn=rows) == []


@pytest.mark.parametrize("port", [25, 587, 993])
@pytest.mark.parametrize("client", ["198.51.100.1", "10.0.0.77"])
def test_a_mail_server_is_no_spammer(
    hunt: Any, row: Any, fan: Any, questions: Any, port: int, client: str
) -> None:
    served = row("conn", 5.0, src_ip=client, dst_ip=HOST, dst_port=port)
    assert hunt(spam, conn=[*fan(90), served], dns=questions(90)) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"state": "REJ", "dst_pkts": 1}, id="refused"),
        pytest.param({"state": "S0", "dst_pkts": 0}, id="unanswered"),
        pytest.param({"state": None, "dst_pkts": 1}, id="a-reset-for-all-we-know"),
        pytest.param({"dst_port": 443}, id="another-port"),
    ],
)
def test_a_probe_from_outside_makes_no_mail_server(
    hunt: Any, row: Any, fan: Any, columns: Row
) -> None:
    probe = row("conn", 5.0, **{"src_ip": OUTSIDE, "dst_ip": HOST, "dst_port": 25, **columns})
    assert len(hunt(spam, conn=[*fan(30), probe])) == 1


def test_mail_delivered_to_a_host_makes_it_a_mail_server(hunt: Any, fan: Any, letters: Any) -> None:
    took = letters(2, src_ip="10.0.0.9", dst_ip=HOST)
    assert hunt(spam, conn=fan(90), mail=took) == []


def test_questions_for_mail_servers_are_weaker(hunt: Any, fan: Any, questions: Any) -> None:
    assert hunt(spam, dns=questions(Config().min_names - 1)) == []
    (found,) = hunt(spam, dns=questions(200))
    assert (found["way"], found["domains"], found["peer_port"]) == ("names", 200, None)
    assert found["score"] == pytest.approx(0.6, abs=1e-5)
    (both,) = hunt(spam, conn=fan(20), dns=questions(200))
    (direct,) = hunt(spam, conn=fan(20))
    assert both["score"] == pytest.approx(1 - (1 - direct["score"]) * 0.4, abs=1e-5)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"qtype": "A"}, id="addresses"),
        pytest.param({"qtype": None}, id="type-not-known"),
        pytest.param({"src_ip": "198.51.100.1"}, id="a-strangers"),
    ],
)
def test_other_questions_are_no_spam(hunt: Any, questions: Any, columns: Row) -> None:
    assert hunt(spam, dns=questions(200, **columns)) == []


def test_a_resolver_asks_for_others(hunt: Any, row: Any, questions: Any) -> None:
    clients = [
        row("dns", float(n), src_ip=f"10.0.0.{n}", dst_ip=HOST, query="a.example")
        for n in range(10, 14)
    ]
    assert hunt(spam, dns=[*questions(200, dst_ip="192.0.2.53"), *clients]) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"refused": 60}, id="refused"),
        pytest.param({"senders": 20}, id="many-senders"),
        pytest.param({"helos": 12}, id="many-names-for-itself"),
    ],
)
def test_a_client_of_our_own_server_with_many_faces_spams(
    hunt: Any, letters: Any, columns: Row
) -> None:
    (found,) = hunt(spam, mail=letters(100, **columns))
    assert (*ways([found]), found["messages"], found["domains"]) == ((HOST, "handed"), 100, 50)
    assert found["direction"] == "outbound"


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({}, id="newsletter"),
        pytest.param({"refused": 12}, id="newsletter-with-old-addresses"),
        pytest.param({"senders": 40, "refused": 60, "domains": 2}, id="gateway-of-our-domains"),
        pytest.param({"senders": 2, "helos": 1}, id="two-departments"),
        pytest.param({"refused": 60, "recipients": None}, id="recipients-not-known"),
        pytest.param(
            {"refused": 60, "reason": "450 4.2.0 try again later"}, id="asked-to-come-again"
        ),
        pytest.param({"status": None}, id="fate-not-known"),
        pytest.param({"src_ip": None}, id="client-not-known"),
    ],
)
def test_other_clients_of_our_own_server_do_not(hunt: Any, letters: Any, columns: Row) -> None:
    assert hunt(spam, mail=letters(100, **columns)) == []


def test_few_messages_are_no_spam(hunt: Any, letters: Any) -> None:
    least = Config().min_messages
    assert hunt(spam, mail=letters(least - 1, refused=100)) == []
    assert len(hunt(spam, mail=letters(least, refused=100))) == 1


def test_a_message_taken_and_then_sent_is_one(hunt: Any, letters: Any) -> None:
    sent = letters(15, refused=15)
    taken = [r | {"status": None} for r in sent]
    assert hunt(spam, mail=sent + taken) == []


def test_a_refusal_in_words_alone_is_a_refusal(hunt: Any, letters: Any) -> None:
    told = letters(50, status=None, reason="550 5.7.1 Message rejected as spam")
    assert ways(hunt(spam, mail=told)) == [(HOST, "handed")]
    assert hunt(spam, mail=letters(50, status=None, reason="250 2.0.0 Ok")) == []


def test_an_outside_client_is_reported_as_inbound(hunt: Any, letters: Any) -> None:
    (found,) = hunt(spam, mail=letters(20, refused=20, src_ip=OUTSIDE))
    assert (*ways([found]), found["direction"]) == ((OUTSIDE, "inbound"), "inbound")
    assert hunt(spam, mail=letters(20, refused=4, src_ip=OUTSIDE)) == []
    assert hunt(spam, mail=letters(2, refused=2, src_ip=OUTSIDE)) == []


def test_one_word_of_a_block_list_will_do(hunt: Any, letters: Any) -> None:
    words = "554 5.7.1 Service unavailable; Client host [..] blocked using list.example"
    (found,) = hunt(spam, mail=letters(1, refused=1, src_ip=OUTSIDE, reason=words))
    assert (found["listed"], found["score"]) == (1, pytest.approx(0.8))


def test_a_host_with_all_parts_has_one_finding(
    hunt: Any, fan: Any, questions: Any, letters: Any
) -> None:
    rows = fan(50) + fan(20, 587)
    Random(1).shuffle(rows)
    (found,) = hunt(spam, conn=rows, dns=questions(90), mail=letters(90, refused=60, helos=30))
    assert found["way"] in ("direct", "handed")
    assert found["score"] > 0.9
    assert (found["networks"], found["helos"], found["domains"]) == (50, 30, 90)


def stretch(number: int, least: int, full: int) -> float:
    """The score of a part, written plainly."""
    if number < least:
        return 0.0
    return 0.3 + 0.7 * min(1.0, math.log(number / least) / math.log(full / least))


@settings(max_examples=10, deadline=None)
@given(networks=st.integers(1, 120), names=st.integers(0, 60), seed=st.integers(0, 9))
def test_the_score_is_what_the_docstring_says(
    hunt: Any, fan: Any, questions: Any, networks: int, names: int, seed: int
) -> None:
    conn, dns = fan(networks), questions(names)
    Random(seed).shuffle(conn)
    found = hunt(spam, conn=conn, dns=dns)
    expected = 1 - (1 - stretch(networks, 8, 60)) * (1 - 0.6 * stretch(names, 10, 200))
    scores = [f["score"] for f in found]
    assert scores == ([pytest.approx(expected, abs=1e-4)] if expected >= 0.25 else [])


def test_days_are_counted_with_inside_and_outside_told_apart(
    hunt: Any, fan: Any, letters: Any
) -> None:
    mail = (
        letters(20, refused=20, src_ip=OUTSIDE)
        + letters(3, src_ip="198.51.100.8")
        + letters(2, begin=DAY)
    )
    unlogged = fan(30)
    hunt(spam, conn=unlogged, mail=mail)
    tables = [hunt.ibis.table(n).select(*spam.READS[n]) for n in ("conn", "mail")]
    first, second = by_day(*tables).to_pyarrow().to_pylist()
    assert first == {
        "day": date(2025, 6, 15), "messages": 53, "refused": 20, "sources": 3,
        "inside_sources": 1, "outside_sources": 2, "spam_messages": 50, "spam_sources": 2,
        "spam_inside": 1, "spam_outside": 1,
    }  # fmt: skip
    assert (second["day"], second["messages"], second["inside_sources"]) == (
        date(2025, 6, 16), 2, 1,
    )  # fmt: skip


def test_a_connection_that_the_mail_log_tells_of_is_counted_once(
    hunt: Any, fan: Any, letters: Any
) -> None:
    rows = fan(3)
    mail = [m | {"uid": c["uid"]} for m, c in zip(letters(3), rows, strict=True)]
    dead = [r | {"uid": "D", "state": "S0", "dst_pkts": 0} for r in rows[:1]]
    hunt(spam, conn=rows + dead, mail=mail)
    tables = [hunt.ibis.table(n).select(*spam.READS[n]) for n in ("conn", "mail")]
    (day,) = by_day(*tables).to_pyarrow().to_pylist()
    assert (day["messages"], day["sources"], day["spam_messages"]) == (3, 1, 0)


@pytest.mark.parametrize("bad", [{"min_nets": 60}, {"min_names": 0}, {"min_score": 2.0}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
