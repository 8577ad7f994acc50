"""`effect`, `effect-plan`: what an action changed in series of counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, Lang, app

if TYPE_CHECKING:
    from sakimori.app.effects import Told
    from sakimori.i18n import Translator

_TABLE = ("series", "ratio", "low", "high", "p_value", "minimum_detectable_ratio", "avoided",
          "half_time_days", "recovery_days")  # fmt: skip
_CSV = ("series", "ratio", "low", "high", "p_value", "placebo_rate", "minimum_detectable_ratio",
        "avoided", "avoided_low", "avoided_high", "half_time_days", "recovery_days", "start_ratio",
        "end_ratio", "before", "after", "control", "change_at_date", "model")  # fmt: skip

SeriesFile = Annotated[
    Path, typer.Argument(metavar="SERIES.csv", help="Columns series,date,value; empty: missing.")
]
Date = Annotated[str, typer.Option("--date", "-d", help="Day (or time, UTC) of the action.")]
Control = Annotated[
    str | None, typer.Option("--control", help="A series that the action did not touch.")
]
Outages = Annotated[
    str | None,
    typer.Option("--outages", metavar="FILE|DATES",
                 help="Days without a sensor: 2026-03-01..2026-03-04,2026-03-09, or a file with one"
                 " period a line. They are left out."),
]  # fmt: skip
KeepZeros = Annotated[
    bool, typer.Option("--keep-zeros", help="Set nothing aside that looks like an outage.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--sensor-change", metavar="DATE",
                 help="From this day a sensor counts otherwise; repeat for more."),
]  # fmt: skip
Holidays = Annotated[
    str | None, typer.Option("--holidays", metavar="FILE|DATES", help="Days unlike others.")
]
Language = Annotated[Lang, typer.Option("--lang", help="Language of sentences: en or ja.")]


@app.command(epilog="Example: sakimori effect series.csv --date 2011-03-16 --chart effect.svg")
def effect(  # noqa: PLR0913, PLR0917 - one parameter per option
    series: SeriesFile,
    date: Date,
    control: Control = None,
    outages: Outages = None,
    keep_zeros: KeepZeros = False,
    sensor_change: Changes = None,
    holidays: Holidays = None,
    until: Annotated[str | None, typer.Option(help="Last day that is used.")] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Draw it: a name that ends in .svg, .png or .html.")
    ] = None,
    chart_series: Annotated[
        list[str] | None,
        typer.Option("--chart-series", help="Draw this series; repeat for up to 4."),
    ] = None,
    chart_title: Annotated[str, typer.Option("--chart-title", help="Heading of the chart.")] = "",
    plan: Annotated[
        Path | None, typer.Option(help="The plan registered before; a run that departs is refused.")
    ] = None,
    depart: Annotated[
        bool, typer.Option("--depart", help="Measure although the run departs from the plan.")
    ] = False,
    lang: Language = Lang.en,
    form: As = Format.table,
) -> None:
    """Measure what an action changed: ratio with interval, events avoided, and what is in doubt.

    Regression on log counts with trend, season and errors that remember. A p value is printed only
    where dates on which nothing was done do not show effects as well.
    """
    _one_thread()
    from sakimori.app import effects  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    if chart is not None:
        effects.checked_chart(chart)
    options = effects.options(
        control=control, outages=outages, keep_zeros=keep_zeros,
        sensor_changes=sensor_change or (), holidays=holidays, until=until,
    )  # fmt: skip
    told = effects.run(series, date, options, plan=plan, depart=depart)
    say = Translator(lang.value)
    if chart is not None:
        drawn = effects.write_chart(told, chart, say, chart_series or (), chart_title)
        out.say(say.tr("drawn: {path} ({series})", path=chart, series=", ".join(drawn)))
    print_effects(told, say, form)


def _one_thread() -> None:
    """Keep the linear algebra to one thread: of small matrices, more only wait for each other.

    On a busy machine they took 25 times the processor time. Works before numpy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def print_effects(told: Told, say: Translator, form: Format) -> None:
    """Print results: a table with sentences, or rows for programs."""
    from sakimori.app import effects  # noqa: PLC0415

    rows = effects.as_object(told, say)
    if form is not Format.table:
        out.print_rows(rows, form, _CSV)
    else:
        columns = [say.tr(c) for c in ("series", "ratio", "low", "high", "p value", "least ratio",
                                       "avoided", "days to half", "days to recovery")]  # fmt: skip
        shown = [
            dict(zip(columns, (effects.number(row[c]) for c in _TABLE), strict=True))
            for row in rows
        ]
        out.print_table(shown, columns)
        print()
        for line in effects.in_sentences(told, say):
            print(line)
    if form is Format.csv:
        for line in effects.remarks(told, say):
            out.say(line)


@app.command(
    "effect-plan",
    epilog="Example: sakimori effect-plan series.csv --date 2026-03-16 --out plan.json",
)
def effect_plan(  # noqa: PLR0913, PLR0917 - one parameter per option
    series: SeriesFile,
    date: Date,
    after: Annotated[
        int, typer.Option(min=3, max=2000, help="Steps (days, weeks ...) after the date to use.")
    ] = 56,
    sensor: Annotated[
        list[str] | None, typer.Option(help="A sensor that counts; repeat for more.")
    ] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="Write the plan here, for `effect --plan`.")
    ] = None,
    control: Control = None,
    outages: Outages = None,
    keep_zeros: KeepZeros = False,
    sensor_change: Changes = None,
    holidays: Holidays = None,
    lang: Language = Lang.en,
    form: As = Format.table,
) -> None:
    """Decide beforehand what will be measured, and show the least drop that could be found.

    Only counts before the date are used. The plan's SHA-256 is what to have stamped.
    """
    _one_thread()
    from sakimori.app import effects  # noqa: PLC0415
    from sakimori.app.files import write_whole  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    options = effects.options(
        control=control, outages=outages, keep_zeros=keep_zeros,
        sensor_changes=sensor_change or (), holidays=holidays, until=None,
    )  # fmt: skip
    planned = effects.register(series, date, after, sensor or (), options)
    say = Translator(lang.value)
    if out_ is not None:
        text = json.dumps(planned, indent=1, ensure_ascii=False) + "\n"
        write_whole(out_, text)
    if form is Format.json:
        out.print_json(planned)
    else:
        rows = planned["series"]
        out.print_rows(rows, form, ("series", "before", "minimum_detectable_ratio"))
    out.say(say.tr("SHA-256 of the plan: {digest}", digest=effects.fingerprint(planned)))
    if out_ is not None:
        out.say(say.tr("written: {path}", path=out_))
