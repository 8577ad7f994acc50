"""The program and its groups; the commands are in one file per group."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="sakimori",
    help="Find the bots in a network's logs, the servers that command them, and what to do first.",
    epilog="Example: sakimori hunt /var/log/zeek --internal 192.0.2.0/24",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
allow = typer.Typer(help="Set findings aside, with a reason, and undo it.", no_args_is_help=True)
evidence = typer.Typer(
    help="Keep evidence that others can check: a sealed chain of records.", no_args_is_help=True
)
intel = typer.Typer(help="Import and list what others know.", no_args_is_help=True)
case = typer.Typer(
    help="Take a botnet down: plan, approve, cut, tell, measure, prove.", no_args_is_help=True
)
lake = typer.Typer(help="Keep the stored telemetry tidy.", no_args_is_help=True)
botnets = typer.Typer(
    help="List botnets; map them, and see which may have one operator.",
    invoke_without_command=True,
)
sinkhole = typer.Typer(
    help="Take the calls of a cut-off botnet, and log them.", no_args_is_help=True
)
quarantine = typer.Typer(
    help="Lock up files, list them, put them back exactly.", no_args_is_help=True
)
recipe = typer.Typer(help="List, check and sign recipes that undo a family.", no_args_is_help=True)
rules = typer.Typer(
    help="Publish and fetch definitions: rules, hash sets and recipes.", no_args_is_help=True
)
snapshot = typer.Typer(
    help="Record a machine's state, and say what differs between two records.",
    no_args_is_help=True,
)
app.add_typer(allow, name="allow")
app.add_typer(evidence, name="evidence")
app.add_typer(botnets, name="botnets")
app.add_typer(intel, name="intel")
app.add_typer(lake, name="lake")
app.add_typer(case, name="case")
app.add_typer(sinkhole, name="sinkhole")
app.add_typer(quarantine, name="quarantine")
app.add_typer(recipe, name="recipe")
app.add_typer(rules, name="rules")
app.add_typer(snapshot, name="snapshot")


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


class Lang(StrEnum):
    """Languages."""

    en = "en"
    ja = "ja"


InWorkspace = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder that keeps telemetry and results.",
                 envvar="SAKIMORI_WORKSPACE"),
]  # fmt: skip
As = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")]
In = Annotated[Lang | None, typer.Option("--lang", help="Language of sentences: en or ja.")]
Inside = Annotated[
    list[str] | None,
    typer.Option("--internal", "-i", metavar="CIDR",
                 help="A network of ours; repeat for more. Default: the private ranges."),
]  # fmt: skip
InStore = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", envvar="SAKIMORI_STORE",
                 help="Folder of this machine's store. Default: the system's place for data."),
]  # fmt: skip
ByActor = Annotated[
    str, typer.Option("--actor", help="Who does this, as it is recorded. Default: your login name.")
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file.", hidden=True)]


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from sakimori import __version__  # noqa: PLC0415

        print(f"sakimori {__version__}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the bots in a network's logs, the servers that command them, and what to do first."""
