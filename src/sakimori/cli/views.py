"""`findings`, `hosts`, `controllers`: the last hunt's results, as the allow list shows them."""

from __future__ import annotations

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, InWorkspace, app


@app.command(epilog="Example: sakimori findings --workspace ws --format csv > findings.csv")
def findings(workspace: InWorkspace = None, form: As = Format.table, config: Config = None) -> None:
    """List what the detectors found, strongest first."""
    from sakimori.app import contract  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        rows = [{"host": f.host, **contract.finding(f)} for f in ws.findings()]
    out.print_rows(rows, form, ("host", "detector", "peer", "peer_port", "proto", "score", "count",
                                "first_seen", "last_seen"))  # fmt: skip


@app.command(epilog="Example: sakimori hosts --workspace ws")
def hosts(workspace: InWorkspace = None, form: As = Format.table, config: Config = None) -> None:
    """List infected and suspected hosts, highest score first."""
    from sakimori.app import contract  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        rows = [
            {**contract.host(h), "detectors": sorted({f.detector for f in h.findings})}
            for h in ws.report().hosts
        ]
    if form is Format.json:
        rows = [{k: v for k, v in row.items() if k != "detectors"} for row in rows]
    out.print_rows(rows, form, ("host", "verdict", "score", "does", "families", "detectors"))


@app.command(epilog="Example: sakimori controllers --workspace ws --format json")
def controllers(
    workspace: InWorkspace = None, form: As = Format.table, config: Config = None
) -> None:
    """List the servers that appear to command bots, most likely first."""
    from sakimori.app import contract  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        rows = [contract.controller(c) for c in ws.report().controllers]
    out.print_rows(rows, form, ("controller", "kind", "port", "score", "bots", "families",
                                "sinkhole"))  # fmt: skip


@app.command("spam-days", epilog="Example: sakimori spam-days --workspace ws --format csv")
def spam_days(
    workspace: InWorkspace = None, form: As = Format.table, config: Config = None
) -> None:
    """Count messages and their sources by day, and how many of them look like spam.

    It looks at the imported logs themselves; no hunt is needed.
    """
    with out.opened(workspace, config=config) as ws:
        rows = [{**row, "day": row["day"].isoformat()} for row in ws.spam_days()]
    out.print_rows(rows, form, ("day", "messages", "refused", "sources", "inside_sources",
                                "outside_sources", "spam_messages", "spam_sources", "spam_inside",
                                "spam_outside"))  # fmt: skip
