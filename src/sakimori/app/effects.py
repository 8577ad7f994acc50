"""Measuring an action's effect from files: series in, results, charts and plans out."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.app.files import write_whole
from sakimori.errors import ConfigError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sakimori.i18n import Translator
    from sakimori.takedown.effect import Effect, Note, Options, Series
    from sakimori.takedown.effect.result import Curve

COLUMNS = ("series", "date", "value")
CHARTS = (".svg", ".png", ".html")
_MISSING = frozenset({"", "na", "nan", "null", "none"})
_SLASHES = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_HINT_DATE = "write days as 2026-03-16 and hours as 2026-03-16T14:00Z"


@dataclass(frozen=True, slots=True)
class Told:
    """What a run found: one effect a series, and the plan it followed, if one was named."""

    effects: tuple[Effect, ...]
    plan: str | None = None
    departures: tuple[str, ...] = ()
    when: datetime = field(default_factory=lambda: datetime.min)  # noqa: DTZ901 - never shown


def run(
    path: Path, when: str, options: Options, *, plan: Path | None = None, depart: bool = False
) -> Told:
    """Measure what changed at a date in every series of a CSV file.

    With `plan`, a run that does not follow it is refused, unless `depart` is given: then what
    differs is told with the result. Raises SourceError, ConfigError or RefusedError.
    """
    from sakimori.takedown import effect  # noqa: PLC0415 - slow to import

    series, day = read_series(path), moment(when, "--date")
    if plan is None:
        return Told(tuple(effect.effects(series, day, options)), when=day)
    from sakimori.takedown.effect import plan as plans  # noqa: PLC0415

    planned = read_plan(plan)
    if options.until is None:
        options = replace(options, until=moment(str(planned["until"]), "until"))
    gone = plans.departures(planned, series, day, options)
    if gone and not depart:
        raise RefusedError(
            f"the run departs from the plan in: {', '.join(gone)}",
            where=str(plan),
            hint="--depart measures all the same and says so with the result",
        )
    found = effect.effects(series, day, options)
    return Told(tuple(found), plans.fingerprint(planned), tuple(gone), day)


def register(
    path: Path, when: str, after: int, sensors: Sequence[str], options: Options
) -> dict[str, Any]:
    """Return the plan of a measurement to come, as JSON values; see takedown.effect.plan."""
    from sakimori.takedown.effect import plan as plans  # noqa: PLC0415 - slow to import

    design = plans.Design(moment(when, "--date"), after, tuple(sensors), options)
    return plans.registered(read_series(path), design, datetime.now(UTC))


def fingerprint(plan: dict[str, Any]) -> str:
    """Return the SHA-256 of a plan."""
    from sakimori.takedown.effect import plan as plans  # noqa: PLC0415 - slow to import

    return plans.fingerprint(plan)


def options(  # noqa: PLR0913 - one parameter per option
    *,
    control: str | None = None,
    outages: str | None = None,
    keep_zeros: bool = False,
    sensor_changes: Sequence[str] = (),
    holidays: str | None = None,
    until: str | None = None,
) -> Options:
    """Return what words on the command line ask for. Raises ConfigError."""
    from sakimori.takedown.effect import Options  # noqa: PLC0415 - slow to import

    days = periods(holidays, "--holidays") if holidays else ()
    return Options(
        control=control,
        outages=periods(outages, "--outages") if outages else (),
        find_outages=not keep_zeros,
        sensor_changes=tuple(sorted(moment(text, "--sensor-change") for text in sensor_changes)),
        holidays=frozenset(
            (first + timedelta(days=n)).date()
            for first, last in days
            for n in range((last - first).days + 1)
        ),
        until=moment(until, "--until") if until else None,
    )


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan. Raises SourceError when it is none."""
    try:
        plan = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"this is no plan: {error}", where=str(path)) from error
    needed = {"schema", "model", "date", "until", "series", "data"}
    if not isinstance(plan, dict) or not needed <= set(plan):
        raise SourceError(
            "this is no plan", where=str(path), hint="`sakimori effect-plan` writes one"
        )
    return plan


# Reading


