from __future__ import annotations

import itertools
import json
import random
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown.plan import Limits, Lists, Plan, as_object, graph_of, make_plan
from sakimori.takedown.plan.bound import relaxed
from sakimori.takedown.plan.gates import values_of
from sakimori.takedown.plan.greedy import greedy, improved
from sakimori.takedown.plan.problem import build, restricted, shortest

SCHEMAS = files("sakimori") / "schemas"


def made(graph: dict[str, Any], lists: Lists | None = None, **limits: Any) -> Plan:
    return make_plan(graph_of(graph, "graph.json", Limits(**limits)), lists)


def graph(
    resources: list[dict[str, Any]], *groups: tuple[float, list[list[str]]]
) -> dict[str, Any]:
    return {
        "resources": resources,
        "groups": [{"id": f"g{n}", "bots": b, "paths": p} for n, (b, p) in enumerate(groups)],
    }


def named(*ids: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": i, "kind": "controller", **fields} for i in ids]


def best_of_all(given: dict[str, Any], budget: float) -> tuple[float, float]:
    """Try every cut: the most bots within the budget, and the least collateral for them."""
    resources = {r["id"]: r for r in given["resources"]}
    best = (0.0, 0.0)
    for count in range(len(resources) + 1):
        for cut in itertools.combinations(resources, count):
            if sum(resources[r]["cost"] for r in cut) > budget:
                continue
            bots = sum(
                g["bots"] for g in given["groups"]
                if all(set(cut) & set(path) for path in g["paths"])
            )  # fmt: skip
            best = max(best, (bots, -sum(resources[r]["collateral"] for r in cut)))
    return best[0], -best[1]


@st.composite
def small(draw: st.DrawFn) -> dict[str, Any]:
    ids = [f"r{n}" for n in range(draw(st.integers(1, 7)))]
    number = st.integers(0, 6)
    resources = [{"id": i, "kind": "controller", "cost": draw(number), "collateral": draw(number)}
                 for i in ids]  # fmt: skip
    path = st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True)
    paths = st.lists(path, min_size=1, max_size=3)
    groups = draw(st.lists(st.tuples(st.integers(1, 50), paths), max_size=6))
    return graph(resources, *groups)


@settings(max_examples=60, deadline=None)
@given(small(), st.integers(0, 15))
def test_the_plan_is_the_best_of_all_cuts(given: dict[str, Any], budget: int) -> None:
    plan = made(given, budget=budget)
    bots, collateral = best_of_all(given, budget)
    assert plan.optimal
    assert (plan.bots, plan.bound) == (bots, bots)
    assert plan.collateral == collateral
    assert plan.cost <= budget


@settings(max_examples=40, deadline=None)
@given(small(), st.integers(0, 15), st.integers(1, 200))
def test_the_bound_is_never_below_the_best(given: dict[str, Any], budget: int, steps: int) -> None:
    problem = build(graph_of(given, "graph.json", Limits(budget=budget)), ())
    bound = relaxed(problem, 0.0, steps / 10_000).bound
    assert bound >= best_of_all(given, budget)[0] - 1e-6


@settings(max_examples=30, deadline=None)
@given(small(), st.integers(0, 15))
def test_a_search_never_makes_a_plan_worse_and_keeps_the_limits(
    given: dict[str, Any], budget: int
) -> None:
    problem = build(graph_of(given, "graph.json", Limits(budget=budget)), ())
    start = greedy(problem, 0.0)
    better = improved(problem, start, 0.0, 0.01)
    assert problem.fits(start)
    assert problem.fits(better)
    assert problem.bots(better) >= problem.bots(start)


@settings(max_examples=30, deadline=None)
@given(small())
def test_the_gain_that_greedy_keeps_is_the_gain_counted_anew(given: dict[str, Any]) -> None:
    from sakimori.takedown.plan.greedy import _State  # noqa: PLC0415

    problem = build(graph_of(given, "graph.json", Limits()), ())
    state = _State(problem, 0.0)
    for at in range(len(problem.ids)):
        if state.gain[at] > 1e-9:
            state._take(at)
            fresh = _State(problem, 0.0, state.cut)
            assert state.gain == pytest.approx(fresh.gain)


def test_a_group_is_cut_only_when_every_path_is() -> None:
    two_servers = graph(named("first", "second"), (10, [["first"], ["second"]]))
    assert made(two_servers, budget=1).isolated == ()
    assert made(two_servers, budget=2).isolated == ("g0",)


def test_one_cut_on_a_path_is_enough_and_the_gentler_one_is_taken() -> None:
    resources = [
        {"id": "evil.example", "kind": "name", "collateral": 0},
        {"id": "host", "kind": "hosting", "collateral": 500},
    ]
    plan = made(graph(resources, (10, [["evil.example", "host"]])))
    assert plan.cuts == ("evil.example",)


def test_budgets_of_partners_and_jurisdictions_hold() -> None:
    resources = named("a", "b", partner="registrar", jurisdiction="jp") + named("c", partner="host")
    both = graph(resources, (5, [["a"]]), (6, [["b"]]), (1, [["c"]]))
    plan = made(both, partners={"registrar": 1})
    assert plan.cuts == ("b", "c")
    assert plan.optimal
    assert made(both, jurisdictions={"jp": 0}).cuts == ("c",)


