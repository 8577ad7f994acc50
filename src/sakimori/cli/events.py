"""`events`: what others report about addresses, listed and counted."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, InWorkspace, app

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_SHOWN = ("ts", "category", "src_ip", "src_port", "asn", "country", "family", "name", "how",
          "established", "confidence", "restriction", "feed", "report")  # fmt: skip
_COUNTS = ("category", "events", "addresses", "first", "last")


class By(StrEnum):
    """What events are counted by."""

    category = "category"
    how = "how"
    family = "family"
    asn = "asn"
    country = "country"
    feed = "feed"
    report = "report"
    day = "day"


@app.command(epilog="Example: sakimori events --workspace ws --by asn --category bot")
def events(  # noqa: PLR0913, PLR0917 - one parameter per option
    by: Annotated[By | None, typer.Option(help="Count by this instead of listing.")] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category, such as bot; repeat for more.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only events from this time on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only events before this time (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most so many.")] = 1000,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """List abuse events that were imported, or count them and their addresses.

    An event that two reports hold counts once. `resolver` are hits of DNS sinkholes: not victims.
    """
    from sakimori.app import abuse  # noqa: PLC0415 - slow to import

    bounds = {"since": _utc(since), "until": _utc(until)}
    with out.opened(workspace, config=config) as ws:
        if by:
            rows = abuse.counted(ws, by.value, categories=category or (), **bounds)
            out.print_rows(rows, form, tuple(dict.fromkeys((by.value, *_COUNTS))))
            return
        found = abuse.events(ws, categories=category or (), **bounds)
    out.print_rows(found.slice(0, limit).to_pylist(), form, _SHOWN)
    if found.num_rows > limit:
        out.say(f"{limit:,} of {found.num_rows:,} events shown; --limit shows more")


def _utc(time: datetime | None) -> datetime | None:
    from datetime import UTC  # noqa: PLC0415

    return time.replace(tzinfo=UTC) if time else None
