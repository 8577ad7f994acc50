from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.verdicts.company import peers_of
from sakimori.verdicts.evidence import CAP, INFECTED, PRIOR, SUSPECTED, logistic
from sakimori.verdicts.judge import judge_botnets, judge_controllers, judge_hosts

HOST = "10.0.0.5"
C2 = "203.0.113.9"


@pytest.fixture(scope="session")
def judged(is_inside: Any) -> Any:
    """`judged(finding, ...)`: hosts, controllers and botnets."""

    def judge(*findings: Any) -> Any:
        hosts = judge_hosts(findings, is_inside)
        controllers = judge_controllers(hosts)
        return hosts, controllers, judge_botnets(hosts, controllers)

    return judge


@pytest.fixture(scope="session")
def score(judged: Any) -> Any:
    """`score(finding, ...)`: that of the one host they are about."""

    def of(*findings: Any) -> float:
        (host,) = judged(*findings)[0]
        return float(host.score)

    return of


@pytest.fixture(scope="session")
def bot(finding: Any) -> Any:
    """`bot("10.0.0.5", "203.0.113.9")`: findings that make a host a bot of that controller."""

    def of(host: str, controller: str, **more: Any) -> list[Any]:
        listed = finding(
            "intelligence", host=host, peer=controller, kind="address", **{"score": 1.0, **more}
        )
        return [finding("beacon", host=host, peer=controller, score=0.8), listed]

    return of


def test_without_findings_there_is_nobody_to_judge(judged: Any) -> None:
    assert judged() == ([], [], [])


def test_the_verdict_follows_the_score(judged: Any, finding: Any) -> None:
    findings = [
        finding(name, host=f"10.0.0.{n}", score=n / 20)
        for n in range(21)
        for name in ("beacon", "scan")
    ]
    for host in judged(*findings)[0]:
        wanted = "suspected" if host.score >= SUSPECTED else "clean"
        assert host.verdict == ("infected" if host.score >= INFECTED else wanted)


def test_the_most_likely_bot_comes_first(judged: Any, finding: Any) -> None:
    findings = [finding("beacon", host=f"10.0.0.{n}", score=s) for n, s in enumerate((0.4, 1, 0.7))]
    assert [h.host for h in judged(*findings)[0]] == ["10.0.0.1", "10.0.0.2", "10.0.0.0"]


def test_hosts_of_one_score_are_in_order_of_their_address(judged: Any, finding: Any) -> None:
    findings = [finding("beacon", host=f"10.0.0.{n}") for n in (3, 1, 2)]
    assert [h.host for h in judged(*findings)[0]] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_many_findings_of_one_kind_do_not_add_up(score: Any, finding: Any) -> None:
    one = finding("beacon", score=0.8)
    more = [finding("beacon", score=0.7, peer=f"198.51.100.{n}") for n in range(100)]
    held = finding("long_connection", score=0.5, held_port=True)  # of the same kind
    assert score(one, *more, held) == score(one)


def test_different_kinds_do_add_up(score: Any, finding: Any) -> None:
    beacon, scan, dga = (finding(name, score=0.5) for name in ("beacon", "scan", "dga"))
    for pair in ((beacon, scan), (beacon, dga), (scan, dga)):
        assert score(*pair) > max(score(pair[0]), score(pair[1]))
    assert score(beacon, scan, dga) > score(beacon, scan)


def test_one_kind_counts_no_more_than_the_cap(score: Any, finding: Any) -> None:
    best = score(finding("intelligence", sinkhole=True), finding("intelligence"))
    assert best <= logistic(PRIOR + CAP) + 1e-4


def test_one_timer_alone_makes_no_host_a_bot(judged: Any, finding: Any) -> None:
    ((host,), _, _) = judged(finding("beacon", score=1.0, peer_port=443, unit="address"))
    assert host.verdict != "infected"


