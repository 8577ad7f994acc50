"""`lake`: keep the stored telemetry tidy."""

from __future__ import annotations

from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import Config, InWorkspace
from sakimori.cli._app import lake as group


@group.command(epilog="Example: sakimori lake compact --workspace ws")
def compact(workspace: InWorkspace = None, config: Config = None) -> None:
    """Join the small files of each table and day into one."""
    with out.opened(workspace, config=config) as ws:
        before, after = ws.compact()
    out.say(f"{before:,} files became {after:,}")


@group.command(epilog="Example: sakimori lake retain --days 90 --workspace ws")
def retain(
    days: Annotated[int, typer.Option(help="Keep this many days; older ones are removed.")],
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Remove old days of telemetry. Findings, allow lists and intelligence stay."""
    with out.opened(workspace, config=config) as ws:
        rows = ws.retain(days)
    out.say(f"{rows:,} rows removed")


@group.command(epilog="Example: sakimori lake verify --workspace ws")
def verify(workspace: InWorkspace = None, config: Config = None) -> None:
    """Check every file against the records; exit code 4 when something is wrong."""
    from sakimori.errors import StateError  # noqa: PLC0415
    from sakimori.hostile import visible  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        wrong = ws.verify()
    for line in wrong:
        print(visible(line, 1000))
    if wrong:
        raise StateError(f"{len(wrong)} problems in the lake", hint="import the logs again")
    out.say("the lake is whole")
