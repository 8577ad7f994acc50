"""The graph as matrices: what may be cut, paths that must be hit, and what each group is worth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from sakimori.takedown.plan.model import Graph, Limits, Resource

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Problem:
    """Groups that could be isolated at all, those with the same paths merged into one.

    `hits` has a row for each path and a column for each resource that may be cut; `owner` names
    each path's merged group; `rows` and `tops` are the limits: rows @ cut <= tops.
    """

    ids: tuple[str, ...]
    cost: Floats
    collateral: Floats
    hits: Any  # scipy csr_array, paths x resources
    owner: npt.NDArray[np.int64]
    worth: Floats
    rows: Floats
    tops: Floats
    first: npt.NDArray[np.int64]  # the first path of each merged group, and the end
    turned: Any  # `hits` by resource

    @property
    def groups(self) -> int:
        """How many merged groups there are."""
        return len(self.worth)

    def isolated(self, cut: Flags) -> Flags:
        """Return which merged groups have every path hit."""
        import numpy as np  # noqa: PLC0415

        hit = (self.hits @ cut.astype(np.float64)) > 0
        alive = np.zeros(self.groups, dtype=bool)
        alive[self.owner[~hit]] = True
        return ~alive

    def bots(self, cut: Flags) -> float:
        """Return the bots that this cut isolates."""
        return float(self.worth[self.isolated(cut)].sum())

    def fits(self, cut: Flags) -> bool:
        """Whether the cut keeps every limit."""
        return bool((self.rows @ cut <= self.tops + 1e-9).all())


def restricted(
    problem: Problem, *, barred: Flags | None = None, unseen: Flags | None = None
) -> Problem:
    """Return the problem with the same resources, of which some cannot be cut or are not known.

    `barred`: cuts that are not to be had; a group that has a path of only such cannot be isolated.
    `unseen`: controllers nobody knows of; the paths through them are missing.
    """
    import numpy as np  # noqa: PLC0415
    from scipy.sparse import diags_array  # noqa: PLC0415

    rows = np.ones(len(problem.owner), dtype=bool)
    hits = problem.hits
    if unseen is not None:
        rows &= (hits @ unseen.astype(np.float64)) == 0
    if barred is not None:
        hits = (hits @ diags_array((~barred).astype(np.float64))).tocsr()
        hits.eliminate_zeros()
        lost = problem.owner[np.diff(hits.indptr) == 0]
        rows &= ~np.isin(problem.owner, lost)
    kept, owner = np.unique(problem.owner[rows], return_inverse=True)
    hits = hits[np.flatnonzero(rows)]
    return replace(
        problem,
        hits=hits,
        owner=owner.astype(np.int64),
        worth=problem.worth[kept],
        first=np.searchsorted(owner, np.arange(len(kept) + 1)),
        turned=hits.T.tocsr(),
    )


def shortest(paths: Iterable[Collection[str]]) -> frozenset[frozenset[str]]:
    """Return the paths without those that hold another one: cutting the shorter cuts both."""
    different = {frozenset(p) for p in paths}
    if len(different) < 2:
        return frozenset(different)
    return frozenset(p for p in different if not any(other < p for other in different))


def build(graph: Graph, refused: Collection[str]) -> Problem:
    """Return the problem without what may not be cut and without groups that no cut isolates."""
    import numpy as np  # noqa: PLC0415
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    barred = set(refused)
    merged: defaultdict[frozenset[frozenset[str]], float] = defaultdict(float)
    for group in graph.groups:
        given = group.paths if not barred else [set(p) - barred for p in group.paths]
        paths = shortest(given)
        if paths and all(paths):
            merged[paths] += group.bots
    ids = tuple(sorted({r for paths in merged for path in paths for r in path}))
    column = {r: at for at, r in enumerate(ids)}
    owner: list[int] = []
    where: list[int] = []
    which: list[int] = []
    for at, paths in enumerate(merged):
        for path in paths:
            which.extend(column[r] for r in path)
            where.extend([len(owner)] * len(path))
            owner.append(at)
    resources = [graph.resources[r] for r in ids]
    rows, tops = _limits(resources, graph.limits)
    owners = np.array(owner, dtype=np.int64)
    hits = csr_array(
        (np.ones(len(which)), (np.array(where, dtype=np.int64), np.array(which, dtype=np.int64))),
        shape=(len(owner), len(ids)),
    )
    return Problem(
        ids=ids,
        cost=np.array([r.cost for r in resources], dtype=np.float64),
        collateral=np.array([r.collateral for r in resources], dtype=np.float64),
        hits=hits,
        owner=owners,
        worth=np.array(list(merged.values()), dtype=np.float64),
        rows=rows,
        tops=tops,
        first=np.searchsorted(owners, np.arange(len(merged) + 1)),
        turned=hits.T.tocsr(),
    )


def _limits(resources: Sequence[Resource], limits: Limits) -> tuple[Floats, Floats]:
    import numpy as np  # noqa: PLC0415

    rows: list[list[float]] = []
    tops: list[float] = []
    if limits.budget is not None:
        rows.append([r.cost for r in resources])
        tops.append(limits.budget)
    if limits.max_collateral is not None:
        rows.append([r.collateral for r in resources])
        tops.append(limits.max_collateral)
    for name, top in limits.partners.items():
        rows.append([r.cost if r.partner == name else 0.0 for r in resources])
        tops.append(top)
    for name, top in limits.jurisdictions.items():
        rows.append([r.cost if r.jurisdiction == name else 0.0 for r in resources])
        tops.append(top)
    return (np.array(rows, dtype=np.float64).reshape(len(rows), len(resources)),
            np.array(tops, dtype=np.float64))  # fmt: skip
