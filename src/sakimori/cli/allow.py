"""`allow`: set findings aside when results are viewed, with reason and expiry."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, InWorkspace
from sakimori.cli._app import allow as group

_COLUMNS = ("id", "kind", "value", "reason", "created_by", "created", "expires")


@group.command(
    "add", epilog="Example: sakimori allow add 10.0.0.9 --reason 'our scanner' --days 90"
)
def add(  # noqa: PLR0913, PLR0917 - one parameter per option
    value: Annotated[
        str, typer.Argument(help="Address, CIDR, name (and below), HOST,PEER or detector.")
    ],
    reason: Annotated[str, typer.Option(help="Why this is no bot.")],
    kind: Annotated[
        str, typer.Option(help="address, cidr, name, pair or detector; found out when left out.")
    ] = "",
    days: Annotated[int, typer.Option(help="In force for this many days; 0: for good.")] = 0,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Hide findings from views. Nothing is deleted, so it can be undone."""
    expires = datetime.now(UTC) + timedelta(days=days) if days > 0 else None
    with out.opened(workspace, config=config) as ws:
        entry = ws.allow_add(value, reason, kind=kind, expires=expires)
    out.print_rows([asdict(entry)], form, _COLUMNS)


@group.command("list", epilog="Example: sakimori allow list --workspace ws")
def list_(workspace: InWorkspace = None, form: As = Format.table, config: Config = None) -> None:
    """Show every entry, with who made it, why, and until when."""
    with out.opened(workspace, config=config) as ws:
        out.print_rows([asdict(e) for e in ws.allow_list()], form, _COLUMNS)


@group.command("remove", epilog="Example: sakimori allow remove 3 --workspace ws")
def remove(
    number: Annotated[int, typer.Argument(help="The entry's id.")],
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Undo an entry: what it hid is shown again."""
    with out.opened(workspace, config=config) as ws:
        ws.allow_remove(number)
    out.say(f"removed {number}; what it hid is shown again")
