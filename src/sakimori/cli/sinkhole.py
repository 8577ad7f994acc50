"""`sinkhole`: run one, write the configuration of a larger one, check a log."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Format, InWorkspace
from sakimori.cli._app import sinkhole as group
from sakimori.errors import PartFailedError

_ZONES = Annotated[
    list[str] | None,
    typer.Option("--zone", metavar="NAME", help="A name it holds, with all below; repeat."),
]
_ADDRESSES = Annotated[
    list[str] | None,
    typer.Option("--address", metavar="IP", help="An address to listen on; repeat. [127.0.0.1]"),
]
_ANSWERS = Annotated[
    list[str] | None,
    typer.Option("--answer", metavar="IP", help="What names resolve to. [the addresses]"),
]
_DNS = Annotated[int | None, typer.Option("--dns", metavar="PORT", help="Answer DNS here.")]
_HTTP = Annotated[int | None, typer.Option("--http", metavar="PORT", help="Answer HTTP here.")]
_HTTPS = Annotated[int | None, typer.Option("--https", metavar="PORT", help="Answer HTTPS here.")]
_OPERATOR = Annotated[str, typer.Option("--operator", help="Who runs it; shown on its page.")]
_CONTACT = Annotated[str, typer.Option("--contact", help="A mailbox; shown on its page.")]
_FILE = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings of the sinkhole, TOML.")
]


@group.command(
    "run",
    epilog="Example: sakimori sinkhole run --zone bad.example --dns 5353 --http 8080"
    " --operator 'Example CERT' --contact abuse@example.net --approved-by 'A. Person'",
)
def run(  # noqa: PLR0913, PLR0917 - one parameter per option
    file: _FILE = None,
    zone: _ZONES = None,
    address: _ADDRESSES = None,
    answer: _ANSWERS = None,
    dns: _DNS = None,
    http: _HTTP = None,
    https: _HTTPS = None,
    tcp: Annotated[
        list[int] | None,
        typer.Option("--tcp", metavar="PORT", help="Only listen here, say nothing; repeat."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option("--log", metavar="DIR", help="Folder of the log. [sinkhole-log]")
    ] = None,
    operator: _OPERATOR = "",
    contact: _CONTACT = "",
    authority: Annotated[
        str, typer.Option(help="What gives the right: own network, agreement, court order.")
    ] = "",
    approved_by: Annotated[
        str, typer.Option(help="Who approves that it runs; without, it is only shown.")
    ] = "",
    expires: Annotated[str, typer.Option(help="When it stops by itself, ISO 8601.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="Others than this machine may reach it.")
    ] = False,
    workspace: InWorkspace = None,
    form: As = Format.table,
) -> None:
    """Answer a cut-off botnet's calls from a closed set and log them; without approval only show it.

    SIGTERM ends it in good order, SIGHUP restarts it with its settings read anew.
    """
    from sakimori.app import sinkholing  # noqa: PLC0415 - slow to import

    given: dict[str, dict[str, Any]] = {
        "sinkhole": {
            "zones": zone, "addresses": address, "answers": answer, "operator": operator or None,
            "contact": contact or None, "authority": authority or None,
            "approved_by": approved_by or None, "expires": expires or None,
        },
        "ports": {"dns": dns, "http": http, "https": https, "tcp": tcp},
        "log": {"folder": log},
    }  # fmt: skip
    settings = sinkholing.load(file, given)
    if not settings.sinkhole.approved_by:
        _show(sinkholing.proposal(settings, public=public), form)
        out.say("nothing was run: add --approved-by NAME when a person has approved this")
        return
    ended = sinkholing.sink(
        lambda: sinkholing.load(file, given), workspace, public=public, say=out.say
    )
    out.print_rows([asdict(ended)], form, ("why", "answered", "logged", "missed"))
    if ended.missed:
        raise PartFailedError(
            f"{ended.missed} hits came while the log could not be written; they were not answered",
            hint="make room where the log is, or rotate its files away sooner",
        )


@group.command(
    "config",
    epilog="Example: sakimori sinkhole config --server bind --zone bad.example --address 192.0.2.1"
    " --contact abuse@example.net --out /etc/bind/sinkhole",
)
def config(  # noqa: PLR0913, PLR0917 - one parameter per option
    server: Annotated[str, typer.Option(help="bind, unbound or nginx.")],
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder the files are for, and written to.")
    ],
    file: _FILE = None,
    zone: _ZONES = None,
    address: _ADDRESSES = None,
    answer: _ANSWERS = None,
    dns: _DNS = None,
    http: _HTTP = None,
    https: _HTTPS = None,
    contact: _CONTACT = "",
    show: Annotated[bool, typer.Option("--show", help="Print the files, write nothing.")] = False,
) -> None:
    """Write the configuration of a server that answers as closed as this one, for more load."""
    from sakimori.app import sinkholing  # noqa: PLC0415 - slow to import

    settings = sinkholing.load(
        file,
        {
            "sinkhole": {
                "zones": zone, "addresses": address, "answers": answer, "contact": contact or None,
            },
            "ports": {"dns": dns, "http": http, "https": https},
        },
    )  # fmt: skip
    files, limits = sinkholing.server_files(server, settings, folder.absolute())
    for name, text in files.items():
        if show:
            print(f"# ---- {name}\n{text}", end="")
    if not show:
        paths = sinkholing.write_files(folder, files)
        if server == "nginx" and settings.ports.https is not None:
            paths.append(sinkholing.certificate(settings, folder))
        for path in paths:
            out.say(f"written: {path}")
    for words in limits:
        out.say(f"note: {words}")


@group.command("check", epilog="Example: sakimori sinkhole check sinkhole-log")
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a sinkhole's log.")],
    form: As = Format.table,
) -> None:
    """Look for lines that lack, are torn or were put in: each run numbers its hits without a gap."""
    from sakimori.app import sinkholing  # noqa: PLC0415 - slow to import

    found = sinkholing.check(folder)
    if found or form is not Format.table:
        out.print_rows([{"problem": words} for words in found], form, ("problem",))
    out.say(f"problems: {len(found)}")
    if found:
        raise typer.Exit(1)


def _show(proposal: dict[str, Any], form: Format) -> None:
    if form is Format.json:
        out.print_json(proposal)
        return
    listens = ", ".join(
        f"{one['service']} {one['address']} port {one['port']}" for one in proposal["listens"]
    )
    rows = [
        {"what": name, "value": listens if name == "listens" else out.cell(value)}
        for name, value in proposal.items()
    ]
    out.print_rows(rows, form, ("what", "value"))
