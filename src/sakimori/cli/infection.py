"""`infection-rates`: machines with a finding per thousand, from the records of scans."""

from __future__ import annotations

from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace, app

_FIGURES = ("runs", "machines", "infected", "ccm", "ccm_low", "ccm_high")


@app.command(
    "infection-rates", epilog="Example: sakimori infection-rates --workspace ws --by country"
)
def infection_rates(
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="country, month, product or managed; repeat. Default: all four."
        ),
    ] = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Show how many machines per thousand had a finding (CCM), with a 95 % interval.

    From table tool_run: `scan --workspace` fills it, and `import` reads what `scan --tool-run` wrote. A
    machine counts once in each group.
    """
    from sakimori.app import infection  # noqa: PLC0415 - slow to import
    from sakimori.i18n import Translator  # noqa: PLC0415

    chosen = tuple(by or infection.BY)
    with out.opened(workspace, config=config, lang=lang) as ws:
        found = infection.rates(ws, chosen)
        say = Translator(ws.settings.lang)
    told = infection.as_object(found)
    if form is Format.json:
        out.print_json(told)
    elif found or form is Format.csv:
        out.print_rows(told["rates"], form, (*chosen, *_FIGURES))
    if not found:
        out.say(say.tr("No run is recorded here: `sakimori scan --workspace DIR` records them."))
    elif form is Format.table:
        print(
            say.tr(
                "CCM: machines with a finding per 1,000 that were looked at, each counted once in its"
                " group, with a 95 % interval. Small groups have wide intervals: compare those."
            )
        )
