"""A bound that proves how good a plan is, in a second: the linear relaxation by a first-order method.

For multipliers a >= 0 of the paths and b >= 0 of the limits, no plan can be worth more than

    sum over groups of max(0, worth - its paths' a)
    + sum over resources of max(0, its paths' a - weight * collateral - its share of b)
    + b @ tops

whatever the multipliers are; so a search that is stopped early still proves its bound. The search is
the primal-dual hybrid gradient method with diagonal steps, and restarts at the average.
Sources: Chambolle and Pock 2011; Pock and Chambolle 2011 (diagonal steps); Applegate et al. 2021
(restarts). Steps are scaled by each group's worth: groups differ by orders of magnitude.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sakimori.takedown.plan.problem import Floats, Problem

_EVERY = 50  # steps between two looks at the bound
_RESTART = 400
_ENOUGH = 1e-5  # a look that improves the bound by less than this share is the last but a few
_PATIENCE = 8


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The bound on bots - weight * collateral, and the relaxed cuts (0..1) that came near it."""

    bound: float
    cut: Floats


def relaxed(problem: Problem, weight: float, seconds: float) -> Relaxed:
    """Return a proven bound and the relaxed solution after at most these seconds."""
    import numpy as np  # noqa: PLC0415

    if not problem.groups:
        return Relaxed(0.0, np.zeros(len(problem.ids)))
    search = _Search(problem, weight)
    best = Relaxed(float(problem.worth.sum()), np.zeros(len(problem.ids)))
    ends, stalled = time.monotonic() + seconds, 0
    while time.monotonic() < ends and stalled < _PATIENCE:
        search.run(_EVERY)
        found = search.look()
        stalled = 0 if found.bound < best.bound * (1 - _ENOUGH) else stalled + 1
        if found.bound < best.bound:
            best = found
    return best


class _Search:
    """The state of the iteration: primal cut and isolated, dual a (paths) and b (limits)."""

    def __init__(self, problem: Problem, weight: float) -> None:
        import numpy as np  # noqa: PLC0415

        self.p = problem
        self.hits, self.turned = problem.hits, problem.turned
        self.harm = weight * problem.collateral
        kept = problem.rows.max(axis=1, initial=0.0) > 0  # a limit on nothing limits nothing
        scale = problem.rows[kept].max(axis=1, initial=0.0)
        self.rows = problem.rows[kept] / scale[:, None]
        self.tops = problem.tops[kept] / scale
        paths = np.bincount(problem.owner, minlength=problem.groups)
        even = (problem.worth / np.maximum(paths, 1))[problem.owner] + 1e-9
        self._steps(even)
        self.cut, self.alive = np.zeros(len(problem.ids)), np.zeros(problem.groups)
        self.a, self.b = even, np.zeros(len(self.tops))
        self.sums: list[Any] = []
        self.count = 0
        self._forget()

    def _steps(self, even: Floats) -> None:
        """Steps that keep the iteration stable: Pock and Chambolle 2011, lemma 2, rows scaled."""
        import numpy as np  # noqa: PLC0415

        pull = self.turned @ even
        strongest = np.maximum(self.rows.max(axis=0, initial=0.0), 1e-9)
        limits = np.full(len(self.tops), float(np.median(pull / strongest)) if len(pull) else 1.0)
        self.step_a = even / (np.diff(self.hits.indptr) + 1)
        self.step_b = limits / self.rows.sum(axis=1)
        self.step_cut = 1.0 / (pull + limits @ self.rows)
        self.step_alive = 1.0 / self._by_group(even)

    def _by_group(self, values: Floats) -> Floats:
        import numpy as np  # noqa: PLC0415

        summed = np.bincount(self.p.owner, weights=values, minlength=self.p.groups)
        return summed.astype(np.float64)

    def run(self, steps: int) -> None:
        """Go on by this many steps."""
        import numpy as np  # noqa: PLC0415

        for _ in range(steps):
            down_cut = self.harm - self.turned @ self.a + self.b @ self.rows
            down_alive = self._by_group(self.a) - self.p.worth
            cut = np.clip(self.cut - self.step_cut * down_cut, 0.0, 1.0)
            alive = np.clip(self.alive - self.step_alive * down_alive, 0.0, 1.0)
            ahead_cut, ahead_alive = 2 * cut - self.cut, 2 * alive - self.alive
            up_a = ahead_alive[self.p.owner] - self.hits @ ahead_cut
            self.a = np.maximum(self.a + self.step_a * up_a, 0.0)
            self.b = np.maximum(self.b + self.step_b * (self.rows @ ahead_cut - self.tops), 0.0)
            self.cut, self.alive = cut, alive
            self.sums = [s + v for s, v in zip(self.sums, self._state(), strict=True)]
            self.count += 1

    def look(self) -> Relaxed:
        """Return the better bound of the last point and the average; restart there now and then."""
        cut, _alive, a, b = mean = [s / self.count for s in self.sums]
        averaged, last = self._bound(a, b), self._bound(self.a, self.b)
        found = Relaxed(averaged, cut) if averaged <= last else Relaxed(last, self.cut)
        if self.count >= _RESTART:
            if averaged <= last:
                self.cut, self.alive, self.a, self.b = mean
            self._forget()
        return found

    def _bound(self, a: Floats, b: Floats) -> float:
        import numpy as np  # noqa: PLC0415

        groups = np.maximum(self.p.worth - self._by_group(a), 0.0).sum()
        resources = np.maximum(self.turned @ a - self.harm - b @ self.rows, 0.0).sum()
        return float(groups + resources + b @ self.tops)

    def _state(self) -> tuple[Any, ...]:
        return self.cut, self.alive, self.a, self.b

    def _forget(self) -> None:
        self.sums = [v * 0.0 for v in self._state()]
        self.count = 0
