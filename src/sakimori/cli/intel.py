"""`intel`: what others know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, InWorkspace
from sakimori.cli._app import intel as group

_COLUMNS = ("kind", "value", "port", "source", "family", "confidence", "sinkhole", "expires", "tlp")


@group.command("import", epilog="Example: sakimori intel import feed.json --source csirt -w ws")
def import_(  # noqa: PLR0913, PLR0917 - one parameter per option
    files: Annotated[list[Path], typer.Argument(help="STIX 2.1, MISP, CSV or plain lists.")],
    source: Annotated[str, typer.Option(help="Who says so; the file's name when left out.")] = "",
    confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="0 to 1, where the file does not say.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Malware family of the whole list.")] = None,
    valid_days: Annotated[
        int | None, typer.Option(min=1, help="Expire after this many days.")
    ] = None,
    sinkhole: Annotated[bool, typer.Option(help="The list names sinkholes.")] = False,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Import indicators. An older import of the same source is replaced."""
    from sakimori.hostile import visible  # noqa: PLC0415

    with out.opened(workspace, must_exist=False, config=config) as ws:
        for file in files:
            count, refused = ws.intel_import(
                file, source=source if len(files) == 1 else "", confidence=confidence,
                family=family, valid_days=valid_days, sinkhole=sinkhole,
            )  # fmt: skip
            out.say(f"{visible(str(file))}: {count:,} indicators, {len(refused):,} refused")
            for reject in refused[:3]:
                out.say(
                    f"  line {reject.line}: {visible(reject.reason)}: {visible(reject.text, 60)}"
                )


@group.command("list", epilog="Example: sakimori intel list -w ws --format csv")
def list_(workspace: InWorkspace = None, form: As = Format.table, config: Config = None) -> None:
    """Show every indicator with its source, age and expiry."""
    with out.opened(workspace, config=config) as ws:
        out.print_rows(ws.intel().to_pylist(), form, _COLUMNS)
