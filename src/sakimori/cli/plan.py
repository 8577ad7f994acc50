"""`plan`: which resources to cut so that the most bots are isolated at the least collateral."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, In, app

if TYPE_CHECKING:
    from sakimori.takedown.plan import Plan

_MANY = "Repeat for more."


@app.command(epilog="Example: sakimori plan graph.json --budget 20 --format json")
def plan(  # noqa: PLR0913, PLR0917 - one parameter per option
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.json", help="Resources and groups.")],
    budget: Annotated[float | None, typer.Option(min=0, help="Most cost in all.")] = None,
    partner_budget: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COST", help=f"Most cost of a partner. {_MANY}")
    ] = None,
    jurisdiction_budget: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COST", help=f"Most cost in a jurisdiction. {_MANY}"),
    ] = None,
    window: Annotated[
        float | None, typer.Option(min=0, help="Hours within which all cuts must fall.")
    ] = None,
    max_collateral: Annotated[float | None, typer.Option(min=0, help="Most collateral.")] = None,
    collateral_weight: Annotated[
        float,
        typer.Option(min=0, help="Bots that one unit of collateral outweighs; 0: bots first."),
    ] = 0.0,
    most_shared: Annotated[
        int | None,
        typer.Option(min=0, help="Refuse an address with more other names; 10 when left out."),
    ] = None,
    sinkholes: Annotated[
        list[Path] | None, typer.Option(help=f"List of known sinkholes. {_MANY}")
    ] = None,
    top: Annotated[
        list[Path] | None, typer.Option(help=f"List of most used names, `rank,name`. {_MANY}")
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="Your additions: dynamic DNS, parking, CDN, sinkholes.")
    ] = None,
    unknown: Annotated[
        list[float] | None, typer.Option(help=f"Share of controllers not known, to try. {_MANY}")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for the optimum.")] = 7.0,
    lang: In = None,
    form: As = Format.table,
) -> None:
    """Choose what to cut. It only plans: nothing is blocked."""
    from sakimori.app import planning  # noqa: PLC0415
    from sakimori.takedown.plan import Limits, as_object  # noqa: PLC0415

    limits = Limits(
        budget=budget, window_hours=window, max_collateral=max_collateral,
        collateral_weight=collateral_weight, most_shared=most_shared, seconds=seconds,
    )  # fmt: skip
    limits = planning.with_budgets(limits, partner_budget or (), jurisdiction_budget or ())
    files = planning.ListFiles(tuple(sinkholes or ()), tuple(top or ()), known)
    made = planning.plan_file(graph, limits, files, unknown or (0.1, 0.3))
    if form is Format.json:
        out.print_json(as_object(made))
    else:
        print_plan(made, form, lang.value if lang else "en")


def print_plan(made: Plan, form: Format, lang: str) -> None:
    """Print a plan as tables; as CSV only the cuts."""
    from sakimori.app.plan_telling import tell_plan  # noqa: PLC0415

    blocks = tell_plan(made, lang)
    if form is Format.csv:
        needs = set(made.needs_authority)
        rows: list[dict[str, Any]] = [
            {"cut": c, "needs_authority": "yes" if c in needs else "no"} for c in made.cuts
        ]
        out.print_rows(rows, form, ("cut", "needs_authority"))
        return
    out.print_blocks(blocks)
