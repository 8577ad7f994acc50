"""From series and a date to what changed in each of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sakimori.errors import ConfigError
from sakimori.takedown.effect import outages
from sakimori.takedown.effect.design import Answer, base, halved
from sakimori.takedown.effect.model import Problem, least_ratio, measure
from sakimori.takedown.effect.noise import Whitener
from sakimori.takedown.effect.notes import Note
from sakimori.takedown.effect.scan import Steps, jumps_in, placebo
from sakimori.takedown.effect.series import Cut, Series, cut_at, inside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from sakimori.takedown.effect.model import Measured
    from sakimori.takedown.effect.noise import Array, Grid
    from sakimori.takedown.effect.scan import Placebo

LEAST_BEFORE, LEAST_AFTER = 8, 3
FEW_BEFORE, FEW_AFTER = 28, 7
WANDERS = 0.85


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure.

    `control` names a series that the action did not touch. `outages` are periods of sensor failure,
    both ends included; `find_outages` looks for more. `sensor_changes` are dates from which a
    sensor counts otherwise. `until` is the last time that is used.
    """

    control: str | None = None
    outages: tuple[tuple[datetime, datetime], ...] = ()
    find_outages: bool = True
    sensor_changes: tuple[datetime, ...] = ()
    holidays: frozenset[date] = frozenset()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """What the chart draws: at each time the counts (NaN where left out) and the counterfactual."""

    times: tuple[datetime, ...]
    seen: Array
    counterfactual: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Moved:
    """Another series that rose after the date; `extra` events, `p_value` corrected (Holm)."""

    series: str
    ratio: float
    low: float
    high: float
    extra: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What the action did to one series; numbers are None where the data cannot tell.

    `ratio` is counts seen over counts expected without the action: the geometric mean over the steps
    after the date, with its 95 % interval `low` .. `high`. `start_ratio` and `end_ratio` are the same
    at the first and last of those steps. `p_value` is None when `placebo_rate` is above 0.1.
    `minimum_detectable_ratio` comes from the noise before the date alone. `avoided` counts events
    over the steps that have a value. Days count from the date.
    """

    series: str
    unit: str
    before: int
    after: int
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    placebo_rate: float | None = None
    placebo_dates: int = 0
    minimum_detectable_ratio: float | None = None
    avoided: float | None = None
    avoided_low: float | None = None
    avoided_high: float | None = None
    half_time_days: float | None = None
    recovery_days: float | None = None
    start_ratio: float | None = None
    end_ratio: float | None = None
    change_points: tuple[datetime, ...] = ()
    change_at_date: bool | None = None
    control: str | None = None
    memory: float | None = None
    model: str = ""
    displacement: tuple[Moved, ...] = ()
    notes: tuple[Note, ...] = ()
    curve: Curve | None = field(default=None, repr=False, compare=False)


def effects(
    every: Sequence[Series], when: datetime, options: Options | None = None
) -> list[Effect]:
    """Measure what changed at `when` in each series; they share one grid (see `series.on_grid`).

    Raises ConfigError when the date lies outside the series or the control is none of them.
    """
    options = options or Options()
    names = [one.name for one in every]
    if options.control is not None and options.control not in names:
        raise ConfigError(
            f"no series is named {options.control!r}", hint="there are: " + ", ".join(names[:20])
        )
    if options.until is not None:
        every = [one.until(options.until) for one in every]
    cut = cut_at(every[0], when)
    ready = prepared(every, cut, options)
    steps = tuple(every[0].unit.steps(every[0].start, at) for at in options.sensor_changes)
    control = next((r.series for r in ready if r.series.name == options.control), None)
    found = [_one(r, cut, control, options, steps) for r in ready]
    if control is not None:
        found = [_beside_control(f, found) for f in found]
    return _displaced(found)


@dataclass(frozen=True, slots=True)
class Ready:
    """A series without its outages, and what was said of them."""

    series: Series
    notes: tuple[Note, ...]


def prepared(every: Sequence[Series], cut: Cut, options: Options) -> list[Ready]:
    """Set outages and the step that the action falls into aside; missing steps are only counted."""
    given = inside(every[0], options.outages)
    every = [one.without(given) for one in every]
    none = outages.Suspected(np.zeros(len(given)), ())
    found = outages.suspected(every, cut.first) if options.find_outages else [none for _ in every]
    return [_ready(one, cut, given, s) for one, s in zip(every, found, strict=True)]


def _ready(one: Series, cut: Cut, given: Array, suspected: outages.Suspected) -> Ready:
    notes = []
    there = np.flatnonzero(~np.isnan(one.values))
    own = slice(there[0], there[-1] + 1) if len(there) else slice(0)
    missing = int((np.isnan(one.values) & (given == 0.0))[own].sum())
    if given.any():
        notes.append(Note("given", {"count": int(given.sum())}))
    if missing:
        notes.append(Note("missing", {"count": missing}))
    if suspected.aside.any():
        at = np.flatnonzero(suspected.aside)
        when = _listed(one, at.tolist())
        notes.append(Note("outage", {"count": len(at), "when": when}))
    notes += [Note("zeros", {"when": _shown(one, at)}) for at in suspected.kept]
    aside = suspected.aside.copy()
    if cut.mixed is not None:
        aside[cut.mixed] = 1.0
        notes.append(Note("mixed", {"when": _shown(one, cut.mixed)}))
    return Ready(one.without(aside), tuple(notes))


def _listed(one: Series, steps: Sequence[int]) -> str:
    shown = ", ".join(_shown(one, at) for at in steps[:5])
    return shown + (", ..." if len(steps) > 5 else "")


def _shown(one: Series, at: int) -> str:
    return one.time(at).strftime("%Y-%m-%d %H:%M" if one.unit == "hour" else "%Y-%m-%d")


def _one(
    ready: Ready, cut: Cut, control: Series | None, options: Options, steps: tuple[int, ...]
) -> Effect:
    one, notes = ready.series, list(ready.notes)
    beside = None if control is None or control.name == one.name else control
    if control is not None and beside is None:
        notes.append(Note("control-self"))
    if beside is not None:
        gaps = np.isnan(beside.values) & ~np.isnan(one.values)
        if gaps.any():
            notes.append(Note("control-gaps", {"count": int(gaps.sum())}))
            one = one.without(gaps)
    seen = ~np.isnan(one.values)
    nothing = np.full(len(seen), np.nan)
    blank = Effect(
        one.name,
        str(one.unit),
        int(seen[: cut.first].sum()),
        int(seen[cut.first :].sum()),
        control=beside.name if beside else None,
        curve=Curve(tuple(one.times), one.values, nothing, nothing, nothing),
    )
    if blank.before < LEAST_BEFORE or blank.after < LEAST_AFTER:
        short = Note("short", {"before": blank.before, "after": blank.after})
        return replace(blank, notes=(*notes, short))
    if np.ptp(one.values[seen]) == 0:
        return replace(blank, notes=(*notes, Note("flat")))
    columns = base(one, cut.first, options.holidays, steps)
    offset, scale = compared(one, beside)
    problem = Problem(one.values, columns, cut.first, offset, scale)
    measured = measure(problem)
    if measured is None:
        return replace(blank, notes=(*notes, Note("unclear")))
    return _filled(replace(blank, notes=tuple(notes)), one, problem, measured)


def compared(one: Series, control: Series | None) -> tuple[Array, Answer | None]:
    """Return the log of the control, and the answer of a difference in differences."""
    if control is None:
        return np.zeros(len(one.values)), None
    seen, of_control = halved(one.values), halved(control.values)
    half = "half" in (seen.kind, of_control.kind)
    answer = Answer(seen.values - of_control.values, seen.weight, "half" if half else "log")
    return of_control.values, answer


def _filled(blank: Effect, one: Series, problem: Problem, measured: Measured) -> Effect:
    effect, notes = measured.effect, list(blank.notes)
    pairs = measured.fit.likely()
    tried = _placebo(problem, pairs)
    if blank.before < FEW_BEFORE or blank.after < FEW_AFTER:
        notes.append(Note("few", {"before": blank.before, "after": blank.after}))
    if measured.kind == "half":
        notes.append(Note("half"))
    if measured.fit.memory > WANDERS:
        notes.append(Note("persistent", {"rho": round(measured.fit.memory, 2)}))
    notes += _of_placebo(tried, one)
    low, high = effect.quantile(0.025), effect.quantile(0.975)
    points = _change_points(problem, pairs)
    half, recovery = _times(one, problem, measured) if high < 0 else (None, None)
    return replace(
        blank,
        ratio=_ratio(effect.centre),
        low=_ratio(low),
        high=_ratio(high),
        p_value=None if tried is not None and tried.refuses else effect.p_value(),
        placebo_rate=tried.rate if tried else None,
        placebo_dates=tried.dates if tried else 0,
        minimum_detectable_ratio=least_ratio(problem, pairs),
        avoided=measured.avoided[0],
        avoided_low=measured.avoided[1],
        avoided_high=measured.avoided[2],
        half_time_days=half,
        recovery_days=recovery,
        start_ratio=_ratio(measured.start.centre),
        end_ratio=_ratio(measured.end.centre),
        change_points=tuple(one.time(at) for at in points),
        change_at_date=any(abs(at - problem.cut) <= 3 for at in points),
        memory=measured.fit.memory,
        model=_named(one, problem, measured),
        notes=tuple(notes),
        curve=Curve(
            tuple(one.times), one.values, measured.counterfactual, measured.low, measured.high
        ),
    )


def _ratio(log: float) -> float:
    return float(np.exp(np.clip(log, -60.0, 60.0)))


def _placebo(problem: Problem, pairs: Grid) -> Placebo | None:
    cut = problem.cut
    seen = ~np.isnan(problem.counts[:cut])
    if not seen.any():
        return None
    columns = problem.columns[:cut]
    kept = columns[:, np.append(True, np.ptp(columns[seen], axis=0)[1:] > 0)]
    scale = replace(problem, counts=problem.counts[:cut]).answer(kept)
    known = np.where(seen, scale.values[:cut], np.nan)
    return placebo(known, kept, scale.weight[:cut], pairs)


def _of_placebo(tried: Placebo | None, one: Series) -> list[Note]:
    if tried is None:
        return [Note("no-placebo")]
    notes = [Note("jump", {"when": _listed(one, tried.jumps)})] if tried.jumps else []
    if tried.refuses:
        share = round(100 * tried.rate)
        notes.append(Note("placebo", {"share": share, "count": tried.dates}))
    return notes


def _change_points(problem: Problem, pairs: Grid) -> tuple[int, ...]:
    """Find level changes in the whole series without being told the date."""
    seen = ~np.isnan(problem.counts)
    places = np.flatnonzero(seen)
    scale = problem.answer(problem.columns)
    whiten = Whitener.build(pairs, seen, scale.weight)
    values = np.where(seen, scale.values, np.nan)
    steps = Steps.build(whiten, places[3:-2])
    return jumps_in(whiten, pairs, (problem.columns, values), steps)


def _times(one: Series, problem: Problem, measured: Measured) -> tuple[float | None, float | None]:
    """Return days until half of the counterfactual, and until 90 % of it for good.

    Both are of a median over the seven steps that follow (of short series, a third of them).
    """
    at = np.arange(len(one.values))
    later = np.flatnonzero(~np.isnan(one.values) & (at >= problem.cut))
    share = one.values[later] / measured.counterfactual[later]
    wide = max(1, min(7, len(share) // 3))
    level = np.array([np.median(share[i : i + wide]) for i in range(len(share) - wide + 1)])
    rest = np.array([np.median(share[i:]) for i in range(len(level))])
    back = (level >= 0.9) & (rest >= 0.9) & (np.arange(len(level)) > level.argmin())

    def days(marks: np.ndarray) -> float | None:
        if not marks.any():
            return None
        return float((later[marks.argmax()] - problem.cut) * one.unit.days)

    return days(level <= 0.5), days(back)


_SCALES = {
    "log": "log counts",
    "count": "quasi-Poisson counts",
    "half": "log of counts plus a half",
}


def _named(one: Series, problem: Problem, measured: Measured) -> str:
    against = " minus those of the control" if problem.scale is not None else ""
    seasonal = problem.columns.shape[1] > 2
    parts = ["level", "trend", *(["season"] if seasonal else []), "change of level"]
    parts += ["change of trend"] if measured.slope else []
    further = measured.changes - 1 - measured.slope
    parts += [f"{further} later changes of level"] if further else []
    fit = measured.fit
    return (
        f"{_SCALES[measured.kind]}{against} by {one.unit}: {', '.join(parts)};"
        f" AR(1) errors {fit.rho:.2f} with {100 * fit.nugget:.0f} % independent noise,"
        f" averaged over restricted likelihood, t with {fit.freedom} degrees of freedom"
    )


def _beside_control(one: Effect, every: Sequence[Effect]) -> Effect:
    """Say so when the control itself changed at the date."""
    control = next((e for e in every if e.series == one.control), None)
    if control is None or control.ratio is None or control.low is None or control.high is None:
        return one
    if control.low <= 1.0 <= control.high:
        return one
    note = Note("control-moved", {"control": control.series, "ratio": round(control.ratio, 2)})
    return replace(one, notes=(*one.notes, note))


def _displaced(found: list[Effect]) -> list[Effect]:
    """Add to each series that fell the others that rose, with corrected p values."""
    risen = [e for e in found if e.low is not None and e.low > 1.0 and e.p_value is not None]
    moved = _holm(risen, len(found) - 1)
    if not moved:
        return found
    return [
        replace(
            e,
            displacement=moved,
            notes=(
                *e.notes,
                *(Note("moved", {"series": m.series, "ratio": round(m.ratio, 2)}) for m in moved),
            ),
        )
        if e.high is not None and e.high < 1.0
        else e
        for e in found
    ]


def _holm(risen: Sequence[Effect], tested: int) -> tuple[Moved, ...]:
    """Return the series whose rise stands after Holm's correction for all that were tested."""
    ordered = sorted(risen, key=lambda e: e.p_value or 0.0)
    kept, worst = [], 0.0
    for rank, e in enumerate(ordered):
        worst = max(worst, min(1.0, (e.p_value or 0.0) * max(tested - rank, 1)))
        if worst < 0.05:
            kept.append(
                Moved(
                    e.series,
                    e.ratio or 0.0,
                    e.low or 0.0,
                    e.high or 0.0,
                    -(e.avoided or 0.0),
                    worst,
                )
            )
    return tuple(kept)
