"""`explain`: why a host has its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace, app

if TYPE_CHECKING:
    from sakimori.app.workspace import Workspace
    from sakimori.verdicts.explain import Explanation

_SHOWN_ROWS = 5
_SHOWN_POINTS = 8


@app.command(epilog="Example: sakimori explain 10.0.0.7 --workspace ws --lang ja")
def explain(
    host: Annotated[str, typer.Argument(help="Address of the host.")],
    workspace: InWorkspace = None,
    lang: In = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Show a host's time line, its findings with their evidence, innocent explanations, next steps."""
    from sakimori.i18n import Translator  # noqa: PLC0415

    with out.opened(workspace, lang=lang, config=config) as ws:
        told = ws.explain(host)
        if form is Format.json:
            out.print_json(_as_object(told, ws))
            return
        _print(told, ws, Translator(ws.settings.lang))


def _as_object(told: Explanation, ws: Workspace) -> dict[str, Any]:
    from sakimori.app import contract  # noqa: PLC0415

    return {
        "host": told.host,
        "sentence": told.sentence,
        "sum": told.sum,
        "timeline": [{"time": time, "what": what} for time, what in told.timeline],
        "findings": [
            {**contract.finding(p.finding), "says": p.says, "weighs": p.weighs,
             "innocent": p.innocent, "aside": p.aside, "next": p.next, "counted": p.counted,
             "rows": ws.evidence(p.finding)}
            for p in told.points
        ],
        "steps": list(told.steps),
    }  # fmt: skip


def _print(told: Explanation, ws: Workspace, say: Any) -> None:
    print(told.sentence)
    print(f"  {told.sum}\n")
    print(say.tr("Time line"))
    for time, what in told.timeline:
        print(f"  {time:%Y-%m-%d %H:%M:%S}Z  {what}")
    for number, point in enumerate(told.points[:_SHOWN_POINTS], 1):
        finding = point.finding
        print(f"\n{number}. {finding.detector} ({finding.technique}): {point.says}")
        print(f"   {point.weighs}")
        print("   " + say.tr("Innocent explanation: {text}", text="") + point.innocent)
        print("   " + say.tr("Set aside: {text}", text="") + point.aside)
        examples = finding.details.get("examples")
        if examples:
            print("   " + say.tr("Such as: {names}", names=", ".join(examples)))
        rows = ws.evidence(finding) if point.counted or number <= 2 else []
        if rows:
            print("   " + say.tr("Evidence, the first rows:"))
        for row in rows[:_SHOWN_ROWS]:
            print("     " + _line(row))
    if len(told.points) > _SHOWN_POINTS:
        print("\n" + say.tr("and {more} weaker findings", more=len(told.points) - _SHOWN_POINTS))
    print("\n" + say.tr("Next steps"))
    for step in told.steps:
        print(f"  - {step}")


def _line(row: dict[str, Any]) -> str:
    from sakimori.hostile import visible  # noqa: PLC0415

    skipped = ("source_id", "src_inside", "dst_inside", "file_ids")
    cells = [
        f"{name}={visible(out.cell(value), 80)}"
        for name, value in row.items()
        if name not in skipped and name != "table"
    ]
    return f"{row['table']}: {' '.join(cells)}"