def test_a_scanner_outside_is_not_judged(judged: Any, finding: Any) -> None:
    assert judged(finding("scan", host="198.51.100.1", direction="inbound")) == ([], [], [])


def test_being_knocked_at_makes_no_host_a_bot(judged: Any, finding: Any, bot: Any) -> None:
    knocked = [finding("scan", host=HOST, direction="inbound") for _ in range(5)]
    ((host,), controllers, botnets) = judged(*knocked)
    assert (host.verdict, host.counted, host.does) == ("clean", (), ())
    assert (controllers, botnets) == ([], [])


def test_a_host_does_what_its_weighing_findings_show(judged: Any, finding: Any) -> None:
    ((host,), _, _) = judged(finding("scan", direction="outbound"), finding("beacon"))
    assert host.does == ("scans",)


def test_what_counted_is_the_strongest_of_each_kind(judged: Any, finding: Any) -> None:
    weak, strong = finding("beacon", score=0.4), finding("beacon", score=0.9)
    scan = finding("scan", score=0.6)
    ((host,), _, _) = judged(weak, scan, strong)
    assert {id(w.finding) for w in host.counted} == {id(strong), id(scan)}
    assert len(host.findings) == 3


def test_families_are_those_the_findings_name(judged: Any, finding: Any) -> None:
    ((host,), _, _) = judged(
        finding("intelligence", family="qakbot"), finding("intelligence", family=None),
        finding("intelligence", family="emotet"), finding("beacon"),
    )  # fmt: skip
    assert host.families == ("emotet", "qakbot")


@pytest.fixture(scope="session")
def any_findings(finding: Any) -> Any:
    def make(seed: int, count: int) -> list[Any]:
        rnd = Random(seed)
        names = ["beacon", "dga", "intelligence", "long_connection", "scan", "plugin"]
        return [
            finding(
                rnd.choice(names),
                host=f"10.0.0.{rnd.randrange(6)}",
                peer=rnd.choice([None, C2, "evil.example", "203.0.113.0/24", "198.51.100.7"]),
                peer_port=rnd.choice([None, 23, 443, 4444]),
                score=rnd.random(),
                direction=rnd.choice(["outbound", "inbound", "internal"]),
                sinkhole=rnd.random() < 0.2,
                hosts=rnd.choice([None, 1, 5, 500]),
                family=rnd.choice([None, "qakbot", "emotet"]),
                examples=rnd.choice([None, [], ["a.example"], ["b.example", "c.example"]]),
                addresses=rnd.choice([None, [], [C2]]),
            )
            for _ in range(count)
        ]

    return make


SEEDS = st.integers(0, 2**32)
MANY = settings(max_examples=60, deadline=None)


@MANY
@given(seed=SEEDS, count=st.integers(0, 30))
def test_the_order_of_findings_changes_no_verdict(
    judged: Any, any_findings: Any, seed: int, count: int
) -> None:
    findings = any_findings(seed, count)
    mixed = Random(seed).sample(findings, len(findings))
    for one, other in zip(judged(*findings), judged(*mixed), strict=True):
        without = {"findings": (), "counted": ()} if one and hasattr(one[0], "findings") else {}
        assert [dataclasses.replace(x, **without) for x in one] == [
            dataclasses.replace(x, **without) for x in other
        ]


@MANY
@given(seed=SEEDS, count=st.integers(0, 20))
def test_more_evidence_never_makes_a_host_less_likely(
    judged: Any, any_findings: Any, seed: int, count: int
) -> None:
    *findings, last = any_findings(seed, count + 1)
    before = {h.host: h.score for h in judged(*findings)[0]}
    after = {h.host: h.score for h in judged(*findings, last)[0]}
    assert after[last.host] >= before.get(last.host, 0.0)
    peers = {p for f in (*findings, last) if f.host == last.host for p in peers_of(f)}
    company = {f.host for f in findings if peers & set(peers_of(f))} | {last.host}
    assert {h for h in before if before[h] < after[h]} <= company


