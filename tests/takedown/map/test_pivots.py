from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.takedown.map import Options, make, marks_of, propose, unrelated
from sakimori.takedown.map.model import Holding, Material, Registration, Trait
from sakimori.takedown.map.pivots import CAP, WEIGHTS, range_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CERT = Trait("a.example", "cert", "f" * 64)


def strength(
    one: list[Trait], other: list[Trait], elsewhere: Mapping[tuple[str, str], int] | None = None
) -> float:
    found = propose({"a": one, "b": other}, elsewhere, least=0.0)
    return found[0].strength if found else 0.0


def test_a_shared_certificate_is_strong_evidence_and_shown() -> None:
    (proposal,) = propose({"a": [CERT], "b": [Trait("b.example", "cert", "f" * 64)], "c": []})
    assert proposal.strength == pytest.approx(0.9)
    (shared,) = proposal.evidence
    assert (shared.kind, shared.on_a, shared.on_b) == ("cert", ("a.example",), ("b.example",))


def test_what_many_others_show_says_next_to_nothing() -> None:
    ja3s = Trait("a.example", "ja3s", "x")
    alone = strength([ja3s], [ja3s])
    assert alone == pytest.approx(0.3)
    assert strength([ja3s], [ja3s], {("ja3s", "x"): 30}) < 0.001
    assert propose({"a": [ja3s], "b": [ja3s]}, {("ja3s", "x"): 30}) == []


def test_what_every_botnet_shares_says_less_of_two_of_them() -> None:
    found = propose({name: [CERT] for name in "abcdefgh"}, least=0.0)
    assert len(found) == 28
    assert all(p.strength < 0.1 for p in found)


def test_different_kinds_add_up() -> None:
    its = [Trait("a", "uri", "/gate.php"), Trait("a", "schedule", "03:10 spams")]
    assert strength(its, its) == pytest.approx(1 - 0.5 * 0.8)


def test_many_values_of_one_kind_do_not_become_certainty() -> None:
    its = [Trait(f"n{n}.example", "registrar", f"r{n}") for n in range(500)]
    weight = WEIGHTS["registrar"]
    assert strength(its, its) == pytest.approx(weight + CAP * weight * (1 - weight), abs=1e-4)


kinds = st.sampled_from([*WEIGHTS, "something else"])
traits = st.lists(
    st.builds(Trait, st.sampled_from(["x.example", "y.example"]), kinds, st.sampled_from("pqrs")),
    max_size=8,
)
counts = st.dictionaries(st.tuples(kinds, st.sampled_from("pqrs")), st.integers(0, 50), max_size=6)


@given(traits, traits, counts)
@settings(max_examples=50)
def test_strength_is_a_chance_and_symmetric(one: Any, other: Any, elsewhere: Any) -> None:
    value = strength(one, other, elsewhere)
    assert 0 <= value <= 1
    assert value == strength(other, one, elsewhere)


@given(traits, traits, traits, counts)
@settings(max_examples=50)
def test_more_that_is_shared_never_weakens(one: Any, other: Any, more: Any, elsewhere: Any) -> None:
    assert strength([*one, *more], [*other, *more], elsewhere) >= strength(one, other, elsewhere)


@given(traits, traits, counts)
@settings(max_examples=50)
def test_what_others_show_too_never_strengthens(one: Any, other: Any, elsewhere: Any) -> None:
    commoner = {key: count + 10 for key, count in elsewhere.items()}
    assert strength(one, other, commoner) <= strength(one, other, elsewhere)
    everywhere = {(t.kind, t.value): 10_000 for t in (*one, *other)}
    assert strength(one, other, everywhere) < 0.001


@pytest.mark.parametrize(
    ("address", "network"), [("192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")]
)
def test_a_range_is_what_one_customer_is_given(address: str, network: str) -> None:
    assert range_of(address) == network


def test_what_the_map_hangs_controllers_on_is_compared(calls: Any, resolves: Any) -> None:
    material = Material(
        contacts=(*calls(2, "one.example.com", "198.51.100.1", botnet="a"),
                  *calls(2, "two.example.net", "198.51.100.9", botnet="b", at=1),
                  *calls(2, "192.0.2.77", botnet="c", at=2)),
        pdns=(*resolves("one.example.com", "ns1.shady.example", "NS"),
              *resolves("two.example.net", "ns2.shady.example", "NS"),
              *resolves("one.example.com", "203.0.113.1"), *resolves("two.example.net", "203.0.113.1")),
        registrations=(Registration("one.example.com", "Reg", registrant="H-1"),
                       Registration("two.example.net", "Reg", registrant="H-1")),
        holdings=(Holding("203.0.113.0/24", "Bullet"),),
        traits=(Trait("one.example.com", "uri", "/gate.php"), Trait("two.example.net", "uri", "/gate.php"),
                Trait("nobody.example", "uri", "/gate.php")),
    )  # fmt: skip
    drawn = make(material, Options(today=date(2026, 3, 2)))
    proposals = propose(marks_of(drawn, material), unrelated(drawn))
    assert [(p.a, p.b) for p in proposals] == [("a", "b")]
    assert proposals[0].strength > 0.9
    assert {s.kind for s in proposals[0].evidence} == {
        "registrant", "registrar", "name_server", "address", "uri", "range", "hosting",
    }  # fmt: skip


def test_a_sinkhole_ties_no_botnets_together(calls: Any) -> None:
    material = Material(
        contacts=(*calls(1, "192.0.2.1", botnet="a"), *calls(1, "192.0.2.1", botnet="b", at=1)),
        suspects=(),
        sinkholes=frozenset({"192.0.2.1"}),
    )
    drawn = make(material, Options(today=date(2026, 3, 2)))
    assert propose(marks_of(drawn, material), unrelated(drawn)) == []
