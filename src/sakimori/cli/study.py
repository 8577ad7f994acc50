"""`study`: over many machines, is a symptom tied to an update, to a family, or to neither."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, Lang, app

_STYLES = {"tied": "bold red", "not tied": "green"}


@app.command(epilog="Example: sakimori study machines.csv --lang ja")
def study(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV or JSON, one row a machine: machine,os,symptom,updates,family and columns of yes"
            " and no.",
        ),
    ],
    lang: Annotated[
        Lang, typer.Option("--lang", help="Language of sentences: en or ja.")
    ] = Lang.en,
    form: As = Format.table,
) -> None:
    """Say whether a symptom is tied to an update, to a family, or to neither, with the caveats.

    Risk ratios within operating systems, exact tests adjusted for the number of exposures tried, and each
    tie tried again among machines that are alike in what else is tied.
    """
    from sakimori.app import studying  # noqa: PLC0415
    from sakimori.endpoint.study import words  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    found = studying.run(file)
    say = Translator(lang.value)
    if form is Format.json:
        out.print_json(studying.as_object(found, say))
        return
    out.print_rows(studying.rows(found, say), form, studying.COLUMNS)
    speak = out.say if form is Format.csv else print
    if form is Format.table:
        print()
    speak(words.conclusion(found, say))
    for caveat in words.caveats(found, say):
        speak(say.tr("Caveat: {caveat}", caveat=caveat))
