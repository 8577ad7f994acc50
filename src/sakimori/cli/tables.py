"""`tables` and `sql`: look at the vocabulary and the telemetry itself."""

from __future__ import annotations

from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, InWorkspace, app


@app.command(epilog="Example: sakimori tables conn")
def tables(
    name: Annotated[str | None, typer.Argument(help="One table; all when left out.")] = None,
    form: As = Format.table,
) -> None:
    """Show the tables, or one table's columns with meaning, unit and trap."""
    from sakimori.errors import SchemaError  # noqa: PLC0415
    from sakimori.tables import ALL  # noqa: PLC0415

    if name is None:
        every = [{"table": t.name, "columns": len(t.columns), "meaning": t.meaning,
                  "grain": t.grain} for t in ALL.values()]  # fmt: skip
        out.print_rows(every, form, ("table", "columns", "meaning", "grain"))
        return
    if name not in ALL:
        raise SchemaError(f"no table is named {name!r}", hint=", ".join(ALL))
    rows = [
        {"column": c.name, "type": c.type, "unit": c.unit, "meaning": c.meaning, "trap": c.trap,
         "names": c.names}
        for c in ALL[name].columns
    ]  # fmt: skip
    out.print_rows(rows, form, ("column", "type", "unit", "meaning", "trap"))


@app.command(epilog='Example: sakimori sql "SELECT dst_ip, count(*) n FROM conn GROUP BY 1" -w ws')
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the tables.")],
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Answer one read-only SQL question over the telemetry, findings and indicators."""
    with out.opened(workspace, config=config) as ws:
        answer = ws.sql(query)
    out.print_rows(answer.to_pylist(), form, answer.column_names)
