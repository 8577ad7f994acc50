"""`simulate` and `demo`: a make-believe network to try the hunt on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import Config, Format, In, app

if TYPE_CHECKING:
    from sakimori.i18n import Translator


@app.command(epilog="Example: sakimori simulate /tmp/day --hosts 80 --botnet spam=3 --botnet dga=1")
def simulate(
    out_: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the logs.")],
    hosts: Annotated[int, typer.Option(min=20, help="Hosts of the organisation.")] = 80,
    days: Annotated[int, typer.Option(min=1, help="Days to write.")] = 1,
    botnet: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=BOTS", help="A botnet and its bots here; repeat for more."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 1,
) -> None:
    """Write days of an organisation's Zeek logs, bots among them, and truth.json beside them.

    It only writes files. All names and addresses belong to nobody.
    """
    from sakimori.app.trying import write_simulation  # noqa: PLC0415

    truth = write_simulation(out_, hosts=hosts, days=days, botnets=botnet or [], seed=seed)
    out.say(
        f"{len(truth.infected)} bots among {len(truth.clean) + len(truth.infected)} hosts: {out_}"
    )
    out.say(f"next: sakimori hunt {out_} --internal {truth.internal[0]}")


@app.command(epilog="Example: sakimori demo --lang ja")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to keep logs and workspace.")] = Path(
        "demo"
    ),
    lang: In = None,
    config: Config = None,
) -> None:
    """Simulate a day with ten botnets and hunt in it; then free a made-up machine and put it back."""
    from sakimori.app.trying import fresh_demo  # noqa: PLC0415
    from sakimori.cli.hunt import print_report  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    logs, workspace, internal = fresh_demo(folder)
    out.say(f"a simulated day was written to {logs}; hunting in it ...")
    opened = out.opened(workspace, must_exist=False, internal=internal, lang=lang, config=config)
    with opened as ws:
        with out.Bars([str(logs)]) as progress:
            ws.import_([str(logs)], progress)
            report = ws.hunt(progress=progress)
        print_report(report, ws, Format.table, demo=True)
        say = Translator(ws.settings.lang)
    first = report.hosts[0].host if report.hosts else "HOST"
    _machine(folder / "machine", say)
    print(say.tr("Next:"))
    print(f"  sakimori explain {first} --workspace {workspace}")
    print("  sakimori hunt YOUR_LOGS --internal YOUR_NETWORK --workspace ws")
    print("  sakimori scan YOUR_FOLDER --rules YOUR_RULES")


def _machine(folder: Path, say: Translator) -> None:
    """Show the second part, between empty lines."""
    from sakimori.app.machine_tour import tour  # noqa: PLC0415 - slow to import

    print()
    out.print_blocks(tour(folder, say).blocks(say))
