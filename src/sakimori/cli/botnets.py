"""`botnets`: list them; `show` maps one, `graph` writes what `plan` reads, `pivots` compares them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace
from sakimori.cli._app import botnets as group

if TYPE_CHECKING:
    from sakimori.app.mapping import Asked
    from sakimori.app.workspace import Workspace
    from sakimori.takedown.map.model import BotnetMap

_FILE = {"exists": True, "dir_okay": False, "readable": True}
Pdns = Annotated[
    Path | None,
    typer.Option("--pdns", metavar="FILE", help="Passive DNS: Common Output Format lines or CSV."),
]
Registration = Annotated[
    Path | None,
    typer.Option(
        "--registration", metavar="FILE", help="Registrations and hosting: JSON, RDAP answers too."
    ),
]
Fallback = Annotated[
    Path | None,
    typer.Option(
        "--fallback", metavar="FILE",
        help="What bots try next: CSV or JSON with botnet,order,kind,value,date.",
    ),
]  # fmt: skip
Asn = Annotated[
    Path | None,
    typer.Option("--asn", metavar="FILE", help="Address ranges to AS: TSV, prefix-to-AS or .mmdb."),
]
Known = Annotated[
    Path | None,
    typer.Option("--known", metavar="FILE",
                 help="More dynamic DNS, parking, CDNs and sinkholes: CSV with kind,value."),
]  # fmt: skip
Days = Annotated[int, typer.Option(help="Days of generated names ahead that count.", min=1)]
Today = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"],
                 help="Count the days ahead from here. Default: the last finding's day."),
]  # fmt: skip
Hops = Annotated[int, typer.Option(help="Hops from name to address to name.", min=0, max=6)]
Shared = Annotated[
    int, typer.Option(help="An address with more names than this is shared hosting.", min=1)
]
Home = Annotated[
    str | None, typer.Option(help="Our country, such as JP: other countries cost more to ask.")
]


@group.callback(epilog="Example: sakimori botnets --workspace ws")
def botnets(
    context: typer.Context,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """List groups of hosts that share controllers or act as one; map them with `show`."""
    context.obj = {"workspace": workspace, "config": config}
    if context.invoked_subcommand is not None:
        return
    from sakimori.app import contract  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        rows = [contract.botnet(b) for b in ws.report().botnets]
    out.print_rows(rows, form, ("botnet", "family", "bots", "controllers", "does", "why", "score"))


@group.command(
    epilog="Example: sakimori botnets show botnet-7e155f --graph botnet.svg --workspace ws"
)
def show(  # noqa: PLR0913, PLR0917 - one parameter per option
    context: typer.Context,
    botnet: Annotated[str, typer.Argument(help="A botnet's name, as `botnets` lists it.")],
    graph: Annotated[
        Path | None, typer.Option("--graph", metavar="FILE", help="Draw it: .svg or .html.")
    ] = None,
    pdns: Pdns = None,
    registration: Registration = None,
    fallback: Fallback = None,
    asn: Asn = None,
    known: Known = None,
    days: Days = 30,
    today: Today = None,
    hops: Hops = 2,
    shared: Shared = 20,
    home: Home = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Map a botnet: bot groups, controllers, what those hang on, what to ask next.

    CSV holds the edges. Nothing is looked up on the network.
    """
    from sakimori.app import map_contract, mapping  # noqa: PLC0415

    asked = _asked((pdns, registration, fallback, asn, known), days, hops, shared, today)
    with _opened(context, workspace, config, lang) as ws:
        spoken = ws.settings.lang
        drawn = mapping.map_of(ws, botnet, asked)
    if graph is not None:
        mapping.picture(drawn, graph, botnet, _country(home), spoken)
        out.say(f"drawn: {graph}")
    if form is Format.json:
        out.print_json(map_contract.as_object(drawn, botnet, _country(home), spoken))
    elif form is Format.csv:
        rows = [map_contract.edge(e) for e in drawn.edges]
        out.print_rows(rows, form, ("source", "relation", "target", "sources", "first_seen",
                                    "last_seen", "count"))  # fmt: skip
    else:
        _tables(drawn, spoken, _country(home))


