"""`hunt` and `import`: logs in, infected hosts and controllers out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, Inside, InWorkspace, app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.app.ingest import Outcome
    from sakimori.app.results import Report
    from sakimori.app.workspace import Workspace

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_EMPTY = "the report says: no events"
Paths = Annotated[
    list[str], typer.Argument(help="Log files, folders, globs in quotes, or - for stdin.")
]


@app.command(
    epilog="Examples: sakimori hunt logs/ | sakimori hunt day.pcap -i 192.0.2.0/24 --lang ja"
    " | zcat conn.log.gz | sakimori hunt - --format json"
)
def hunt(  # noqa: PLR0913, PLR0917 - one parameter per option
    paths: Paths,
    internal: Inside = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only traffic from this time on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only traffic before this time (UTC).")
    ] = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Read logs and tell which hosts are bots, which servers command them, and why.

    Without --workspace everything is kept in a temporary folder and removed at the end.
    """
    from sakimori.app.workspace import check_parts  # noqa: PLC0415

    bounds = {"since": _utc(since), "until": _utc(until)}
    opened = out.opened(workspace, must_exist=False, internal=internal, lang=lang, config=config)
    with opened as ws:
        # The bars end before anything is printed, or they would be drawn between its lines.
        with out.Bars(paths) as progress:
            outcomes = ws.import_(paths, progress)
            report = ws.hunt(**bounds, progress=progress)
        _tell_import(outcomes)
        print_report(report, ws, form)
        _warn_of_unread(outcomes)
        check_parts(report)


@app.command("import", epilog="Example: sakimori import /var/log/zeek --workspace ws")
def import_(
    paths: Paths, workspace: InWorkspace = None, form: As = Format.table, config: Config = None
) -> None:
    """Read logs into a workspace. Importing twice adds nothing; a grown file adds its new part."""
    from sakimori.errors import ConfigError  # noqa: PLC0415

    opened = out.opened(workspace, must_exist=False, config=config)
    with opened as ws:
        if ws.settings.workspace is None:
            raise ConfigError("no workspace is named", hint="add --workspace DIR")
        with out.Bars(paths) as progress:
            outcomes = ws.import_(paths, progress)
        rows = [
            {"path": o.path, "format": o.format, "table": table, "rows": rows,
             "rejected": o.rejected, "note": o.failed or o.skipped or _EMPTY * o.empty or "; ".join(o.warnings)}
            for o in outcomes
            for table, rows in (o.added or {"": 0}).items()
        ]  # fmt: skip
        out.print_rows(rows, form, ("path", "format", "table", "rows", "rejected", "note"))
        _tell_import(outcomes)
        _warn_of_unread(outcomes)


def _utc(time: datetime | None) -> datetime | None:
    from datetime import UTC  # noqa: PLC0415

    return time.replace(tzinfo=UTC) if time else None


def _tell_import(outcomes: Sequence[Outcome]) -> None:
    """Say on stderr what could not be read: how many lines, and three of them."""
    from sakimori.hostile import visible  # noqa: PLC0415

    for outcome in outcomes:
        for warning in outcome.warnings:
            out.say(f"warning: {visible(outcome.path)}: {visible(warning)}")
        if outcome.skipped and outcome.skipped not in ("already imported", "empty"):
            out.say(f"note: {visible(outcome.path)}: not used: {visible(outcome.skipped)}")
    rejected = sum(o.rejected for o in outcomes)
    if rejected:
        out.say(f"warning: {rejected:,} lines could not be read; the others were. Such as:")
        shown = [(o.path, r) for o in outcomes for r in o.rejects][:3]
        for path, reject in shown:
            out.say(f"  {visible(path)}:{reject.line}: {visible(reject.reason, 120)}")
        out.say('  see them all: sakimori sql "SELECT * FROM rejects" --workspace DIR')


def _warn_of_unread(outcomes: Sequence[Outcome]) -> None:
    """Name the files that could not be read at all, though others could."""
    from sakimori.hostile import visible  # noqa: PLC0415

    for outcome in [o for o in outcomes if o.failed]:
        out.say(f"warning: could not be read: {visible(outcome.failed, 400)}")
        if outcome.hint:
            out.say(f"  hint: {visible(outcome.hint)}")


def print_report(report: Report, workspace: Workspace, form: Format, *, demo: bool = False) -> None:
    """Print what a hunt found; the demonstration names its own next steps."""
    if form is Format.json:
        from sakimori.app.contract import as_object  # noqa: PLC0415

        out.print_json(as_object(report))
    elif form is Format.csv:
        out.print_rows(_host_rows(report), form, _HOST_COLUMNS)
    else:
        _print_for_people(report, workspace, demo=demo)


_HOST_COLUMNS = ("host", "verdict", "score", "does", "families", "detectors", "peers")


def _host_rows(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "host": h.host, "verdict": h.verdict, "score": h.score, "does": h.does,
            "families": h.families,
            "detectors": sorted({f.detector for f in h.findings}),
            "peers": list(dict.fromkeys(f.peer for f in h.findings if f.peer))[:5],
        }
        for h in report.hosts
    ]  # fmt: skip


def _print_for_people(report: Report, workspace: Workspace, *, demo: bool) -> None:
    from sakimori.app.telling import tell  # noqa: PLC0415

    told = tell(report, workspace.settings.lang, str(workspace.settings.workspace or ""))
    out.print_blocks(told.blocks[:-1] if demo else told.blocks)