@MANY
@given(seed=SEEDS, count=st.integers(0, 40))
def test_verdicts_hang_together(judged: Any, any_findings: Any, seed: int, count: int) -> None:
    hosts, controllers, botnets = judged(*any_findings(seed, count))
    bots = {h.host for h in hosts if h.verdict != "clean"}
    assert all(0 <= x.score <= 1 for x in (*hosts, *controllers, *botnets))
    assert all(c.bots and set(c.bots) <= bots for c in controllers)
    assert all("/" not in c.controller for c in controllers)
    members = [b for net in botnets for b in net.bots]
    assert len(members) == len(set(members))  # a bot is of one botnet
    assert set(members) <= bots
    known = {c.controller for c in controllers}
    assert all(set(net.controllers) <= known for net in botnets)


def test_a_controller_that_bots_share_rises_above_their_other_peers(
    judged: Any, finding: Any, bot: Any
) -> None:
    findings = [
        f
        for n in range(3)
        for f in (
            *bot(f"10.0.0.{n}", f"198.51.{n}.7", score=0.9),
            finding("beacon", host=f"10.0.0.{n}", peer=C2, score=0.9),
        )
    ]
    _, controllers, _ = judged(*findings)
    shared = next(c for c in controllers if c.controller == C2)
    alone = judged(*findings[:3])[1]
    assert shared.score > next(c.score for c in alone if c.controller == C2)
    assert shared.bots == ("10.0.0.0", "10.0.0.1", "10.0.0.2")


def test_what_clean_hosts_use_too_commands_less(judged: Any, finding: Any) -> None:
    def of(hosts: int) -> float:
        evidence = [finding("dga"), finding("scan", direction="outbound")]
        beacon = finding("beacon", peer=C2, score=0.9, hosts=hosts)
        return float(next(c.score for c in judged(beacon, *evidence)[1] if c.controller == C2))

    assert of(1) > of(3)


def test_clean_hosts_accuse_nobody(judged: Any, finding: Any) -> None:
    hosts, controllers, botnets = judged(finding("beacon", score=0.4, peer_port=443))
    assert hosts[0].verdict == "clean"
    assert (controllers, botnets) == ([], [])


def test_targets_of_a_scan_are_no_controllers(judged: Any, finding: Any, bot: Any) -> None:
    scan = finding("scan", peer="198.51.100.7", direction="outbound")
    assert [c.controller for c in judged(*bot(HOST, C2), scan)[1]] == [C2]


def test_a_whole_net_is_no_controller(judged: Any, finding: Any, bot: Any) -> None:
    net = finding("beacon", peer="198.51.100.0/24", unit="net")
    assert [c.controller for c in judged(*bot(HOST, C2), net)[1]] == [C2]


def test_where_made_up_names_led_is_accused(judged: Any, finding: Any) -> None:
    dga = finding("dga", peer="xkqzvwpj.example", peer_port=None, addresses=[C2])
    found = {c.controller: c.kind for c in judged(dga)[1]}
    assert found == {"xkqzvwpj.example": "name", C2: "address"}


def test_sinkholes_come_last_and_are_marked(judged: Any, bot: Any) -> None:
    sink = [f for n in range(5) for f in bot(f"10.0.0.{n}", "198.51.100.7", sinkhole=True)]
    controllers = judged(*sink, *bot("10.0.0.9", C2, score=0.7))[1]
    assert [(c.controller, c.sinkhole) for c in controllers] == [
        (C2, False),
        ("198.51.100.7", True),
    ]


def test_a_shared_controller_joins_bots(judged: Any, bot: Any) -> None:
    findings = [f for n in range(3) for f in bot(f"10.0.0.{n}", C2, family="Qak Bot")]
    (botnet,) = judged(*findings)[2]
    assert botnet.bots == ("10.0.0.0", "10.0.0.1", "10.0.0.2")
    assert (botnet.controllers, botnet.why) == ((C2,), "shared controller")
    assert botnet.family == "Qak Bot"
    assert botnet.botnet.startswith("qak-bot-")


