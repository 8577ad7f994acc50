"""`size`: how many bots called a sinkhole, as three quantities with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, app

if TYPE_CHECKING:
    from sakimori.app.sizing import Sized

_COLUMNS = ("quantity", "estimate", "low", "high", "lower_bound", "method", "definition")


@app.command(epilog="Example: sakimori size hits.csv --second other-sinkhole.csv --format json")
def size(  # noqa: PLR0913, PLR0917 - one parameter per option
    hits: Annotated[
        Path, typer.Argument(metavar="HITS.csv", help="A sinkhole's log: time,ip,port,bot_id,asn.")
    ],
    second: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Another sinkhole's log, to estimate what both missed."),
    ] = None,
    established: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column that says whether the handshake was completed; repeat for more."
            " Default: established, handshake or handshake_done.",
        ),
    ] = None,
    scanner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR|FILE", help="Scanners and researchers to leave out; repeat for more."
        ),
    ] = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Estimate how many bots called: in the whole window, on a day, and at the same time.

    Each with a 95 % interval. Addresses that change and addresses that several bots share are corrected for
    each ASN. Only completed handshakes count.
    """
    from sakimori.app import sizing  # noqa: PLC0415 - reads with DuckDB
    from sakimori.config import load  # noqa: PLC0415

    settings = load(config, options={"lang": lang})
    sized = sizing.size_files(hits, second, established=established or (), scanners=scanner or ())
    print_size(sized, form, settings.lang)


def print_size(sized: Sized, form: Format, lang: str) -> None:
    """Print a size: tables with definitions, or rows and JSON for programs."""
    from sakimori.app import sizing  # noqa: PLC0415

    if form is Format.json:
        out.print_json(sizing.as_object(sized))
    elif form is Format.csv:
        out.print_rows(sizing.rows(sized), form, _COLUMNS)
    else:
        out.print_blocks(sizing.tell(sized, lang).blocks)
