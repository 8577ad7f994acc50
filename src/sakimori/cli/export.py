"""`export`: what a hunt found, in the formats of others; nothing leaves above its TLP label."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import Config, InWorkspace, app

if TYPE_CHECKING:
    from sakimori.app.taxii import Pushed

_FORMATS = "stix, misp, ocsf, ecs, csv, intelmq or n6"


@app.command(epilog="Example: sakimori export --to stix --tlp AMBER --out bundle.json -w ws")
def export(  # noqa: PLR0913, PLR0917 - one parameter per option
    to: Annotated[str, typer.Option(help=f"{_FORMATS}.")] = "stix",
    tlp: Annotated[
        str, typer.Option(help="Label of what is shared; without one nothing leaves.")
    ] = "",
    most: Annotated[
        str, typer.Option("--most-tlp", help="Strictest label that the receiver may have.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="JSON of `hunt --format json`, instead of a workspace.")
    ] = None,
    only: Annotated[str, typer.Option(help="controller or bot; both when left out.")] = "",
    producer: Annotated[str, typer.Option(help="Who shares it.")] = "Sakimori",
    title: Annotated[str, typer.Option(help="What it is about.")] = "Botnets found",
    file: Annotated[Path | None, typer.Option("--out", "-o", help="Write this file.")] = None,
    push: Annotated[
        str, typer.Option(metavar="URL", help="Push STIX to this TAXII 2.1 collection.")
    ] = "",
    approved_by: Annotated[str, typer.Option(help="Who approved the push.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="File with the server's token.")] = None,
    case: Annotated[
        str, typer.Option(help="Case: gives the label, and records the push as evidence.")
    ] = "",
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Write bots and controllers for other tools, or push them where somebody approved it."""
    from sakimori.app import sharing  # noqa: PLC0415
    from sakimori.app.cases import Case  # noqa: PLC0415
    from sakimori.app.files import read_text  # noqa: PLC0415

    wanted = sharing.Wanted(tlp=tlp, most=most, producer=producer, title=title, only=only)
    alone = report is not None and not case
    with nullcontext() if alone else out.opened(workspace, config=config) as ws:
        named = Case(ws, case) if case and ws else None
        if named:
            wanted = sharing.for_case(wanted, named)
        if report is not None:
            gate = sharing.of_file(report, wanted)
        else:
            gate = sharing.of_workspace(ws, wanted)  # type: ignore[arg-type]
        for why, count in gate.kept_back.items():
            out.say(f"kept back: {why}: {count}")
        if push:
            token = read_text(token_file).strip() if token_file else ""
            _told(sharing.push(gate.sharing, push, approved_by, token, named))
        elif file is not None:
            sharing.write(gate, to, file)
            out.say(f"{len(gate.sharing.items)} items: {out.shown(str(file))}")
        else:
            sys.stdout.write(sharing.text_of(gate, to))


def _told(said: Pushed) -> None:
    """Say what the server took; raises PartFailedError when that was not everything."""
    from sakimori.errors import PartFailedError  # noqa: PLC0415

    out.say(f"{said.sent} objects sent: {said.success} taken, {said.known} there before,"
            f" {said.failure} refused, {said.pending} pending")  # fmt: skip
    if said.failure or said.pending:
        raise PartFailedError(
            f"the server did not take everything: {'; '.join(said.reasons[:3]) or 'pending'}",
            hint="run the same again: ids stay the same, so nothing doubles",
        )
