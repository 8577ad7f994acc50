from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.takedown.map import Material, Options, make, of_botnet
from sakimori.takedown.map.model import Contact, Crowd, Lore, Suspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.map import BotnetMap

TODAY = date(2026, 3, 2)


def test_bots_of_one_habit_are_one_group(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=(*calls(5, "c2.example", "192.0.2.1"), *calls(2, "c2.example", at=1)))
    assert sorted(g.bots for g in drawn.groups) == [2, 5]
    assert sum(n.kind == "group" for n in drawn.nodes.values()) == 2
    assert all(len(g.hosts) == g.bots for g in drawn.groups)


def test_the_likeliest_controller_is_tried_first(draw: Any, calls: Any) -> None:
    drawn = draw(
        contacts=calls(1, "a.example", "b.example"),
        suspects=(Suspect("a.example", 0.2), Suspect("b.example", 0.9)),
    )
    (group,) = drawn.groups
    assert [s.targets for s in group.order] == [("name:b.example",), ("name:a.example",)]


def test_an_edge_adds_up_its_sightings_and_names_each_source(draw: Any, calls: Any) -> None:
    (one, *_) = calls(1, "c2.example")
    drawn = draw(contacts=(one, replace(one, source="event:feed", count=4)))
    (edge,) = [e for e in drawn.edges if e.relation == "calls"]
    assert edge.sources == ("event:feed", "finding")
    assert edge.count == 5


def test_bots_without_a_known_controller_have_a_way_that_is_not_known(
    draw: Any, calls: Any
) -> None:
    (group,) = draw(contacts=calls(3)).groups
    assert [s.kind for s in group.order] == ["unknown"]
    assert group.bots == 3


def test_peers_are_told_from_servers(draw: Any) -> None:
    drawn = draw(contacts=(Contact("10.0.0.1", "192.0.2.9", "bn", "peer"),))
    (group,) = drawn.groups
    assert group.peer_to_peer
    assert [s.kind for s in group.order] == ["peer", "unknown"]
    assert drawn.nodes["address:192.0.2.9"].kind == "peer"


def test_a_crowd_joins_the_botnet_whose_controller_it_calls(draw: Any, calls: Any) -> None:
    drawn = draw(
        contacts=calls(2, "c2.example"),
        crowds=(Crowd(("c2.example", "d.example"), 900), Crowd(("z.example",), 7)),
    )
    assert {(g.botnet, g.bots) for g in drawn.groups} == {
        ("bn", 2), ("bn", 900), ("unassigned", 7),
    }  # fmt: skip
    assert "counted_twice" in {w.reason for w in drawn.warnings}


def test_a_map_can_be_narrowed_to_one_botnet(draw: Any, calls: Any) -> None:
    everything = Material(
        contacts=(*calls(2, "c2.example"), *calls(2, "d.example", botnet="other", at=1)),
        crowds=(Crowd(("c2.example",), 9), Crowd(("d.example",), 8)),
        suspects=(Suspect("c2.example"), Suspect("d.example")),
    )
    drawn = make(of_botnet(everything, "bn"), Options(today=TODAY))
    assert {g.botnet for g in drawn.groups} == {"bn"}
    assert sum(g.bots for g in drawn.groups) == 11
    assert "name:d.example" not in drawn.nodes


def test_what_others_report_for_the_family_is_shown_and_the_rest_counted(
    draw: Any, calls: Any
) -> None:
    lore = tuple(Lore("bn", "Mozi", f"c{n}.example", "intel:feed") for n in range(60))
    drawn = draw(contacts=calls(1, "c2.example"), lore=lore)
    assert sum(e.relation == "is said to use" for e in drawn.edges) == 50
    (warning,) = [w for w in drawn.warnings if w.reason == "lore"]
    assert warning.values == {"count": 60, "family": "Mozi", "shown": 50}
    (group,) = drawn.groups
    assert len(group.order) == 1  # reported for the family is not seen to be used


controllers = st.sampled_from(["a.example", "b.example", "192.0.2.1", "http://c.example/x", ""])
contacts = st.lists(
    st.builds(
        Contact, st.integers(0, 6).map(lambda n: f"10.0.0.{n}"), controllers,
        st.sampled_from(["one", "two"]),
    ),
    max_size=40,
)  # fmt: skip


@given(contacts)
def test_every_bot_is_counted_once_and_every_edge_has_its_ends(rows: list[Contact]) -> None:
    drawn = make(Material(contacts=tuple(rows)), Options(today=TODAY))
    assert sum(g.bots for g in drawn.groups) == len({(c.botnet, c.bot) for c in rows})
    assert all(e.source in drawn.nodes and e.target in drawn.nodes for e in drawn.edges)
    assert all(e.sources for e in drawn.edges)
    assert all(g.order for g in drawn.groups)


@given(contacts, st.randoms())
def test_the_order_of_rows_changes_nothing(rows: list[Contact], chance: Any) -> None:
    def drawn(its: list[Contact]) -> BotnetMap:
        found = make(Material(contacts=tuple(its)), Options(today=TODAY))
        groups = tuple(sorted((replace(g, hosts=()) for g in found.groups), key=lambda g: g.id))
        return replace(found, groups=groups)

    mixed = list(rows)
    chance.shuffle(mixed)
    assert drawn(rows) == drawn(mixed)


@pytest.mark.parametrize("times", [1, 3])
def test_the_id_of_a_group_stays_while_bots_come_and_go(
    draw: Callable[..., Any], calls: Any, times: int
) -> None:
    (group,) = draw(contacts=calls(times, "c2.example", "d.example")).groups
    assert group.id == draw(contacts=calls(2, "d.example", "c2.example", at=9)).groups[0].id
