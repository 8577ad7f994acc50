from __future__ import annotations

from typing import Any

from sakimori.takedown.map import already_cut

HOLES = frozenset({"192.0.2.1"})


def sunk(drawn: Any) -> bool:
    return bool(drawn.nodes["name:c2.example.com"].attributes.get("sinkhole"))


def test_a_name_that_was_last_led_to_a_sinkhole_is_cut(
    draw: Any, calls: Any, resolves: Any
) -> None:
    pdns = (*resolves("c2.example.com", "198.51.100.1"),
            *resolves("c2.example.com", "192.0.2.1", days=3))  # fmt: skip
    drawn = draw(contacts=calls(1, "c2.example.com"), pdns=pdns, sinkholes=HOLES)
    assert sunk(drawn)
    assert already_cut(drawn) == [drawn.groups[0].id]


def test_a_name_that_came_back_from_a_sinkhole_is_not_cut(
    draw: Any, calls: Any, resolves: Any
) -> None:
    pdns = (*resolves("c2.example.com", "192.0.2.1"),
            *resolves("c2.example.com", "198.51.100.1", days=3))  # fmt: skip
    assert not sunk(draw(contacts=calls(1, "c2.example.com"), pdns=pdns, sinkholes=HOLES))


def test_name_servers_of_a_sinkhole_cut_a_name(draw: Any, calls: Any, resolves: Any) -> None:
    pdns = resolves("example.com", "ns1.microsoftinternetsafety.net", "NS")
    assert sunk(draw(contacts=calls(1, "c2.example.com"), pdns=pdns))


def test_what_only_calls_itself_a_sinkhole_is_told_and_not_believed(
    draw: Any, calls: Any, resolves: Any
) -> None:
    pdns = resolves("example.com", "ns1.sinkhole.example", "NS")
    drawn = draw(contacts=calls(1, "c2.example.com"), pdns=pdns)
    assert not sunk(drawn)
    assert [(n.node, n.reason) for n in drawn.notes] == [("name:c2.example.com", "claims_sinkhole")]
