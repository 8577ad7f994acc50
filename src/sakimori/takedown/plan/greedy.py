"""A good plan at once: cut what brings the most bots nearer to isolation for its cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sakimori.takedown.plan.problem import Flags, Floats, Problem

_FREE = 1e-6  # what costs nothing still may not divide by zero
_TAKEN_OUT = (0.02, 0.2)  # share of the cuts that one try of `improved` gives up


def greedy(problem: Problem, weight: float, favour: Floats | None = None) -> Flags:
    """Return a cut within the limits, without cuts that isolate nobody.

    A path counts its group's bots divided by the square of the group's open paths: groups that are
    nearly isolated are finished first. `weight`: see `Limits.collateral_weight`; `favour`, one
    factor for each resource, leans the choice, for example to what a relaxation chose.
    """
    import numpy as np  # noqa: PLC0415

    state = _State(problem, weight)
    state.fill(np.ones(len(problem.ids)) if favour is None else favour)
    return pruned(problem, state.cut, weight)


def improved(problem: Problem, start: Flags, weight: float, seconds: float) -> Flags:
    """Return the start or better: some cuts are given up by chance and the budget is spent anew.

    Large neighbourhood search (Shaw 1998), the same tries each time but for the clock.
    """
    import numpy as np  # noqa: PLC0415

    chance = np.random.default_rng(1)
    ends = time.monotonic() + seconds
    best, reached = start, _value(problem, start, weight)
    while time.monotonic() < ends and best.any():
        share = chance.uniform(*_TAKEN_OUT)
        kept = best & (chance.random(len(best)) >= share)
        state = _State(problem, weight, kept)
        state.fill(chance.uniform(0.7, 1.3, len(best)))
        cut = pruned(problem, state.cut, weight)
        state = _State(problem, weight, cut)  # what pruning saved can be spent
        state.fill(np.ones(len(best)))
        cut = pruned(problem, state.cut, weight)
        value = _value(problem, cut, weight)
        if value > reached:
            best, reached = cut, value
    return best


def _value(problem: Problem, cut: Flags, weight: float) -> float:
    return problem.bots(cut) - weight * float(problem.collateral[cut].sum())


class _State:
    """What is cut so far, and what each resource would gain; kept up to date cut by cut."""

    def __init__(self, problem: Problem, weight: float, cut: Flags | None = None) -> None:
        import numpy as np  # noqa: PLC0415

        self.p = problem
        self.turned = problem.turned
        self.cut = np.zeros(len(problem.ids), dtype=bool) if cut is None else cut.copy()
        self.price = (problem.cost + weight * problem.collateral + _FREE) * (
            1.0 + 1e-9 * problem.collateral  # between equals the one that hurts fewer
        )
        self.used = problem.rows @ self.cut
        self.open = ~((problem.hits @ self.cut.astype(np.float64)) > 0)
        self.left = np.bincount(problem.owner[self.open], minlength=problem.groups)
        self.share = self._shares(slice(None))
        weights = np.where(self.open, self.share[problem.owner], 0.0)
        self.gain = self.turned @ weights

    def fill(self, favour: Floats) -> None:
        """Cut what gains most for its price until nothing fits or gains."""
        import numpy as np  # noqa: PLC0415

        rows, tops = self.p.rows, self.p.tops[:, None] + 1e-9
        lean = favour / self.price
        while len(self.cut):
            fitting = (self.used[:, None] + rows <= tops).all(axis=0) & ~self.cut
            value = np.where(fitting, self.gain * lean, 0.0)
            best = int(value.argmax())
            if value[best] <= 1e-9 * lean[best]:
                return
            self._take(best)

    def _take(self, at: int) -> None:
        import numpy as np  # noqa: PLC0415

        p = self.p
        self.cut[at] = True
        self.used += p.rows[:, at]
        paths = self.turned.indices[self.turned.indptr[at] : self.turned.indptr[at + 1]]
        paths = paths[self.open[paths]]
        groups = np.unique(p.owner[paths])
        touched = np.concatenate([np.arange(p.first[g], p.first[g + 1]) for g in groups])
        touched = touched[self.open[touched]]
        self._spread(touched, -self.share[p.owner[touched]])
        self.open[paths] = False
        np.subtract.at(self.left, p.owner[paths], 1)
        self.share[groups] = self._shares(groups)
        touched = touched[self.open[touched]]
        self._spread(touched, self.share[p.owner[touched]])

    def _shares(self, groups: Any) -> Floats:
        import numpy as np  # noqa: PLC0415

        shares: Floats = self.p.worth[groups] / np.maximum(self.left[groups], 1) ** 2
        return shares

    def _spread(self, paths: Any, amounts: Floats) -> None:
        """Add an amount to the gain of each resource on each path."""
        import numpy as np  # noqa: PLC0415

        hits = self.p.hits
        lengths = hits.indptr[paths + 1] - hits.indptr[paths]
        if not len(paths):
            return
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        columns = hits.indices[np.repeat(hits.indptr[paths], lengths) + places]
        np.add.at(self.gain, columns, np.repeat(amounts, lengths))


def pruned(problem: Problem, cut: Flags, weight: float = 0.0) -> Flags:
    """Return the cut without what it does not need: most collateral first, then most cost.

    With a weight, also without cuts whose collateral outweighs the bots they bring.
    """
    import numpy as np  # noqa: PLC0415

    kept = cut.copy()
    hits = problem.hits @ kept.astype(np.float64)
    turned = problem.turned
    counts = problem.isolated(kept)[problem.owner]  # only paths of isolated groups matter
    for at in np.lexsort((-problem.cost, -problem.collateral)):
        if not kept[at]:
            continue
        paths = turned.indices[turned.indptr[at] : turned.indptr[at + 1]]
        lost = np.unique(problem.owner[paths[(hits[paths] <= 1) & counts[paths]]])
        if problem.worth[lost].sum() > weight * problem.collateral[at]:
            continue
        kept[at] = False
        hits[paths] -= 1
        for group in lost:
            counts[problem.first[group] : problem.first[group + 1]] = False
    return kept
