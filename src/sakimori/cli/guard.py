"""`guard`: look at files as they are written, tell, and take by policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, app

if TYPE_CHECKING:
    from sakimori.endpoint.guard.guard import Guard
    from sakimori.endpoint.guard.notice import Channel, Teller
    from sakimori.i18n import Translator


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
    lang: In = None,
    config: Config = None,
) -> None:
    """Look at files in folders as they are written or moved there, until Ctrl-C."""
    from sakimori.app import guarding  # noqa: PLC0415 - slow to import
    from sakimori.errors import ConfigError  # noqa: PLC0415

    settings, home, say = out.machine(store, lang, config)
    if status:
        _tell(guarding.status(home), say)
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
    done = guarding.guard(watching, scanner, home, teller, ready=partial(_ready, say))
    _tell(done, say)
    for name, (count, why) in done["notices_failed"].items():
        out.say(
            say.tr("{count} notices were not told by {channel}: {why}",
                   count=count, channel=name, why=out.shown(why))
        )  # fmt: skip
    if done["notices_failed"]:
        raise typer.Exit(6)


def _ready(say: Translator, running: Guard) -> None:
    folders = ", ".join(out.shown(str(folder)) for folder in running.plan.folders)
    out.say(say.tr("watching {folders}; Ctrl-C ends it", folders=folders))


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


def _tell(done: dict[str, Any], say: Translator) -> None:
    """Say on stderr what a guard has done, and what it could not look at."""
    if "alive" in done:
        out.say(say.tr("the guard is running") if done["alive"] else say.tr("no guard is running"))
    out.say(
        say.tr(
            "{looked} looks, {found} files matched, {quarantined} taken, {unread} not looked at in"
            " whole, {waiting} waiting; slowest {slowest} s",
            looked=done["looked"], found=done["found"], quarantined=done["quarantined"],
            unread=done["unread"], waiting=done["waiting"], slowest=done["slowest"],
        )
    )  # fmt: skip
    if done["lost"]:
        out.say(
            say.tr("events were lost {lost} times, and watching began anew {restarts} times; the"
                   " folders were compared with what was seen",
                   lost=done["lost"], restarts=done["restarts"])
        )  # fmt: skip
    for trouble in done["unread_named"][:10]:
        place, reason = out.shown(trouble["path"]), out.shown(trouble["reason"])
        out.say(say.tr("not looked at in whole: {path}: {reason}", path=place, reason=reason))
    if done["seen_restarted"]:
        out.say(
            say.tr("the record of what was seen began anew: {reason}",
                   reason=out.shown(done["seen_restarted"]))
        )  # fmt: skip
