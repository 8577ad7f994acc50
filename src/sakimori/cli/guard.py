"""`guard`: look at files as they are written, tell, and take by policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, app

if TYPE_CHECKING:
    from sakimori.endpoint.guard.guard import Guard
    from sakimori.endpoint.guard.notice import Channel, Teller

_COUNTS = ("looked", "found", "quarantined", "unread", "lost", "restarts", "slowest")


@app.command(
    epilog="Example: sakimori guard /home /srv/upload --quarantine --webhook https://soc.example/"
)
def guard(  # noqa: PLR0913, PLR0917 - one parameter per option
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER...", help="What to watch.")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="YARA rules: a file or folder; repeat for more.")
    ] = None,
    hashes: Annotated[
        list[Path] | None, typer.Option(help="Hash set or .ndb signatures; repeat for more.")
    ] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Policy: take files that match into quarantine.")
    ] = False,
    family: Annotated[
        list[str] | None, typer.Option(help="Policy: take only this family; repeat for more.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Refuse to open or run what matches (Linux, root).")
    ] = False,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Count what is there now as looked at.")
    ] = False,
    log: Annotated[
        Path | None, typer.Option(help="Also write notices here, one JSON line each.")
    ] = None,
    desktop: Annotated[bool, typer.Option("--desktop", help="Also tell the desktop.")] = False,
    webhook: Annotated[str, typer.Option(help="Also POST notices to this address.")] = "",
    cpu: Annotated[
        int, typer.Option(min=1, max=100, help="Percent of one core beyond short bursts.")
    ] = 50,
    sweep: Annotated[
        float, typer.Option(min=0, help="Seconds between comparisons with what was seen; 0: none.")
    ] = 3600,
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Say how the guard of this store does, and end.")
    ] = False,
    form: As = Format.table,
    store: Annotated[
        Path | None, typer.Option("--store", help="The machine's store.", envvar="SAKIMORI_STORE")
    ] = None,
    config: Config = None,
) -> None:
    """Look at files in folders as they are written or moved there, until Ctrl-C."""
    from sakimori import config as settings_of  # noqa: PLC0415 - read where they are needed
    from sakimori.app import guarding  # noqa: PLC0415
    from sakimori.errors import ConfigError  # noqa: PLC0415

    settings = settings_of.load(config, options={"machine.store": store})
    home = settings_of.store_of(settings.machine)
    if status:
        _tell(guarding.status(home), form)
        return
    if not folders:
        raise ConfigError("no folder is named", hint="sakimori guard /home")
    scanner, version = guarding.scanner_of(settings, tuple(rules or ()), tuple(hashes or ()))
    policy = guarding.Policy(quarantine=quarantine, families=tuple(family or ()))
    watching = guarding.Watching(
        folders=tuple(folders), policy=policy, definitions=version, share=cpu / 100,
        sweep_every=sweep, baseline=baseline, gate=gate, seconds=seconds,
    )  # fmt: skip
    teller = _teller(home, log, webhook, form, desktop=desktop)
    done = guarding.guard(watching, scanner, home, teller, ready=_ready)
    _tell(done, form)
    for name, (count, why) in done["notices_failed"].items():
        out.say(f"{count} notices were not told by {name}: {out.shown(why)}")
    if done["notices_failed"]:
        raise typer.Exit(6)


def _ready(running: Guard) -> None:
    folders = ", ".join(out.shown(str(folder)) for folder in running.plan.folders)
    out.say(f"watching {folders}; Ctrl-C ends it")


class _Printer:
    """Prints a line for each file that matched."""

    name = "terminal"

    def __init__(self, form: Format) -> None:
        self._form = form

    def tell(self, notice: Any) -> str:
        import json  # noqa: PLC0415 - only here

        if self._form is Format.json:
            print(json.dumps(notice), flush=True)
        else:
            path, rule = out.shown(notice["path"]), out.shown(notice["rule"])
            print(
                f"{notice['time'][:19]}Z  {rule}  {path}  {out.shown(notice['action'])}", flush=True
            )
        return ""


def _teller(home: Path, log: Path | None, webhook: str, form: Format, *, desktop: bool) -> Teller:
    from sakimori.endpoint.guard import notice  # noqa: PLC0415

    channels: list[Channel] = [_Printer(form), notice.Log(home / "guard" / "notices.jsonl")]
    channels += [notice.Log(log)] if log else []
    channels += [notice.Desktop()] if desktop else []
    channels += [notice.Webhook(webhook)] if webhook else []
    return notice.Teller(channels)


def _tell(done: dict[str, Any], form: Format) -> None:
    if form is Format.json:
        out.say("")  # the counts are for people; notices are the data
    alive = {True: "running; ", False: "not running; ", None: ""}[done.get("alive")]
    parts = ", ".join(f"{name} {done[name]}" for name in _COUNTS if name in done)
    out.say(f"{alive}{parts}, waiting {done['waiting']}, definitions {done['definitions'][:12]}")
    for trouble in done["unread_named"][:10]:
        out.say(
            f"not looked at in whole: {out.shown(trouble['path'])}: {out.shown(trouble['reason'])}"
        )
    if done["seen_restarted"]:
        out.say(f"the record of what was seen began anew: {out.shown(done['seen_restarted'])}")
