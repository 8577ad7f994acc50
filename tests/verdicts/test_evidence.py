from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import load_all
from sakimori.verdicts import evidence
from sakimori.verdicts.evidence import (
    BASE,
    CAP,
    INFECTED,
    PRIOR,
    SLOPE,
    SUSPECTED,
    is_address,
    logistic,
)
from sakimori.verdicts.explain import REASONS

DETECTORS = sorted(load_all())
PORTS = st.none() | st.sampled_from([22, 53, 80, 443, 4444, 65535])
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "direction": st.sampled_from(["outbound", "inbound", "internal"]),
        "unanswered": st.none() | st.floats(0, 1),
        "unit": st.sampled_from(["address", "net", "name", "question"]),
        "sinkhole": st.none() | st.booleans(),
    },
)
FINDINGS = st.fixed_dictionaries(
    {
        "detector": st.sampled_from([*DETECTORS, "a plugin that is gone"]),
        "peer_port": PORTS,
        "proto": st.sampled_from([None, "tcp", "udp"]),
        "count": st.integers(1, 10**9),
    }
)


def test_every_weight_belongs_to_a_detector() -> None:
    assert set(BASE) == set(DETECTORS)


def test_no_evidence_leaves_a_host_clean_and_one_kind_can_make_it_a_bot() -> None:
    assert logistic(PRIOR) < 0.1 < SUSPECTED < INFECTED < logistic(PRIOR + CAP)


@pytest.mark.parametrize(("nats", "chance"), [(0, 0.5), (2.2, 0.9), (-2.2, 0.1)])
def test_the_sum_times_the_slope_is_log_odds(nats: float, chance: float) -> None:
    assert logistic(nats / SLOPE) == pytest.approx(chance, abs=0.001)


@settings(max_examples=200, deadline=None)
@given(columns=FINDINGS, details=DETAILS, score=st.floats(0, 1))
def test_a_weight_is_from_nothing_to_the_cap_with_reasons_in_words(
    finding: Any, columns: dict[str, Any], details: dict[str, Any], score: float
) -> None:
    weight = evidence.weigh(finding(**columns, score=score, **details))
    assert 0 <= weight.nats <= CAP
    assert set(weight.reasons) <= set(REASONS)


@settings(max_examples=100, deadline=None)
@given(columns=FINDINGS, details=DETAILS, scores=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_stronger_finding_never_weighs_less(
    finding: Any, columns: dict[str, Any], details: dict[str, Any], scores: tuple[float, float]
) -> None:
    weak, strong = (
        evidence.weigh(finding(**columns, score=score, **details)).nats for score in sorted(scores)
    )
    assert weak <= strong


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_finding_of_no_strength_weighs_nothing(finding: Any, detector: str) -> None:
    assert evidence.weigh(finding(detector, score=0.0)).nats == 0


def test_a_score_that_is_no_number_weighs_nothing(finding: Any) -> None:
    assert evidence.weigh(finding("beacon", score=math.nan)).nats == 0


def test_an_inbound_scan_weighs_nothing(finding: Any) -> None:
    weight = evidence.weigh(finding("scan", direction="inbound"))
    assert (weight.nats, weight.reasons) == (0.0, ("inbound",))


def test_a_finding_of_a_plugin_that_is_gone_still_weighs(finding: Any) -> None:
    weight = evidence.weigh(finding("no-such-detector"))
    assert weight.nats > 0
    assert weight.kind == "no-such-detector"


@pytest.mark.parametrize(
    ("detector", "more", "less"),
    [
        pytest.param("beacon", {"peer_port": 4444}, {"peer_port": 443}, id="odd-port"),
        pytest.param(
            "beacon", {"peer_port": 4444}, {"peer_port": 4444, "proto": "udp"}, id="udp-keep-alive"
        ),
        pytest.param("beacon", {"unanswered": 1.0}, {"unanswered": 0.1}, id="nobody-answers"),
        pytest.param("beacon", {"unanswered": 1.0}, {"unanswered": None}, id="answers-not-known"),
        pytest.param(
            "beacon",
            {"peer_port": 443, "unit": "name"},
            {"peer_port": None, "unit": "question"},
            id="only-asked-for",
        ),
        pytest.param("scan", {"direction": "outbound"}, {"direction": "internal"}, id="inside"),
    ],
)
def test_circumstances_weigh(
    finding: Any, detector: str, more: dict[str, Any], less: dict[str, Any]
) -> None:
    heavy, light = (evidence.weigh(finding(detector, score=0.5, **d)).nats for d in (more, less))
    assert heavy > light


def test_a_known_sinkhole_does_not_excuse_its_caller(finding: Any) -> None:
    sink, other = (
        evidence.weigh(finding("intelligence", score=0.5, sinkhole=s)).nats for s in (True, False)
    )
    assert sink >= other


@pytest.mark.parametrize(
    ("peer", "single"),
    [
        ("203.0.113.9", True),
        ("2001:db8::9", True),
        ("203.0.113.0/24", False),
        ("evil.example", False),
        ("", False),
        ("203.0.113.9:443", False),
    ],
)
def test_a_single_address_is_told_from_a_name_or_net(peer: str, single: bool) -> None:
    assert is_address(peer) is single