def read_series(path: Path) -> list[Series]:
    """Read a CSV with the columns series, date and value; an empty value is a missing one.

    Further columns are left alone. Raises SourceError with the line of the first bad row, and how
    many more there are.
    """
    from sakimori.takedown.effect import on_grid  # noqa: PLC0415 - slow to import

    points: dict[str, dict[datetime, float]] = {}
    bad: list[tuple[int, str, str]] = []
    for line, row in rows(path, COLUMNS):
        try:
            name, time, value = _point(row)
        except _BadRowError as error:
            bad.append((line, str(error), error.hint))
            continue
        times = points.setdefault(name, {})
        if time in times:
            bad.append((line, f"{row['date']} is there twice for {name!r}", "sum or remove one"))
        times[time] = value
    if bad:
        line, message, hint = bad[0]
        more = f" (and {len(bad) - 1} more bad lines)" if len(bad) > 1 else ""
        raise SourceError(message + more, where=f"{path}:{line}", hint=hint)
    if not points:
        raise SourceError("there is no row", where=str(path), hint="columns: series,date,value")
    try:
        return on_grid(points)
    except SourceError as error:
        raise SourceError(str(error), where=str(path), hint=error.hint) from error


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and named cells of a CSV; rows that are all empty are passed over.

    Raises SourceError for a file that cannot be read, a heading without one of `columns`, and rows
    with fewer cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            heading = [cell.strip().lower() for cell in next(reader, [])]
            lacking = [c for c in columns if c not in heading]
            if lacking:
                raise SourceError(
                    f"there is no column {lacking[0]!r}",
                    where=f"{path}:1",
                    hint="the first line must name: " + ",".join(columns),
                )
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) < len(heading):
                    raise SourceError(
                        f"{len(cells)} cells where the heading has {len(heading)}",
                        where=f"{path}:{reader.line_num}",
                    )
                yield reader.line_num, dict(zip(heading, (c.strip() for c in cells), strict=False))
    except UnicodeDecodeError as error:
        raise SourceError("this is not UTF-8 text", where=str(path)) from error
    except csv.Error as error:
        raise SourceError(f"this is no CSV: {error}", where=str(path)) from error
    except OSError as error:
        raise SourceError(error.strerror or "it cannot be read", where=str(path)) from error


class _BadRowError(ValueError):
    """A row that says nothing usable."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _point(row: dict[str, str]) -> tuple[str, datetime, float]:
    name = row["series"]
    if not name:
        raise _BadRowError("the series has no name")
    time = _moment(row["date"])
    if time is None:
        raise _BadRowError(f"{row['date']!r} is no date", _HINT_DATE)
    return name, time, _count(row["value"])


def _count(text: str) -> float:
    if text.lower() in _MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise _BadRowError(
            f"{text!r} is no number", "leave the cell of a missing day empty"
        ) from None
    if not math.isfinite(value) or value > 1e18:
        raise _BadRowError(f"{text!r} is no count")
    if value < 0:
        raise _BadRowError(f"{text} is negative: counts are zero or more")
    return value


def _moment(text: str) -> datetime | None:
    """Return a day or time without zone, in UTC; None when the text is neither."""
    slashed = _SLASHES.fullmatch(text)
    if slashed:
        text = f"{slashed[1]}-{int(slashed[2]):02}-{int(slashed[3]):02}"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def moment(text: str, option: str) -> datetime:
    """Return a day or time that an option names. Raises ConfigError."""
    time = _moment(text.strip())
    if time is None:
        raise ConfigError(f"{option}: {text!r} is no date", hint=_HINT_DATE)
    return time


def periods(text: str, option: str) -> tuple[tuple[datetime, datetime], ...]:
    """Return periods from `2026-03-01..2026-03-04,2026-03-09`, or from a file with one on a line.

    Both ends belong to a period; a day ends with its last second. Raises ConfigError or SourceError.
    """
    file = Path(text)
    if file.is_file():
        lines = file.read_text("utf-8").splitlines()
        wanted = [line.replace(",", "..") for line in lines if line.strip() and line[0] != "#"]
    else:
        wanted = text.split(",")
    return tuple(_period(one, option) for one in wanted)


def _period(text: str, option: str) -> tuple[datetime, datetime]:
    first, _, last = text.partition("..")
    begin, end = moment(first, option), moment(last.strip() or first, option)
    if end < begin:
        raise ConfigError(f"{option}: {text} ends before it begins")
    whole_day = len(last.strip() or first.strip()) <= 10
    return begin, end + timedelta(days=1, seconds=-1) if whole_day else end


# Telling


def as_object(told: Told, say: Translator) -> list[dict[str, Any]]:
    """Return the results as plain JSON values, one object a series; see effect.schema.json."""
    return [
        {**_one(effect, say), "plan": told.plan, "departures": list(told.departures)}
        for effect in told.effects
    ]


def _one(effect: Effect, say: Translator) -> dict[str, Any]:
    return {
        "series": effect.series,
        **{name: getattr(effect, name) for name in _NUMBERS},
        "change_points": [_time(at) for at in effect.change_points],
        "change_at_date": effect.change_at_date,
        "control": effect.control,
        "unit": effect.unit,
        "displacement": [
            {"series": m.series, "ratio": m.ratio, "low": m.low, "high": m.high,
             "extra": m.extra, "p_value": m.p_value}
            for m in effect.displacement
        ],
        "model": effect.model,
        "warnings": [sentence(note, say) for note in effect.notes],
    }  # fmt: skip


_NUMBERS = (
    "ratio", "low", "high", "p_value", "placebo_rate", "placebo_dates",
    "minimum_detectable_ratio", "avoided", "avoided_low", "avoided_high", "half_time_days",
    "recovery_days", "start_ratio", "end_ratio", "before", "after", "memory",
)  # fmt: skip


def sentence(note: Note, say: Translator) -> str:
    """Return a remark in the reader's language."""
    return say.tr(note.message, **note.values)