def test_what_takes_longer_than_the_window_is_refused() -> None:
    slow = graph([{"id": "court", "kind": "registry", "hours": 72}], (5, [["court"]]))
    plan = made(slow, window_hours=24)
    assert plan.cuts == ()
    assert [r.id for r in plan.refused] == ["court"]
    assert "72 hours" in plan.refused[0].why
    assert plan.remaining[0].why == "a path can only be cut at resources that the gates refuse"


def test_collateral_can_outweigh_bots() -> None:
    costly = graph(named("shared", collateral=100), (5, [["shared"]]))
    assert made(costly).cuts == ("shared",)
    assert made(costly, collateral_weight=1.0).cuts == ()
    assert made(costly, max_collateral=50).cuts == ()


GATES = [
    ({"id": "x", "kind": "name", "value": "co.jp"}, "public suffix"),
    ({"id": "duckdns.org", "kind": "name"}, "dynamic-DNS"),
    ({"id": "x", "kind": "name", "value": "3322.org"}, "dynamic-DNS"),
    ({"id": "x", "kind": "name", "value": "Popular.EXAMPLE."}, "most used names"),
    ({"id": "x", "kind": "name", "value": "www.popular.example"}, "most used names"),
    ({"id": "x", "kind": "name", "rank": 12}, "most used names"),
    ({"id": "x", "kind": "name", "top_list": True}, "most used names"),
    ({"id": "x", "kind": "address", "shared_names": 11}, "shared address"),
    ({"id": "x", "kind": "address", "value": "192.0.2.1", "names": ["n"] * 11}, "shared address"),
    ({"id": "x", "kind": "address", "value": "192.0.2.66"}, "sinkhole"),
    ({"id": "x", "kind": "address", "sinkhole": True}, "sinkhole"),
    ({"id": "x", "kind": "address", "value": "127.0.0.1"}, "no address of one host"),
]


@pytest.mark.parametrize(("resource", "why"), GATES, ids=[str(i) for i, _ in GATES])
def test_a_gate_refuses_with_the_reason(resource: dict[str, Any], why: str) -> None:
    lists = Lists(sinkholes={"192.0.2.66"}, top={"popular.example"})
    plan = made(graph([resource], (5, [[resource["id"]]])), lists)
    assert plan.cuts == ()
    assert [r.id for r in plan.refused] == [resource["id"]]
    assert why in plan.refused[0].why


@pytest.mark.parametrize(
    ("name", "value"),
    [("sinkholes", "192.0.2.66"), ("top_list", "Popular.example."), ("public_suffixes", "x.example"),
     ("dynamic_dns", "dyn.example")],
)  # fmt: skip
def test_lists_beside_the_resources_are_gates_too(name: str, value: str) -> None:
    given = graph([{"id": "r", "kind": "", "value": value.lower()}], (5, [["r"]]))
    assert made(given).cuts == ("r",)
    assert made({**given, name: [value]}).cuts == ()


def test_how_many_names_an_address_may_share_can_stand_in_the_graph() -> None:
    given = graph([{"id": "r", "kind": "address", "shared": 40}], (5, [["r"]]))
    assert made(given).cuts == ()
    assert made({**given, "most_shared": 40}).cuts == ("r",)


@pytest.mark.parametrize(
    "resource",
    [
        {"id": "r1", "kind": "name"},
        {"id": "evil.duckdns.org", "kind": "name"},
        {"id": "x", "kind": "address", "shared_names": 10},
        {"id": "x", "kind": "address"},
        {"id": "com", "kind": "hosting"},
        {"id": "x", "kind": "name", "value": "unpopular.example"},
    ],
    ids=str,
)
def test_a_gate_lets_pass_what_harms_nobody_else(resource: dict[str, Any]) -> None:
    plan = made(graph([resource], (5, [[resource["id"]]])), Lists(top={"popular.example"}))
    assert plan.cuts == (resource["id"],)


def test_a_missing_authority_is_listed_and_does_not_refuse() -> None:
    resources = [*named("a"), *named("b", authority="court order 12/2026")]
    plan = made(graph(resources, (5, [["a"]]), (5, [["b"]])))
    assert plan.cuts == ("a", "b")
    assert plan.needs_authority == ("a",)


def test_what_remains_is_named_with_its_open_paths() -> None:
    plan = made(graph(named("a", "b"), (9, [["a"], ["b"]]), (3, []), (2, [[]])), budget=1)
    remaining = {r.group: r for r in plan.remaining}
    assert set(remaining) == {"g0", "g1", "g2"}
    assert remaining["g0"].paths == (("a",), ("b",))
    assert remaining["g1"].why == "no path to a controller is known, so nothing can be cut"
    assert remaining["g2"].why == "a path holds no resource that could be cut"