def test_a_shared_sinkhole_joins_nobody(judged: Any, bot: Any) -> None:
    findings = [f for n in range(3) for f in bot(f"10.0.0.{n}", C2, sinkhole=True)]
    assert all(len(net.bots) == 1 for net in judged(*findings)[2])


def test_bots_of_different_controllers_are_different_botnets(judged: Any, bot: Any) -> None:
    _, _, botnets = judged(*bot("10.0.0.1", C2), *bot("10.0.0.2", "198.51.100.7"))
    assert sorted(net.bots for net in botnets) == [("10.0.0.1",), ("10.0.0.2",)]
    assert len({net.botnet for net in botnets}) == 2
    assert {net.why for net in botnets} == {"one bot and its controller"}


def test_chains_of_shared_controllers_are_one_botnet(judged: Any, bot: Any) -> None:
    findings = [
        *bot("10.0.0.1", C2),
        *bot("10.0.0.2", C2),
        *bot("10.0.0.2", "198.51.100.7"),
        *bot("10.0.0.3", "198.51.100.7"),
    ]
    assert [net.bots for net in judged(*findings)[2]] == [("10.0.0.1", "10.0.0.2", "10.0.0.3")]


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        pytest.param({"direction": "outbound", "peer_port": 2323, "peer": None}, True, id="port"),
        pytest.param(
            {"direction": "internal", "peer_port": 2323, "peer": None}, False, id="inside"
        ),
        pytest.param({"direction": "outbound", "peer_port": 443, "peer": None}, False, id="web"),
        pytest.param({"direction": "outbound", "peer_port": None}, False, id="many-ports"),
    ],
)
def test_scanning_the_same_uncommon_port_joins(
    judged: Any, finding: Any, bot: Any, given: dict[str, Any], joined: bool
) -> None:
    findings = [
        f
        for n in range(2)
        for f in (
            *bot(f"10.0.0.{n}", f"198.51.{n}.7"),
            finding("scan", host=f"10.0.0.{n}", **{**given, "peer": f"203.0.{n}.9"}),
        )
    ]
    botnets = judged(*findings)[2]
    assert (len(botnets) == 1) is joined


def test_chasing_the_same_made_up_name_joins(judged: Any, finding: Any) -> None:
    findings = [
        finding("dga", host=f"10.0.0.{n}", peer=None, examples=[f"own{n}.example", name])
        for n, name in enumerate(("xkqzvwpj.example", "xkqzvwpj.example", "pjwvzqkx.example"))
    ]
    (botnet,) = judged(*findings)[2]
    assert (botnet.bots, botnet.why) == (("10.0.0.0", "10.0.0.1"), "act alike")


def test_a_lone_host_without_a_controller_is_no_botnet(judged: Any, finding: Any) -> None:
    hosts, _, botnets = judged(finding("dga", peer=None, examples=["xkqzvwpj.example"]))
    assert hosts[0].verdict != "clean"
    assert botnets == []


def test_a_botnet_keeps_its_name_while_bots_come_and_go(judged: Any, bot: Any) -> None:
    def named(*hosts: str) -> str:
        (botnet,) = judged(*(f for h in hosts for f in bot(h, C2)))[2]
        return str(botnet.botnet)

    assert named("10.0.0.1", "10.0.0.2") == named("10.0.0.2", "10.0.0.3", "10.0.0.4")


def test_the_largest_botnet_comes_first(judged: Any, bot: Any) -> None:
    findings = [
        *bot("10.0.0.9", "198.51.100.7"),
        *(f for n in range(3) for f in bot(f"10.0.0.{n}", C2, score=0.8)),
    ]
    assert [len(net.bots) for net in judged(*findings)[2]] == [3, 1]
