"""How a plan holds when something goes wrong: unknown controllers, a partner fails, a day is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.takedown.plan.greedy import greedy
from sakimori.takedown.plan.model import ADDRESSES, NAMES, PEERS
from sakimori.takedown.plan.problem import restricted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sakimori.takedown.plan.model import Graph, Group
    from sakimori.takedown.plan.problem import Flags, Problem

_DRAWS = 3
_DELAY_HOURS = 24.0
_PLANNED_ANEW = 3  # partners; for the others only what this plan loses


def robustness(
    graph: Graph, problem: Problem, cut: Flags, unknown: Sequence[float]
) -> dict[str, Any]:
    """Return the bots isolated in each case; shares in `unknown` are of controllers, 0..1.

    Unknown controllers: that share is drawn and hidden, the rest planned anew (greedily) and the
    plan judged with all of them; mean and worst of several draws. A partner fails: its cuts are
    left out of this plan; for the worst, also what a new plan without it could reach. A day's
    delay: paths that come up within a day are open as well.
    """
    weight = graph.limits.collateral_weight
    return {
        "unknown_controllers": [
            {"share": share, **_unknown(graph, problem, share, weight)} for share in unknown
        ],
        "partner_fails": _partners(graph, problem, cut, weight),
        "delay": {"hours": _DELAY_HOURS, "bots": _delayed(graph, problem, cut)},
    }


def is_isolated(group: Group, cuts: Collection[str]) -> bool:
    """Whether every known path of the group holds a cut resource; without a path it is not."""
    return bool(group.paths) and all(any(r in cuts for r in path) for path in group.paths)


def _delayed(graph: Graph, problem: Problem, cut: Flags) -> float:
    cuts = {problem.ids[i] for i in cut.nonzero()[0]}
    back = sum(
        g.bots for g in graph.groups
        if g.later and is_isolated(g, cuts) and _reopens(g, cuts)
    )  # fmt: skip
    return problem.bots(cut) - back


def _reopens(group: Group, cuts: Collection[str]) -> bool:
    return any(
        later.after_hours <= _DELAY_HOURS and not any(r in cuts for r in later.path)
        for later in group.later
    )


def _unknown(graph: Graph, problem: Problem, share: float, weight: float) -> dict[str, float]:
    import numpy as np  # noqa: PLC0415

    kinds = (*NAMES, *ADDRESSES, *PEERS)
    pool = np.array([graph.resources[r].kind in kinds for r in problem.ids], dtype=bool)
    places = np.flatnonzero(pool) if pool.any() else np.arange(len(problem.ids))
    chance = np.random.default_rng(1)
    reached = []
    for _ in range(_DRAWS):
        hidden = np.zeros(len(problem.ids), dtype=bool)
        hidden[chance.choice(places, round(share * len(places)), replace=False)] = True
        seen = restricted(problem, unseen=hidden)
        reached.append(problem.bots(greedy(seen, weight)))
    return {"bots": sum(reached) / len(reached), "worst": min(reached)}


def _partners(graph: Graph, problem: Problem, cut: Flags, weight: float) -> list[dict[str, Any]]:
    import numpy as np  # noqa: PLC0415

    partners = np.array([graph.resources[r].partner for r in problem.ids], dtype=object)
    used = sorted({str(p) for p in partners[cut] if p})
    loss = {p: problem.bots(cut & (partners != p)) for p in used}
    cases = []
    for at, partner in enumerate(sorted(used, key=lambda p: (loss[p], p))):
        anew = None
        if at < _PLANNED_ANEW:
            left = restricted(problem, barred=partners == partner)
            anew = left.bots(greedy(left, weight))
        cases.append({"partner": partner, "cuts": int((cut & (partners == partner)).sum()),
                      "bots": loss[partner], "planned_anew": anew})  # fmt: skip
    return cases
