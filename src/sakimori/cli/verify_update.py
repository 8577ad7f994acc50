"""`verify-update`: what an update changed between two snapshots, and what it could not have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, Lang, app

_STYLES = {"update": "green", "family": "bold red", "unknown": "yellow"}


@app.command(
    "verify-update",
    epilog="Example: sakimori verify-update before.snap after.snap --update KB976098.csv --lang ja",
)
def verify_update(  # noqa: PLR0913, PLR0917 - one parameter per option
    before: Annotated[Path, typer.Argument(metavar="A", help="Snapshot from before.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Snapshot from after.")],
    update: Annotated[
        list[Path] | None,
        typer.Option("--update", "-u", metavar="MANIFEST",
                     help="What an update says it changes: file-information CSV, .reg, registry CSV, JSON, .deb,"
                     " dpkg lists, dpkg.log, apt history, rpm listings, dnf history, MSI tables. Repeat for"
                     " more."),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", metavar="FILE",
                     help="What another installer did: any of these forms, or a Windows Installer log."),
    ] = None,
    actions: Annotated[
        list[Path] | None,
        typer.Option("--actions", metavar="FILE",
                     help="What persons did: audit log, Windows Security events, sudo log, shell history, or a CSV"
                     " with time,who,what."),
    ] = None,
    recipes: Annotated[
        list[Path] | None,
        typer.Option("--recipes", metavar="PATH", help="Recipes of more families, files or folders."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times in logs that carry none, such as Asia/Tokyo.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Where the files of B lie, to compare digests that a snapshot does not hold."),
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="The machine's store.", envvar="SAKIMORI_STORE")
    ] = None,
    lang: Annotated[Lang, typer.Option("--lang", help="Language of sentences: en or ja.")] = Lang.en,
    form: As = Format.table,
) -> None:  # fmt: skip
    """Put every change between two snapshots down to an update, an installer, a family, a person or nobody.

    The statement says what changed, which update could have done it, and which could not.
    """
    from sakimori import config  # noqa: PLC0415
    from sakimori.app import verifying  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    settings = config.load()
    told = verifying.run(
        verifying.Inputs(
            before=before,
            after=after,
            updates=update or (),
            logs=log or (),
            actions=actions or (),
            recipes=recipes or (),
            root=root,
            zone=timezone or settings.import_.timezone,
            store=store or config.store_of(settings.machine),
        )
    )
    say = Translator(lang.value)
    if form is Format.json:
        out.print_json(verifying.as_object(told, say))
        return
    rows = verifying.rows(told, say)
    if form is Format.csv:
        out.print_rows(rows, form, (*verifying.COLUMNS, "where"))
        out.say(verifying.in_words(told, say))
        return
    if rows:
        out.print_table(rows, verifying.COLUMNS, styles=_STYLES)
        print()
    print(verifying.in_words(told, say))
