"""`survival`: how long infections last, by provider, told against not yet told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, Lang, app

_COLUMNS = ("provider", "infections", "told", "gone", "median_days", "median_low", "median_high",
            "median_late", "mean_days", "mean_low", "mean_high")  # fmt: skip


@app.command(epilog="Example: sakimori survival cleanup.csv --gap 14")
def survival(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="CLEANUP.csv",
            help="Columns id,provider,first_seen,last_seen,told,end; told may be empty.",
        ),
    ],
    gap: Annotated[int, typer.Option(min=1, help="Silent days after which one is gone.")] = 14,
    horizon: Annotated[int, typer.Option(min=1, help="Days of the restricted mean.")] = 90,
    lang: Annotated[
        Lang, typer.Option("--lang", help="Language of sentences: en or ja.")
    ] = Lang.en,
    form: As = Format.table,
) -> None:
    """Follow infections to their end, by provider, and compare told with not yet told.

    An address that is not seen any more is not proven clean; medians are given for both ends of
    the silent days.
    """
    from sakimori.app import cleaning  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    found = cleaning.follow(file, gap, horizon)
    say = Translator(lang.value)
    told = cleaning.as_object(found, say)
    if form is Format.json:
        out.print_json(told)
        return
    out.print_rows(told["providers"], form, _COLUMNS)
    speak = out.say if form is Format.csv else print
    speak(cleaning.in_words(found, say))
    for warning in told["warnings"]:
        speak(say.tr("Warning: {warning}", warning=warning))
