"""The plan of a measurement, written before the act, so that nobody can pick the answer afterwards.

A plan names the series, sensors, date, end, control and model, holds the least drop that could be
found, and a digest of the counts until then. Its own SHA-256 is what gets stamped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.errors import ConfigError
from sakimori.takedown.effect.design import base
from sakimori.takedown.effect.model import Problem, least_ratio
from sakimori.takedown.effect.noise import grid
from sakimori.takedown.effect.result import LEAST_BEFORE, Options, compared, prepared
from sakimori.takedown.effect.series import Cut, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

MODEL = "segmented-regression-reml-1"  # changes when the model gives other numbers
SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Design:
    """What is decided before the act: the date, how many steps after it count, which sensors."""

    when: datetime
    after: int
    sensors: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)


def registered(every: Sequence[Series], design: Design, now: datetime) -> dict[str, Any]:
    """Return the plan as plain JSON values. Only counts before the date are used.

    Raises ConfigError when nothing lies before the date, or the control is none of the series.
    """
    unit, start = every[0].unit, every[0].start
    cut = unit.steps(start, design.when)
    if cut < 1:
        raise ConfigError("no series has a value before the date")
    early = [_until(one, cut) for one in every]
    last = max(at for one in early for at in np.flatnonzero(~np.isnan(one.values)))
    return {
        "schema": SCHEMA_VERSION,
        "model": MODEL,
        "registered": _time(now),
        "date": _time(design.when),
        "until": _time(unit.after(design.when, design.after - 1)),
        "unit": str(unit),
        "sensors": list(design.sensors),
        **_of(design.options),
        "series": [
            {
                "series": one.name,
                "before": int((~np.isnan(one.values)).sum()),
                "minimum_detectable_ratio": least,
            }
            for one, least in zip(early, _least(early, cut, design), strict=True)
        ],
        "data": {"last": _time(unit.after(start, int(last))), "sha256": digest(early)},
    }


def _of(options: Options) -> dict[str, Any]:
    return {
        "control": options.control,
        "outages": [[_time(first), _time(end)] for first, end in options.outages],
        "find_outages": options.find_outages,
        "sensor_changes": [_time(at) for at in options.sensor_changes],
        "holidays": sorted(day.isoformat() for day in options.holidays),
    }


def _until(one: Series, cut: int) -> Series:
    kept = one.values[:cut]
    return replace(one, values=np.concatenate([kept, np.full(cut - len(kept), np.nan)]))


def _least(early: Sequence[Series], cut: int, design: Design) -> list[float | None]:
    """Return each series' least drop when every step after the date has a value."""
    options = design.options
    ready = [r.series for r in prepared(early, Cut(cut, None), options)]
    control = next((one for one in ready if one.name == options.control), None)
    if options.control is not None and control is None:
        raise ConfigError(f"no series is named {options.control!r}")
    steps = tuple(
        one.unit.steps(one.start, at) for at in options.sensor_changes for one in early[:1]
    )
    return [_least_of(one, control, cut, (design.after, steps), options) for one in ready]


def _least_of(
    one: Series,
    control: Series | None,
    cut: int,
    ahead: tuple[int, tuple[int, ...]],
    options: Options,
) -> float | None:
    if (~np.isnan(one.values)).sum() < LEAST_BEFORE:
        return None
    longer = _longer(one, ahead[0])
    beside = None if control is None or control.name == one.name else _longer(control, ahead[0])
    offset, scale = compared(longer, beside)
    columns = base(longer, cut, options.holidays, ahead[1])
    return least_ratio(Problem(longer.values, columns, cut, offset, scale), grid())


def _longer(one: Series, steps: int) -> Series:
    """Add steps that will be seen; what they hold is never looked at."""
    return replace(one, values=np.concatenate([one.values, np.ones(steps)]))


def digest(every: Sequence[Series]) -> str:
    """Return the SHA-256 of all counts, as lines `series TAB time TAB value`, sorted."""
    lines = sorted(
        f"{json.dumps(one.name)}\t{_time(one.time(at))}\t{float(one.values[at])!r}\n"
        for one in every
        for at in np.flatnonzero(~np.isnan(one.values)).tolist()
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fingerprint(plan: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a plan: of its JSON with sorted keys and no spaces."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def departures(
    plan: Mapping[str, Any], every: Sequence[Series], when: datetime, options: Options
) -> list[str]:
    """Return the parts of the plan that this measurement does not follow, by their keys."""
    given = {**_of(options), "date": _time(when), "model": MODEL, "unit": str(every[0].unit)}
    if options.until is not None:
        given["until"] = _time(options.until)
    gone = [key for key, value in given.items() if plan.get(key) != value]
    planned = {entry["series"] for entry in plan["series"]}
    if planned != {one.name for one in every}:
        gone.append("series")
    if _early_digest(plan, [one for one in every if one.name in planned]) != plan["data"]["sha256"]:
        gone.append("data")
    return sorted(gone)


def _early_digest(plan: Mapping[str, Any], every: Sequence[Series]) -> str:
    last = str(plan["data"]["last"])
    early = [
        replace(one, values=np.where([_time(t) <= last for t in one.times], one.values, np.nan))
        for one in every
    ]
    return digest(early)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