@group.command(epilog="Example: sakimori botnets graph --out GRAPH.json --workspace ws")
def graph(  # noqa: PLR0913, PLR0917 - one parameter per option
    context: typer.Context,
    botnet: Annotated[str, typer.Argument(help="A botnet's name; left out: all.")] = "*",
    to: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here, not to stdout.")
    ] = None,
    pdns: Pdns = None,
    registration: Registration = None,
    fallback: Fallback = None,
    asn: Asn = None,
    known: Known = None,
    days: Days = 30,
    today: Today = None,
    hops: Hops = 2,
    shared: Shared = 20,
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Write what can be cut, and which cuts end each group's ways, as JSON for `plan`."""
    from sakimori.app import mapping  # noqa: PLC0415
    from sakimori.app.files import write_whole  # noqa: PLC0415

    asked = _asked((pdns, registration, fallback, asn, known), days, hops, shared, today)
    with _opened(context, workspace, config) as ws:
        found = mapping.graph_of(ws, botnet, asked)
    if to is None:
        out.print_json(found)
        return
    write_whole(to, mapping.as_json(found))
    out.say(f"{len(found['groups']):,} groups and {len(found['resources']):,} resources: {to}")


@group.command(epilog="Example: sakimori botnets pivots --workspace ws --format json")
def pivots(  # noqa: PLR0913, PLR0917 - one parameter per option
    context: typer.Context,
    pdns: Pdns = None,
    registration: Registration = None,
    fallback: Fallback = None,
    asn: Asn = None,
    known: Known = None,
    least: Annotated[
        float, typer.Option(help="Leave out proposals weaker than this.", min=0.0, max=1.0)
    ] = 0.05,
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Propose which botnets may have one operator, by what their servers share. Never a proof."""
    from sakimori.app import map_contract, mapping  # noqa: PLC0415

    asked = _asked((pdns, registration, fallback, asn, known))
    with _opened(context, workspace, config) as ws:
        rows = [map_contract.proposal(p) for p in mapping.proposals_of(ws, asked, least)]
    if form is not Format.json:
        rows = [{**r, "evidence": _evidence(r["evidence"])} for r in rows]
    out.print_rows(rows, form, ("says", "a", "b", "strength", "evidence"))
    if not rows:
        out.say("no two botnets share anything that others do not have, too")


def _evidence(found: list[dict[str, Any]]) -> list[str]:
    return [f"{e['kind']} {e['value']} ({e['weight']:.2f})" for e in found[:5]]


def _asked(
    files: tuple[Path | None, ...],
    days: int = 30,
    hops: int = 2,
    shared: int = 20,
    today: datetime | None = None,
) -> Asked:
    from sakimori.app.mapping import Asked, Files  # noqa: PLC0415
    from sakimori.takedown.map import Limits  # noqa: PLC0415

    pdns, registration, fallback, asn, known = files
    return Asked(
        files=Files(pdns=pdns, registration=registration, fallback=fallback, asn=asn, known=known),
        limits=Limits(hops=hops, most_names=shared),
        days=days,
        now=today,
    )


def _opened(
    context: typer.Context, workspace: Path | None, config: Path | None, lang: Any = None
) -> Workspace:
    """Open the workspace named after the sub-command, or else before it."""
    before = context.obj or {}
    return out.opened(
        workspace or before.get("workspace"), config=config or before.get("config"),
        lang=str(lang) if lang else None,
    )  # fmt: skip


def _country(home: str | None) -> str | None:
    from sakimori.errors import ConfigError  # noqa: PLC0415

    if home is not None and not (len(home) == 2 and home.isascii() and home.isalpha()):
        raise ConfigError(f"--home is {home!r}", hint="two letters, such as JP")
    return home.upper() if home else None


def _tables(drawn: BotnetMap, lang: str, home: str | None) -> None:
    from sakimori.app import map_told  # noqa: PLC0415

    for block in map_told.tell(drawn, lang, home):
        for line in block.lines:
            print(out.cell(line))
        if block.rows:
            out.print_table(block.rows, block.columns, block.title)
            print()
