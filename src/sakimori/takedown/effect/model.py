"""One series, one date: the regression, its ratio, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sakimori.takedown.effect.design import after, answer
from sakimori.takedown.effect.noise import Mixture, Whitener, fit, grid
from sakimori.takedown.effect.scan import Steps, jumps_in, with_steps

if TYPE_CHECKING:
    from sakimori.takedown.effect.design import Answer
    from sakimori.takedown.effect.noise import Array, Fit, Grid

SLOPE_LEVEL = 0.005  # a change of trend enters the model when its p value is below this
SLOPE_STEPS = 8  # and when there are so many steps on both sides
CLEAR = 0.001  # p value of the change at the date below which later jumps are looked for
LATER_JUMP = 0.005  # chance that a series without later jumps shows one
SIDE = 0.95
WIDER = 1.05  # of standard errors: that the model was chosen by the data is in none of them
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Measured:
    """The regression at a date.

    `effect` is what is known of the mean log ratio over the steps after the date; `start`, `end`
    the same at the first and the last of them. `counterfactual`, `low`, `high` are fitted counts
    without the action at every step; before it they are the fit. `avoided` has estimate, low, high.
    `changes` counts the columns that the action may have changed.
    """

    effect: Mixture
    start: Mixture
    end: Mixture
    changes: int
    slope: bool
    kind: str
    fit: Fit
    counterfactual: Array
    low: Array
    high: Array
    avoided: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is regressed: counts (NaN where missing), the columns before the action's, the cut.

    `offset` is the log of a control series, or zeros; `scale` fixes the answer where a control
    takes part, and is None where the counts choose it.
    """

    counts: Array
    columns: Array
    cut: int
    offset: Array
    scale: Answer | None = None

    def answer(self, columns: Array) -> Answer:
        """Return the answer for these columns."""
        return answer(self.counts, columns) if self.scale is None else self.scale


