"""`inventory`: what is installed, on this machine or by files collected on others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, app
from sakimori.errors import ConfigError, PartFailedError, SakimoriError


@app.command(epilog="Example: sakimori inventory systeminfo.txt qfe.txt --merge")
def inventory(  # noqa: PLR0913, PLR0917 - one parameter per option
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Files of any known kind; none: this machine."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Top folder of a system's image.")
    ] = None,
    hive: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE",
                     help="A registry hive, as SOFTWARE=FILE; repeat for SYSTEM."),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put what files say of one machine together.")
    ] = False,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Say which system, updates and products are installed, and what was assumed to tell.

    Reads systeminfo in any language, update lists, package lists, SBOMs, osquery and registry hives.
    """
    from sakimori.app import inventorying  # noqa: PLC0415 - slow to import
    from sakimori.config import load  # noqa: PLC0415

    settings = load(config, options={"lang": lang.value if lang else None})
    job = inventorying.Job(
        files=tuple(files or ()), root=root, hives=tuple(map(_hive, hive or ())), merge=merge
    )
    taken = inventorying.take(job)
    if form is Format.json:
        out.print_json(inventorying.as_objects(taken.records))
    elif taken.records:
        out.print_rows(inventorying.as_rows(taken.records), form, inventorying.COLUMNS)
        for line in inventorying.assumptions(taken.records, settings.lang):
            out.say(line)
    _ended(taken.records, taken.errors)


def _ended(records: Sequence[object], errors: Sequence[SakimoriError]) -> None:
    """Name each source that failed; the lone one ends with its own code, else 6."""
    if not errors:
        return
    if not records and len(errors) == 1:
        raise errors[0]
    for error in errors:
        out.say(out.shown(str(error)))
        if error.hint:
            out.say(f"  hint: {error.hint}")
    raise PartFailedError(
        f"{len(errors)} sources could not be read; {len(records)} records are told"
    )


def _hive(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise ConfigError(f"--hive {text!r} is no NAME=FILE", hint="as in SOFTWARE=./SOFTWARE")
    return name.upper(), Path(file)
