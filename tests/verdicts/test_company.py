"""What other hosts' cases say about a host that calls the same peer."""

from __future__ import annotations

from typing import Any

import pytest

from sakimori.verdicts.judge import judge_hosts

C2, OTHER = "203.0.113.9", "198.51.100.7"
BOT, FRIEND = "10.0.0.5", "10.0.0.6"


@pytest.fixture
def company(is_inside: Any) -> Any:
    """`company(host, finding, ...)`: nats of company that the host has."""

    def of(host: str, *findings: Any) -> float:
        judged = {h.host: h for h in judge_hosts(findings, is_inside)}
        return float(sum(w.nats for w in judged[host].counted if w.kind == "company"))

    return of


@pytest.fixture
def scanner(finding: Any) -> Any:
    """A host that scans, and calls the peer."""

    def of(host: str = BOT, peer: str = C2, **more: Any) -> list[Any]:
        scan = finding("scan", host=host, peer=None, score=1.0, direction="outbound")
        return [scan, finding("beacon", host=host, peer=peer, score=0.9, **more)]

    return of


def test_a_bots_only_controller_speaks_against_its_other_callers(
    company: Any, scanner: Any, finding: Any
) -> None:
    found = [*scanner(), finding("beacon", host=FRIEND, peer=C2, score=0.9)]
    assert company(FRIEND, *found) > 1.5
    assert company(BOT, *found) == 0


def test_hosts_that_only_call_the_same_peer_say_nothing_about_each_other(
    company: Any, finding: Any
) -> None:
    found = [finding("beacon", host=f"10.0.0.{n}", peer=C2, score=1.0) for n in range(5, 15)]
    assert company(BOT, *found) == 0


def test_a_bots_innocent_peers_share_the_blame(company: Any, scanner: Any, finding: Any) -> None:
    friend = finding("beacon", host=FRIEND, peer=C2, score=0.9)
    many = [finding("beacon", host=BOT, peer=f"198.51.100.{n}", score=0.9) for n in range(9)]
    assert 0 < company(FRIEND, *scanner(), *many, friend) < company(FRIEND, *scanner(), friend) / 5


def test_a_peer_that_others_use_without_a_finding_speaks_less(
    company: Any, scanner: Any, finding: Any
) -> None:
    def spoken(users: int) -> float:
        mine = finding("beacon", host=FRIEND, peer=C2, score=0.9, hosts=users)
        return float(company(FRIEND, *scanner(hosts=users), mine))

    assert spoken(2) == pytest.approx(10 * spoken(20))


@pytest.mark.parametrize("peer", [OTHER, None, "203.0.113.0/24"])
def test_only_the_same_address_or_name_counts(
    company: Any, scanner: Any, finding: Any, peer: str | None
) -> None:
    found = [*scanner(peer=peer or C2), finding("beacon", host=FRIEND, peer=C2, score=0.9)]
    if peer is None:
        found = [*scanner()[:1], found[-1]]
    assert company(FRIEND, *found) == 0


def test_a_victim_they_share_is_no_controller(company: Any, finding: Any, scanner: Any) -> None:
    mine = finding("scan", host=FRIEND, peer=C2, score=1.0, direction="outbound")
    assert company(FRIEND, *scanner(), mine) == 0