def measure(problem: Problem) -> Measured | None:
    """Estimate what changed at the cut; None where the data cannot tell.

    Level, trend and season go on; the level changes at the cut. The trend changes too when that
    change is clear (p < 0.5 %): always allowing it widens the interval by a third and finds a 40 %
    drop in 89 of 100 instead of 100. After a clear effect, later jumps that chance does not explain
    are part of what followed: what ends after two weeks is not an effect of eight weeks. Without
    one they are not looked for: errors with heavy tails jump by themselves, and 16 of 100 series
    without effect showed one.
    """
    length, at = len(problem.counts), problem.cut
    seen = ~np.isnan(problem.counts)
    before, later = int(seen[:at].sum()), int(seen[at:].sum())
    changes = after(length, at, slope=False)
    found = _fitted(problem, changes)
    if found is None:
        return None
    if min(before, later) >= SLOPE_STEPS:
        bent = _fitted(problem, after(length, at, slope=True))
        if bent is not None and bent.last().p_value() < SLOPE_LEVEL:
            found, changes = bent, after(length, at, slope=True)
        clear = found.at_cut(problem.cut).p_value() < CLEAR
        further = _later_jumps(problem, found) if clear else ()
        if further:
            stepped = _fitted(problem, with_steps(changes, further))
            found = stepped or found
    return _told(problem, found)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fit, the answer and all columns; those from `own` on are what the action may change."""

    fit: Fit
    scale: Answer
    whiten: Whitener
    columns: Array
    own: int

    def last(self) -> Mixture:
        """Return what is known of the last coefficient."""
        of = np.zeros(self.columns.shape[1])
        of[-1] = 1.0
        return self.fit.contrast(of)

    def at_cut(self, cut: int) -> Mixture:
        """Return what is known of the change at the cut itself."""
        of = np.zeros(self.columns.shape[1])
        of[self.own :] = self.columns[cut, self.own :]
        return self.fit.contrast(of)


def _fitted(problem: Problem, changes: Array) -> _Fitted | None:
    columns = np.column_stack([problem.columns, changes])
    scale = problem.answer(columns)
    seen = ~np.isnan(problem.counts)
    whiten = Whitener.build(grid(), seen, scale.weight)
    found = fit(whiten, grid(), columns, scale.values)
    own = problem.columns.shape[1]
    return None if found is None else _Fitted(found, scale, whiten, columns, own)


def _later_jumps(problem: Problem, found: _Fitted) -> tuple[int, ...]:
    seen = ~np.isnan(problem.counts)
    dates = np.flatnonzero(seen)
    dates = dates[dates >= problem.cut][3:-2]
    if len(dates) < SLOPE_STEPS:
        return ()
    pairs = found.fit.likely()
    whiten = Whitener.build(pairs, seen, found.scale.weight)
    values = np.where(seen, found.scale.values, np.nan)
    steps = Steps.build(whiten, dates)
    return jumps_in(whiten, pairs, (found.columns, values), steps, LATER_JUMP)


def _told(problem: Problem, fitted: _Fitted) -> Measured:
    found, scale, columns = fitted.fit, fitted.scale, fitted.columns
    seen = ~np.isnan(problem.counts)
    changes = columns.copy()
    changes[:, : fitted.own] = 0.0
    later = np.flatnonzero(seen & (np.arange(len(seen)) >= problem.cut))
    without = columns - changes
    draws = _draws(found)
    clean = without @ draws.T + problem.offset[:, None]
    change = changes[later] @ draws.T
    rest = (scale.values - columns @ (found.weight @ found.beta))[seen]
    smear = 0.0 if scale.kind == "count" else float(np.log(np.mean(np.exp(rest - rest.mean()))))
    shares = [0.5, (1 - SIDE) / 2, (1 + SIDE) / 2]
    counterfactual, low, high = np.exp(np.quantile(clean, shares, axis=1))
    avoided = _avoided(problem.counts[later], clean[later] + smear, change)
    return Measured(
        effect=found.contrast(changes[later].mean(axis=0)).wider(WIDER),
        start=found.contrast(changes[later[0]]).wider(WIDER),
        end=found.contrast(changes[later[-1]]).wider(WIDER),
        changes=columns.shape[1] - fitted.own,
        slope=bool((columns[:, fitted.own :] % 1).any()),
        kind=scale.kind,
        fit=found,
        counterfactual=counterfactual,
        low=low,
        high=high,
        avoided=avoided,
    )


def _avoided(counts: Array, clean: Array, change: Array) -> tuple[float, float, float]:
    """Return events that did not happen, with their 95 % interval, from draws (steps, draws).

    Where every step had events, each is divided by its ratio, so that what else happened on that
    day stays in. Where some had none, the fitted counts without the action are used.
    """
    if counts.min() > 0:
        total = (counts[:, None] * np.expm1(np.clip(-change, -50, 50))).sum(axis=0)
    else:
        total = (np.exp(np.clip(clean, -50, 50)) - counts[:, None]).sum(axis=0)
    middle, low, high = np.quantile(total, [0.5, (1 - SIDE) / 2, (1 + SIDE) / 2])
    return float(middle), float(low), float(high)


def _draws(found: Fit) -> Array:
    """Draw coefficients from what is known of them, (draws, k); the same draws every time."""
    rng = np.random.default_rng(20110316)
    pairs = rng.choice(len(found.weight), size=_DRAWS, p=found.weight)
    root = np.linalg.cholesky(found.inverse + 1e-14 * np.eye(found.inverse.shape[1]))
    normal = rng.normal(size=(_DRAWS, root.shape[1]))
    tail = np.sqrt(found.freedom / rng.chisquare(found.freedom, size=_DRAWS))
    size = WIDER * np.sqrt(found.spread[pairs]) * tail
    return np.asarray(
        found.beta[pairs] + np.einsum("dij,dj->di", root[pairs], normal) * size[:, None]
    )


def least_ratio(problem: Problem, pairs: Grid) -> float | None:
    """Return the weakest drop, as a ratio, that would be found with 80 % power at the 5 % level.

    Only steps before the cut are looked at for the noise; those after it say how many there are,
    so that it can be told beforehand. None when there are too few.
    """
    cut = problem.cut
    seen = ~np.isnan(problem.counts)
    early = seen & (np.arange(len(seen)) < cut)
    known = np.where(early, problem.counts, np.nan)
    columns = problem.columns
    varying = np.ptp(columns[early], axis=0) > 0 if early.any() else np.zeros(columns.shape[1])
    scale = problem.answer(columns) if problem.scale else answer(known, columns)
    values = np.where(early, scale.values, np.nan)
    weight = np.where(np.isfinite(scale.weight), scale.weight, 1.0)
    kept = columns[:, np.append(True, varying[1:].astype(bool))]
    noise = fit(Whitener.build(pairs, early, weight), pairs, kept, values)
    full = np.column_stack([kept, after(len(seen), cut, slope=False)])
    whole = fit(Whitener.build(pairs, seen, weight), pairs, full, np.where(seen, 0.0, np.nan))
    if noise is None or whole is None:
        return None
    error = np.sqrt(noise.spread * whole.inverse[:, -1, -1])
    around = Mixture(noise.weight, np.zeros(len(error)), WIDER * error, whole.freedom)
    return float(np.exp(-(around.quantile(0.975) + around.quantile(0.8))))