def test_it_says_plainly_what_cutting_peers_cannot_do() -> None:
    peers = [{"id": f"p{n}", "kind": "peer"} for n in range(3)]
    plan = made(graph(peers, (1000, [["p0"], ["p1"], ["p2"]])))
    assert any("does not end a peer-to-peer botnet" in note.text for note in plan.notes)
    assert "1,000 bots" in plan.notes[0].text


def test_a_partner_that_fails_loses_its_cuts_and_a_new_plan_is_tried() -> None:
    resources = named("a", partner="one") + named("b", partner="two")
    plan = made(graph(resources, (10, [["a", "b"]]), (4, [["a"]])))
    assert plan.cuts == ("a",)
    assert plan.robustness["partner_fails"] == [
        {"partner": "one", "cuts": 1, "bots": 0.0, "planned_anew": 10.0}
    ]


def test_a_day_late_later_paths_are_open() -> None:
    given = graph(named("a", "tomorrow"), (10, [["a"]]), (3, [["a"]]))
    given["groups"][0]["later"] = [{"after_hours": 12, "path": ["tomorrow"]}]
    plan = made(given)
    assert plan.bots == 13
    assert plan.robustness["delay"]["bots"] == 3
    assert "domain generator" in plan.notes[0].text


def test_unknown_controllers_cost_what_their_paths_carry() -> None:
    given = graph([{"id": f"a{n}", "kind": "address"} for n in range(10)],
                  *((1, [[f"a{n}"]]) for n in range(10)))  # fmt: skip
    plan = make_plan(graph_of(given, "g"), unknown=(0.0, 0.5))
    none, half = plan.robustness["unknown_controllers"]
    assert none["bots"] == 10
    assert half["bots"] == 5


def test_hiding_and_barring_differ() -> None:
    import numpy as np  # noqa: PLC0415

    problem = build(graph_of(graph(named("a", "b"), (10, [["a"], ["b"]])), "g"), ())
    a = np.array([True, False])
    assert restricted(problem, unseen=a).bots(~a) == 10, "who does not know a thinks b is all"
    assert restricted(problem, barred=a).groups == 0, "who may not cut a cannot isolate"


def test_longer_paths_are_covered_by_shorter_ones() -> None:
    paths = shortest([("a", "b"), ("a",), ("c", "a"), ("b", "c")])
    assert paths == {frozenset({"a"}), frozenset({"b", "c"})}


def test_a_larger_graph_has_a_tight_bound_in_little_time() -> None:
    chance = random.Random(3)
    resources = [{"id": f"r{n}", "cost": chance.randint(1, 9)} for n in range(200)]
    groups = [
        (chance.randint(1, 100),
         [[f"r{chance.randrange(200)}" for _ in range(chance.randint(1, 3))]
          for _ in range(chance.randint(1, 2))])
        for _ in range(1500)
    ]  # fmt: skip
    plan = made(graph(resources, *groups), budget=300, seconds=2.0)
    assert plan.cost <= 300
    assert plan.bots <= plan.bound <= 1.05 * plan.bots
    assert plan.bots >= plan.greedy_bots


def test_the_json_keeps_its_schema() -> None:
    given = graph(named("a", "b", partner="p"), (10, [["a"], ["b"]]), (5, [["a"]]), (1, []))
    jsonschema.validate(given, json.loads((SCHEMAS / "graph.schema.json").read_text("utf-8")))
    told = as_object(made(given, budget=1))
    jsonschema.validate(told, json.loads((SCHEMAS / "plan.schema.json").read_text("utf-8")))
    assert told["bots"] == 5
    assert told["cuts"] == ["a"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "not a graph"),
        ({"groups": []}, "'resources' is missing"),
        ({"resources": [{}], "groups": []}, "resources[0]: 'id' is missing"),
        ({"resources": [{"id": "a"}, {"id": "a"}], "groups": []}, "there twice"),
        ({"resources": [{"id": "a", "cost": -1}], "groups": []}, "'cost' is -1"),
        ({"resources": [{"id": "a", "cost": float("nan")}], "groups": []}, "'cost' is nan"),
        ({"resources": [], "groups": [{"id": "g", "paths": [["x"]]}]}, "'x' is not among"),
        ({"resources": [], "groups": [{"id": "g", "paths": "x"}]}, "'paths' is missing or no list"),
        ({"resources": [], "groups": [{"id": "g", "paths": [[{}]]}]}, "list of resource ids"),
        ({"resources": [], "groups": [], "budget": "ten"}, "'budget' is 'ten'"),
        ({"resources": ["a"], "groups": []}, "a resource is an object"),
    ],
)  # fmt: skip
def test_a_malformed_graph_is_refused_with_the_place(given: Any, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        graph_of(given, "graph.json")
    assert message in str(caught.value)
    assert "graph.json" in str(caught.value)


def test_an_empty_graph_is_an_empty_plan() -> None:
    plan = made({"resources": [], "groups": []}, budget=10)
    assert (plan.cuts, plan.bots, plan.bound, plan.optimal) == ((), 0, 0, True)


def test_lists_take_ranked_rows_and_comments() -> None:
    assert values_of(["1,Popular.Example", "# no", "", "plain.example. # why"]) == {
        "popular.example", "plain.example",
    }  # fmt: skip
