from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.takedown.map import Options, already_cut, make, to_plan
from sakimori.takedown.map.model import Contact, Material, PdnsRecord, Registration, Suspect, Way

if TYPE_CHECKING:
    from collections.abc import Iterable


def paths(drawn: Any) -> list[list[str]]:
    (group,) = to_plan(drawn)["groups"]
    found: list[list[str]] = group["paths"]
    return found


def isolated(graph: dict[str, Any], cut: set[str]) -> set[str]:
    return {g["id"] for g in graph["groups"] if all(cut & set(path) for path in g["paths"])}


def test_a_name_falls_with_its_registration_its_only_address_and_its_only_server(
    material: Material,
) -> None:
    graph = to_plan(make(material, Options(today=date(2026, 3, 2))))
    small, large = sorted(graph["groups"], key=lambda g: g["bots"])
    first = ["name:c2.example.com", "name:example.com", "hold:example.com", "address:192.0.2.1",
             "route:192.0.2.1", "name_server:host.example"]  # fmt: skip
    assert small["paths"] == [first, ["dga:bn/2026-03-03/net"], ["url:http://blog.example/x"]]
    assert large["paths"] == small["paths"]  # the address is met on the way of the name
    of_id = {r["id"]: r for r in graph["resources"]}
    assert of_id["name:example.com"]["partner"] == "registrar:registrar x"
    assert of_id["name:example.com"]["collateral"] == 1  # other.example.com
    assert of_id["hold:example.com"]["jurisdiction"] == "US"
    assert of_id["address:192.0.2.1"] == {
        "id": "address:192.0.2.1", "kind": "address", "cost": 2.0, "collateral": 1,
        "partner": "hosting:bullet", "jurisdiction": "NL", "names_on_address": 2,
    }  # fmt: skip
    assert of_id["dga:bn/2026-03-03/net"]["cost"] == pytest.approx(0.2)


def test_of_two_addresses_neither_breaks_the_way_of_a_name(
    draw: Any, calls: Any, resolves: Any
) -> None:
    drawn = draw(contacts=calls(1, "example.com"),
                 pdns=resolves("example.com", "192.0.2.1 192.0.2.2"))  # fmt: skip
    assert paths(drawn) == [["name:example.com"]]


def test_of_two_operators_of_name_servers_neither_breaks_it(
    draw: Any, calls: Any, resolves: Any
) -> None:
    drawn = draw(contacts=calls(1, "example.com"),
                 pdns=resolves("example.com", "ns.one.example ns.two.example", "NS"))  # fmt: skip
    assert paths(drawn) == [["name:example.com"]]


def test_each_controller_is_a_way_of_its_own(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=calls(1, "example.com", "192.0.2.1"))
    assert paths(drawn) == [["address:192.0.2.1"], ["name:example.com"]]


def test_a_listed_address_stays_a_way_though_a_name_leads_to_it(
    draw: Any, calls: Any, resolves: Any
) -> None:
    seen: dict[str, Any] = {
        "contacts": calls(1, "example.com", "192.0.2.1"),
        "pdns": resolves("example.com", "192.0.2.1 192.0.2.2"),
    }
    assert paths(draw(**seen)) == [["name:example.com"]]
    listed = (Way("bn", 1, "server", "192.0.2.1"),)
    assert paths(draw(**seen, ways=listed)) == [["name:example.com"], ["address:192.0.2.1"]]


def test_the_parent_of_a_dynamic_name_is_no_resource(draw: Any, calls: Any) -> None:
    graph = to_plan(draw(contacts=calls(1, "evil.duckdns.org", "a.evil.duckdns.org")))
    assert {r["id"] for r in graph["resources"]} == {
        "name:evil.duckdns.org", "name:a.evil.duckdns.org",
    }  # fmt: skip
    of_id = {r["id"]: r for r in graph["resources"]}
    assert of_id["name:evil.duckdns.org"]["partner"] == "dynamic-dns:duckdns.org"


def test_what_is_not_known_cannot_be_cut(draw: Any, calls: Any) -> None:
    graph = to_plan(draw(contacts=(*calls(2), Contact("10.0.9.9", "192.0.2.9", "p2p", "peer"))))
    everything = {r["id"] for r in graph["resources"]}
    assert isolated(graph, everything) == set()
    assert sorted(g["paths"] for g in graph["groups"]) == [[[]], [["address:192.0.2.9"], []]]


def test_a_sinkhole_is_cut_already(draw: Any, calls: Any) -> None:
    suspects = (Suspect("s.example.com", 1.0, sinkhole=True), Suspect("c2.example.com"))
    contacts = (*calls(2, "s.example.com"), *calls(3, "s.example.com", "c2.example.com", at=1))
    drawn = draw(contacts=contacts, suspects=suspects)
    graph = to_plan(drawn)
    assert [(g["bots"], g["paths"][0][0]) for g in graph["groups"]] == [(3, "name:c2.example.com")]
    assert len(already_cut(drawn)) == 1


def test_a_single_generated_name_is_as_a_name(draw: Any, calls: Any) -> None:
    ways = (Way("bn", 1, "dga-day", "q.example.net", date(2026, 3, 3)),)
    facts = (Registration("example.net", "Reg X"),)
    drawn = draw(contacts=calls(1), ways=ways, registrations=facts)
    assert paths(drawn) == [["name:q.example.net", "name:example.net"]]


def test_costs_can_be_given(draw: Any, calls: Any) -> None:
    graph = to_plan(draw(contacts=calls(1, "192.0.2.1")), {"address": 9.0})
    assert graph["resources"][0]["cost"] == 9.0


names = st.sampled_from(["a.example.com", "b.example.com", "c.example.net", "x.duckdns.org"])
addresses = st.sampled_from(["192.0.2.1", "192.0.2.2"])


@given(
    st.lists(st.tuples(st.integers(0, 4), names | addresses), min_size=1, max_size=12),
    st.lists(st.tuples(names, addresses), max_size=6, unique=True),
    st.data(),
)
@settings(max_examples=50)
def test_a_group_falls_exactly_when_every_way_holds_a_cut(
    called: list[tuple[int, str]], pdns: list[tuple[str, str]], data: st.DataObject
) -> None:
    drawn = make(
        Material(
            contacts=tuple(Contact(f"10.0.0.{bot}", c, "bn") for bot, c in called),
            pdns=tuple(PdnsRecord(name, "A", address) for name, address in pdns),
        ),
        Options(today=date(2026, 3, 2)),
    )
    graph = to_plan(drawn)
    ids = [r["id"] for r in graph["resources"]]
    assert len(ids) == len(set(ids))
    used = {one for g in graph["groups"] for path in g["paths"] for one in path}
    assert used == set(ids)
    # Every controller's name and every address without a name cut: all known ways are broken.
    assert isolated(graph, set(ids)) == {g.id for g in drawn.groups}
    some = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    cut_names = {n for n in some if n.startswith("name:")}
    for group in drawn.groups:
        if all(_broken(step.targets, cut_names) for step in group.order):
            assert group.id in isolated(graph, some)


def _broken(targets: Iterable[str], cut: set[str]) -> bool:
    return any(target in cut for target in targets)