def in_words(effect: Effect, say: Translator) -> str:
    """Return what was found in one sentence."""
    if effect.ratio is None or effect.low is None or effect.high is None:
        if effect.before == 0 and effect.after > 1 and effect.curve is not None:
            return _only_after(effect, effect.curve, say)
        return say.tr("{series}: nothing could be measured", series=effect.series)
    values = {
        "series": effect.series,
        "change": _percent(effect.ratio), "low": _percent(effect.low), "high": _percent(effect.high),
    }  # fmt: skip
    if effect.low <= 1.0 <= effect.high:
        least = effect.minimum_detectable_ratio
        return say.tr(
            "{series}: no change is shown ({change}, 95 % interval {low} to {high}); a drop weaker"
            " than {least} could not have been found reliably",
            least=_percent(least) if least is not None else None,
            **values,
        )
    return say.tr("{series}: {change} (95 % interval {low} to {high})", **values)


def _only_after(effect: Effect, curve: Curve, say: Translator) -> str:
    """Say what a series that begins after the date did since: nothing to compare it with."""
    there = [(t, v) for t, v in zip(curve.times, curve.seen.tolist(), strict=True) if v == v]  # noqa: PLR0124 - NaN
    (first, before), (last, after) = there[0], there[-1]
    change = _percent(after / before) if before else None
    return say.tr(
        "{series}: not measured, it begins after the date; {change} from {first} to {last}",
        series=effect.series, change=change, first=_time(first), last=_time(last),
    )  # fmt: skip


def in_sentences(told: Told, say: Translator) -> list[str]:
    """Return a sentence a series, each with its remarks below."""
    lines = []
    for effect in told.effects:
        lines.append(in_words(effect, say))
        lines += ["  " + _remark(note, say) for note in effect.notes]
        if effect.ratio is not None and effect.control is None:
            lines.append("  " + say.tr("there is no control: anything else of that day counts too"))
    return lines + _departed(told, say)


def remarks(told: Told, say: Translator) -> list[str]:
    """Return every remark with the name of its series."""
    return [f"{e.series}: {sentence(n, say)}" for e in told.effects for n in e.notes] + _departed(
        told, say
    )


def _departed(told: Told, say: Translator) -> list[str]:
    if not told.departures:
        return []
    parts = ", ".join(told.departures)
    return [say.tr("The run departs from the registered plan in: {parts}", parts=parts)]


def _remark(note: Note, say: Translator) -> str:
    return say.tr("Warning: {warning}", warning=sentence(note, say))


def number(value: Any) -> Any:
    """Return a number as it is shown in a table; other values as they are."""
    if not isinstance(value, float):
        return value
    if value and abs(value) < 0.001:
        return "<0.001" if value > 0 else f"{value:.1g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(ratio: float) -> str:
    change = 100.0 * (ratio - 1.0)
    if change <= -99.0:
        return f"{change:.2f} %"
    return f"{change:+,.0f} %" if abs(change) >= 10 else f"{change:+.1f} %"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d") if at.time() == datetime.min.time() else at.isoformat()


def checked_chart(path: Path) -> Path:
    """Return the path when a chart can be written there. Raises ConfigError."""
    if path.suffix.lower() not in CHARTS:
        raise ConfigError(
            f"{path.suffix or 'no ending'} is no kind of chart",
            where=str(path),
            hint="end the name in .svg, .png or .html",
        )
    if not path.parent.is_dir():
        raise ConfigError("there is no such folder", where=str(path.parent))
    return path


def write_chart(
    told: Told, path: Path, say: Translator, only: Iterable[str] = (), title: str = ""
) -> list[str]:
    """Draw the series (all, or those of `only`) into an SVG, PNG or HTML file; returns their names.

    At most four are drawn. Raises ConfigError when a name is none of the series or none of them
    could be measured.
    """
    from sakimori.takedown.effect import chart  # noqa: PLC0415 - slow to import

    wanted = list(only)
    known = {e.series: e for e in told.effects}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigError(f"no series is named {unknown[0]!r}", hint=", ".join(list(known)[:20]))
    chosen = [known[name] for name in wanted] if wanted else list(told.effects)
    panels = [
        chart.Panel(e.series, _without_name(e, say), e.curve) for e in chosen if e.curve is not None
    ][: chart.PANELS]
    if not panels:
        raise ConfigError("no series could be measured, so there is nothing to draw")
    words = chart.Words(
        lang=say.lang,
        title=title or say.tr("Before and after {day}", day=_time(told.when)),
        seen=say.tr("seen"),
        expected=say.tr("expected without the action, with its 95 % interval"),
        action=say.tr("action"),
    )
    write_whole(path, chart.draw(panels, told.when, words, path.suffix.lower()[1:]))
    return [p.name for p in panels]


def _without_name(effect: Effect, say: Translator) -> str:
    return in_words(replace(effect, series=""), say).removeprefix(": ")
