"""The optimum with its certificate: an integer program solved by HiGHS.

Variables: cut x of each resource (0 or 1), isolated y of each group (0..1). For each path of a
group y <= the sum of x over the path's resources; so y is 1 only if every path is hit, and needs no
integrality of its own. Stage one isolates the most bots; stage two, with those bots kept, does the
least collateral and then costs the least.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.takedown.plan.bound import relaxed
from sakimori.takedown.plan.greedy import greedy, improved, pruned

if TYPE_CHECKING:
    from sakimori.takedown.plan.problem import Flags, Floats, Problem

_LEAST_SECONDS = 0.5  # below, a second search is not worth starting
_FOR_BOUND, _FOR_SOLVER, _FOR_SEARCH = 0.2, 0.5, 0.6  # shares of the time that is left
_SAME = 1e-6
_SOLVED = 0  # status of scipy's milp: optimal


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best cut known and the most that any cut could reach: bots - weight * collateral."""

    cut: Flags
    bound: float


def optimum(problem: Problem, start: Flags, weight: float, seconds: float) -> Optimum:
    """Return the best cut found within the time, never worse than `start`, and the bound."""
    ends = time.monotonic() + seconds
    everything = start | True
    if weight == 0 and problem.fits(everything):
        best, bound = pruned(problem, everything), float(problem.worth.sum())
    else:
        best, bound = _most_bots(problem, start, weight, ends)
    left = ends - time.monotonic()
    if left > _LEAST_SECONDS and (problem.collateral.any() or problem.cost.any()):
        best = _least_harm(problem, best, weight, left)
    return Optimum(pruned(problem, best, weight), bound)


def value(problem: Problem, cut: Flags, weight: float) -> float:
    """Return what stage one maximises."""
    return problem.bots(cut) - weight * float(problem.collateral[cut].sum())


def harm(problem: Problem) -> Floats:
    """Return what stage two minimises: collateral, and cost only between equals."""
    total = float(problem.cost.sum()) or 1.0
    smallest = float(problem.collateral[problem.collateral > 0].min(initial=1.0))
    scaled: Floats = problem.collateral + problem.cost * (1e-3 * smallest / total)
    return scaled if problem.collateral.any() else problem.cost


def _most_bots(problem: Problem, start: Flags, weight: float, ends: float) -> tuple[Flags, float]:
    """Relaxation for the bound, rounding, the integer program, and a search where that gave up."""
    import numpy as np  # noqa: PLC0415

    began = time.monotonic()
    relaxation = relaxed(problem, weight, (ends - began) * _FOR_BOUND)
    bound = relaxation.bound
    rounded = greedy(problem, weight, 0.02 + relaxation.cut)
    best = max(start, rounded, key=lambda cut: value(problem, cut, weight))
    if value(problem, best, weight) < bound - _SAME:
        objective = np.concatenate([weight * problem.collateral, -problem.worth])
        found = _solve(problem, objective, None, (ends - time.monotonic()) * _FOR_SOLVER)
        if found.mip_dual_bound is not None and np.isfinite(found.mip_dual_bound):
            bound = min(bound, -float(found.mip_dual_bound))
        best = _better(problem, found, best, weight)
        if found.status != _SOLVED:
            best = improved(problem, best, weight, (ends - time.monotonic()) * _FOR_SEARCH)
    return best, max(bound, value(problem, best, weight))


def _better(problem: Problem, found: Any, start: Flags, weight: float) -> Flags:
    """Return what the solver found, or the start where it found nothing better or nothing valid."""
    if found.x is None:
        return start
    cut: Flags = found.x[: len(problem.ids)] > 0.5
    good = problem.fits(cut) and value(problem, cut, weight) >= value(problem, start, weight)
    return cut if good else start


def _least_harm(problem: Problem, best: Flags, weight: float, seconds: float) -> Flags:
    import numpy as np  # noqa: PLC0415

    weights = harm(problem)
    objective = np.concatenate([weights, np.zeros(problem.groups)])
    reached = value(problem, best, weight)
    found = _solve(problem, objective, (weight, reached - 1e-6 * max(1.0, abs(reached))), seconds)
    if found.x is None:
        return best
    cut: Flags = found.x[: len(problem.ids)] > 0.5
    same = problem.fits(cut) and value(problem, cut, weight) >= reached - 1e-6
    return cut if same and weights @ cut < weights @ best else best


def _solve(
    problem: Problem, objective: Floats, floor: tuple[float, float] | None, seconds: float
) -> Any:
    """Minimise the objective under the paths, the limits and, with a floor, the value reached."""
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415
    from scipy.sparse import csr_array, hstack  # noqa: PLC0415

    paths, n, m = problem.hits.shape[0], len(problem.ids), problem.groups
    own = csr_array((np.ones(paths), (np.arange(paths), problem.owner)), shape=(paths, m))
    rules = [LinearConstraint(hstack([-problem.hits, own], format="csr"), -np.inf, 0.0)]
    if len(problem.tops):
        limits = np.hstack([problem.rows, np.zeros((len(problem.tops), m))])
        rules.append(LinearConstraint(limits, -np.inf, problem.tops))
    if floor is not None:
        weight, least = floor
        row = np.concatenate([-weight * problem.collateral, problem.worth])[None, :]
        rules.append(LinearConstraint(row, least, np.inf))
    return milp(
        objective,
        integrality=np.concatenate([np.ones(n), np.zeros(m)]),
        bounds=Bounds(0, 1),
        constraints=rules,
        options={"time_limit": max(seconds, 0.1), "mip_rel_gap": 1e-9},
    )
