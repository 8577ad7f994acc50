"""`scan`: look for malware in files, folders and what is packed in them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace, app

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.app.scanning import Scan
    from sakimori.i18n import Translator

_COLUMNS = ("path", "member", "rule", "kind", "family", "technique", "author", "licence", "sha256")
_SHOWN = 20  # troubles and warnings told one by one
_FOUND, _TROUBLE = 10, 6


@app.command(epilog="Example: sakimori scan /home --rules rules/ --hashes known.hdb --format json")
def scan(  # noqa: PLR0913, PLR0917 - one parameter per option
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.")],
    rules: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="YARA rules: a file or folder; repeat for more."),
    ] = None,
    hashes: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Hash lists, .hdb, .hsb or .ndb, or a folder; repeat for more."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out paths or names that fit; repeat for more."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Follow symbolic links.")] = False,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", help="Do not enter other file systems.")
    ] = False,
    unpack: Annotated[bool, typer.Option(help="Look into archives, mail and images.")] = True,
    max_size: Annotated[
        int, typer.Option(min=1, metavar="MIB", help="Report larger files, do not read them.")
    ] = 1024,
    seconds: Annotated[int, typer.Option(min=1, help="Time limit of one file.")] = 60,
    workers: Annotated[
        int, typer.Option(min=0, max=256, help="Processes; 0: one per processor.")
    ] = 0,
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where results are kept. Default: store.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Look at every file, keep no results.")
    ] = False,
    tool_run: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Append a record of this run.")
    ] = None,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="End with 10 when something was found, else 6 on errors."),
    ] = False,
    store: Annotated[
        Path | None, typer.Option(help="The machine's store.", envvar="SAKIMORI_STORE")
    ] = None,
    workspace: InWorkspace = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Look for malware by rules and hashes, in files and in what is packed in them.

    Files that did not change since the last scan with the same definitions are not read again.
    Nothing is changed on the machine.
    """
    from sakimori.app import scanning  # noqa: PLC0415 - slow to import
    from sakimori.config import load  # noqa: PLC0415
    from sakimori.i18n import Translator  # noqa: PLC0415

    settings = load(config, options={"lang": lang, "machine.store": store, "workspace": workspace})
    say = Translator(settings.lang)
    asked = scanning.Asked(
        paths=tuple(paths), rules=tuple(rules or ()), hashes=tuple(hashes or ()),
        exclude=tuple(exclude or ()), follow=follow, one_file_system=one_file_system,
        workers=workers, cache=cache, caching=not no_cache, largest=max_size * 1024 * 1024,
        seconds=seconds, unpacking=unpack,
    )  # fmt: skip
    run = scanning.scan(asked, settings.machine, _progress(say))
    if run.finished:  # a run that was stopped says nothing of the rest of the machine
        record = scanning.recorded(run)
        if tool_run:
            scanning.append_run(tool_run, record, settings.machine)
        if workspace:
            scanning.import_run(workspace, record, settings.machine)
    if form is Format.json:
        out.print_json(scanning.as_object(run))
    elif run.hits or form is Format.csv:
        out.print_rows(scanning.told_hits(run), form, _COLUMNS)
    _tell(run, say, scanning.keys_of(run))
    raise typer.Exit(_code(run) if exit_code or not run.finished else 0)


def _code(run: Scan) -> int:
    if not run.finished:
        return 130
    return _FOUND if run.hits else _TROUBLE if run.troubles else 0


def _tell(run: Scan, say: Translator, left: str) -> None:
    """Say on stderr what was done, with what, and what was not looked at."""
    used = run.used
    for warned in used.definitions.warnings[:_SHOWN]:
        out.say(say.tr("Not used: {where}: {reason}", where=warned.where, reason=warned.reason))
    more = len(used.definitions.warnings) - _SHOWN
    if more > 0:
        out.say(say.tr("... and {count} more rules or lines are not used", count=more))
    for trouble in run.troubles[:_SHOWN]:
        place = f"{trouble.path}/{trouble.member}" if trouble.member else trouble.path
        out.say(
            say.tr(
                "Not looked at: {where}: {reason}", where=out.shown(place), reason=trouble.reason
            )
        )
    if len(run.troubles) > _SHOWN:
        more = len(run.troubles) - _SHOWN
        out.say(
            say.tr("... and {count} more could not be looked at; --format json has all", count=more)
        )
    if left:
        out.say(say.tr("Left out on purpose: {what}", what=left))
    _tell_definitions(run, say)
    for note in run.notes:
        out.say(say.tr("Note: {note}", note=note))
    out.say(
        say.tr(
            "Looked at {files} files ({size} MB, {cached} unchanged since they were last looked at)"
            " in {seconds} s: {hits} hits in {found} files; {troubles} could not be looked at in"
            " whole.",
            files=run.scanned, size=run.bytes / 1e6, cached=run.cached, seconds=run.seconds,
            hits=len(run.hits), found=run.found, troubles=len(run.troubles),
        )
    )  # fmt: skip
    if not run.finished:
        out.say(say.tr("Stopped before its end: what is shown is incomplete."))


def _tell_definitions(run: Scan, say: Translator) -> None:
    from sakimori.app.scanning import OLD  # noqa: PLC0415

    used = run.used
    out.say(
        say.tr(
            "Definitions {version}: {rules} rules, {hashes} hashes.",
            version=used.definitions.version,
            rules=used.definitions.rules,
            hashes=len(used.definitions.hashes),
        )
    )
    if used.only_builtin:
        out.say(
            say.tr(
                "Only the two built-in test rules were used, which know no malware: name rules with"
                " --rules or --hashes, or fetch definitions with `sakimori rules update`."
            )
        )
    if used.age is not None:
        out.say(
            say.tr("The store's definitions {version} are {days} days old.",
                   version=used.of_store, days=round(used.age, 1))
        )  # fmt: skip
        if used.age > OLD:
            out.say(say.tr("They are old: fetch newer ones with `sakimori rules update`."))


def _progress(say: Translator) -> Callable[[Scan], None]:
    """Return what shows how far a scan is, on a terminal only, twice a second."""
    if not sys.stderr.isatty():
        return lambda _run: None
    last = time.monotonic()

    def show(run: Scan) -> None:
        nonlocal last
        if time.monotonic() - last < 0.5:
            return
        last = time.monotonic()
        line = say.tr("{files} files, {hits} hits", files=run.scanned, hits=len(run.hits))
        print(f"\r\x1b[K{line}\r", end="", file=sys.stderr, flush=True)

    return show
