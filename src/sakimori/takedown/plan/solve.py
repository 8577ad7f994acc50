"""The plan: gates, greedy, optimum, what remains, and how it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.takedown.plan.gates import Lists, refusals
from sakimori.takedown.plan.greedy import greedy
from sakimori.takedown.plan.model import PEERS, Limits, Note, Plan, Remains
from sakimori.takedown.plan.optimum import optimum, value
from sakimori.takedown.plan.problem import build
from sakimori.takedown.plan.robustness import is_isolated, robustness

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sakimori.takedown.plan.model import Graph, Group

UNKNOWN_SHARES = (0.1, 0.3)
P2P = (
    "{groups} groups with {bots} bots have paths through peers. Cutting peers one by one does not end a"
    " peer-to-peer botnet: its bots carry lists of one another and its owner can send orders through"
    " any peer that is left. What ends one is changing the peer lists themselves, which is an act"
    " for law enforcement and not done by this tool. Tell the victims, and watch for a new list."
)
NO_PATH = "no path to a controller is known, so nothing can be cut"
NO_RESOURCE = "a path holds no resource that could be cut"
REFUSED = "a path can only be cut at resources that the gates refuse"
OUTWEIGHED = "its bots do not outweigh the collateral"
NO_BUDGET = "the budget went to groups with more bots"
REASONS = (NO_PATH, NO_RESOURCE, REFUSED, OUTWEIGHED, NO_BUDGET)
LATER = (
    "{groups} groups with {bots} bots have paths that open later (next days of a domain generator,"
    " dead drops): the names of those days must be registered or blocked ahead."
)


def make_plan(
    graph: Graph,
    lists: Lists | None = None,
    *,
    unknown: Sequence[float] = UNKNOWN_SHARES,
) -> Plan:
    """Return what to cut, within `graph.limits` and past the gates.

    Takes about `limits.seconds` at most for the optimum, and little for the rest. Source of the
    form: Nadji et al. 2013 (rza) for whole-botnet takedowns; the integer program is our own.
    """
    limits = graph.limits
    refused = refusals(graph, lists or Lists(), limits)
    barred = {r.id for r in refused}
    problem = build(graph, barred)
    start = greedy(problem, limits.collateral_weight)
    best = optimum(problem, start, limits.collateral_weight, limits.seconds)
    cuts = tuple(problem.ids[i] for i in best.cut.nonzero()[0])
    chosen = set(cuts)
    isolated = [g for g in graph.groups if is_isolated(g, chosen)]
    reached = value(problem, best.cut, limits.collateral_weight)
    bots = sum(g.bots for g in isolated)
    whole = all(float(g.bots).is_integer() for g in graph.groups)
    bound = _bound(best.bound, reached, whole=whole and limits.collateral_weight == 0)
    return Plan(
        cuts=cuts,
        isolated=tuple(g.id for g in isolated),
        bots=bots,
        all_bots=sum(g.bots for g in graph.groups),
        cost=float(problem.cost[best.cut].sum()),
        collateral=float(problem.collateral[best.cut].sum()),
        optimal=bound - reached <= 1e-6 * max(1.0, abs(bound)),
        bound=bound,
        greedy_bots=problem.bots(start),
        refused=tuple(refused),
        needs_authority=tuple(c for c in cuts if not graph.resources[c].authority),
        remaining=tuple(_remains(graph.groups, chosen, barred, limits)),
        robustness=robustness(graph, problem, best.cut, unknown),
        notes=tuple(_notes(graph)),
    )


def _bound(bound: float, reached: float, *, whole: bool) -> float:
    """Return the bound; bots are whole, so a bound of 20.7 bots proves 20."""
    import math  # noqa: PLC0415

    return max(reached, math.floor(bound + 1e-6)) if whole else max(reached, bound)


def _remains(
    groups: Sequence[Group], cuts: Collection[str], barred: Collection[str], limits: Limits
) -> list[Remains]:
    left = []
    for group in groups:
        if is_isolated(group, cuts):
            continue
        paths = tuple(p for p in group.paths if not any(r in cuts for r in p))
        left.append(Remains(group.id, group.bots, _why(group, barred, limits), paths))
    return sorted(left, key=lambda r: (-r.bots, r.group))


def _why(group: Group, barred: Collection[str], limits: Limits) -> str:
    if not group.paths:
        return NO_PATH
    if not all(group.paths):
        return NO_RESOURCE
    if any(all(r in barred for r in path) for path in group.paths):
        return REFUSED
    bounded = (limits.budget, limits.max_collateral)
    if all(b is None for b in bounded) and not limits.partners and not limits.jurisdictions:
        return OUTWEIGHED
    return NO_BUDGET


def _notes(graph: Graph) -> list[Note]:
    kinds = {r.id: r.kind for r in graph.resources.values()}
    peers = [g for g in graph.groups if any(kinds[r] in PEERS for path in g.paths for r in path)]
    later = [g for g in graph.groups if g.later]
    return [
        Note(message, len(found), sum(g.bots for g in found))
        for message, found in ((P2P, peers), (LATER, later))
        if found
    ]
