from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown.map.fallback import parse_ways
from sakimori.takedown.map.model import Way

CSV = """botnet,order,kind,value,date
bn,1,server,hxxp://c2[.]example[.]com/gate.php,
*,2,dga-day,A1.example.net,2026-03-03
bn,2,dga-day,a2.example.net,2026-03-03

bn,3,peer,192.0.2.9,
"""


def kinds(group: Any) -> list[str]:
    return [s.kind for s in group.order]


def test_a_list_is_read_as_csv_and_as_json() -> None:
    ways = parse_ways(CSV, "list.csv")
    assert ways[0] == Way("bn", 1, "server", "http://c2.example.com/gate.php", None, "list.csv")
    assert ways[1] == Way("*", 2, "dga-day", "a1.example.net", date(2026, 3, 3), "list.csv")
    rows = [
        {"botnet": w.botnet, "order": w.order, "kind": w.kind, "value": w.value,
         "date": w.date.isoformat() if w.date else None}
        for w in ways
    ]  # fmt: skip
    assert parse_ways(json.dumps(rows), "list.csv") == ways


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        pytest.param("", "l:1", "lacks", id="empty"),
        pytest.param("botnet,order,kind,value\n", "l", "no line", id="only a heading"),
        pytest.param("botnet,order\nbn,1\n", "l:1", "kind, value", id="columns missing"),
        pytest.param("botnet,order,kind,value\nbn,1,sever,a.example\n", "l:2", "sever", id="kind"),
        pytest.param("botnet,order,kind,value\nbn,x,peer,192.0.2.1\n", "l:2", "order", id="order"),
        pytest.param("botnet,order,kind,value\nbn,0,peer,192.0.2.1\n", "l:2", "order", id="zero"),
        pytest.param("botnet,order,kind,value\nbn,1,peer,???\n", "l:2", "no address", id="value"),
        pytest.param("botnet,order,kind,value\nbn,1,peer,10.0.0.1\n", "l:2", "own hosts", id="own"),
        pytest.param("botnet,order,kind,value\nbn,1,dga-day,a.example\n", "l:2", "date", id="day"),
        pytest.param("botnet,order,kind,value,date\nbn,1,server,a.example,3/4/26\n", "l:2",
                     "3/4/26", id="date"),
        pytest.param("[{]", "l:1", "JSON", id="broken JSON"),
        pytest.param('{"botnet": "bn"}', "l", "list", id="no list"),
        pytest.param('[{"kind": "peer", "order": 1}]', "l:1", "empty", id="no value"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(text: str, where: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as error:
        parse_ways(text, "l")
    assert error.value.where == where


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SourceError):  # and no other error
        parse_ways(text, "l")
    with suppress(SourceError):
        parse_ways("botnet,order,kind,value,date\n" + text, "l")


def test_what_is_called_now_comes_first_then_the_list(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=calls(2, "now.example.com"), ways=tuple(parse_ways(CSV, "list.csv")[:3]))
    (group,) = drawn.groups
    assert [s.targets for s in group.order] == [
        ("name:now.example.com",), ("url:http://c2.example.com/gate.php",),
        ("name:a1.example.net", "name:a2.example.net"),
    ]  # fmt: skip
    day = drawn.nodes["dga:bn/2026-03-03/net"]
    assert (day.kind, day.attributes["names"]) == ("dga_day", 2)
    falls = [e for e in drawn.edges if e.relation == "falls back to"]
    assert {e.sources for e in falls} == {("analyst:list.csv",)}


def test_a_server_that_is_called_keeps_the_place_the_list_gives_it(draw: Any, calls: Any) -> None:
    ways = (Way("bn", 1, "server", "b.example.com"), Way("bn", 2, "server", "a.example.com"))
    (group,) = draw(contacts=calls(1, "a.example.com"), ways=ways).groups
    assert [s.targets[0] for s in group.order] == ["name:b.example.com", "name:a.example.com"]


def test_only_the_days_ahead_count_and_the_rest_is_told(draw: Any, calls: Any) -> None:
    ways = tuple(
        Way("bn", 1, "dga-day", f"d{day.day}{day.month}.example.com", day, "l")
        for day in (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 8), date(2026, 3, 9))
    )
    drawn = draw(contacts=calls(1, "a.example.com"), ways=ways, days=7)
    (group,) = drawn.groups
    assert [s.date for s in group.order[1:]] == [date(2026, 3, 2), date(2026, 3, 8)]
    left = {w.reason: w.values["count"] for w in drawn.warnings if "count" in w.values}
    assert left == {"beyond": 1, "past": 1}


def test_what_was_not_known_stays_open_until_the_list_says_it(draw: Any, calls: Any) -> None:
    server = (Way("bn", 1, "server", "b.example.com"),)
    day = (Way("bn", 1, "dga-day", "b.example.com", date(2026, 3, 3)),)
    peer = (Way("bn", 1, "peer", "192.0.2.9"),)
    made: dict[str, Any] = {"contacts": calls(1, "a.example.com"), "generators": frozenset({"bn"})}
    assert kinds(draw(**made).groups[0]) == ["server", "unknown"]
    assert kinds(draw(**made, ways=server).groups[0]) == ["server", "server", "unknown"]
    assert kinds(draw(**made, ways=day).groups[0]) == ["server", "dga-day"]
    assert kinds(draw(contacts=calls(1), ways=server).groups[0]) == ["server"]
    assert kinds(draw(contacts=calls(1), ways=peer).groups[0]) == ["peer", "unknown"]
    assert kinds(draw(**made, ways=(*day, *peer)).groups[0]) == [
        "server", "peer", "dga-day", "unknown",
    ]  # fmt: skip
    p2p = frozenset({"bn"})
    assert kinds(draw(contacts=calls(1), ways=server, peer_to_peer=p2p).groups[0])[-1] == "unknown"


def test_a_list_for_a_botnet_that_is_not_there_is_told(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=calls(1, "a.example.com"), ways=(Way("nb", 1, "peer", "192.0.2.9"),))
    assert "no_such_botnet" in {w.reason for w in drawn.warnings}
