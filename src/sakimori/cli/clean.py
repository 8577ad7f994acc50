"""`clean`: find what a family left on a machine, put it right on approval, undo it, count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, ByActor, Config, Format, In, InStore, app

if TYPE_CHECKING:
    from sakimori.i18n import Translator

_LOOK = ("id", "family", "deed", "where", "found", "good")
_DONE = ("id", "family", "deed", "outcome", "where", "reason")
_CSV = ("id", "recipe", "version", "family", "kind", "where", "found", "deed", "good", "undo",
        "source", "note", "outcome", "reason")  # fmt: skip
_UNDONE = ("family", "act", "outcome", "where", "reason")
_RUNS = ("run", "begun", "actor", "state", "families", "findings", "place")
_COUNTS = ("month", "family", "runs", "found", "cleaned", "left", "undone")
_SHOWN = 20  # kinds of unseen items in words
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, as clean-runs lists it.")]


@app.command("clean", epilog="Example: sakimori clean --recipe zeus --hive SOFTWARE=hives/SOFTWARE")
def clean(  # noqa: PLR0913, PLR0917 - one parameter per option
    recipe: Annotated[
        list[str] | None,
        typer.Option("--recipe", "-r", metavar="NAME|FILE",
                     help="A recipe by name, or a file. Repeat for more. Default: all there are."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="DIR", help="A mounted image or folder. Default: this machine."),
    ] = None,
    hive: Annotated[
        list[str] | None,
        typer.Option("--hive", metavar="NAME=FILE", help="A registry hive: SOFTWARE, SYSTEM or NTUSER."),
    ] = None,
    reg: Annotated[
        list[Path] | None,
        typer.Option("--reg", metavar="FILE", help="A .reg export; with --yes files are written that change it."),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PATH", help="Scan rules that recipes may ask for."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this, only look.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Do only this finding. Repeat for more.")
    ] = None,
    resume: Annotated[
        str, typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted.")
    ] = "",
    tool_run: Annotated[
        Path | None,
        typer.Option("--tool-run", metavar="CSV", help="Add a row on this run, for infection rates."),
    ] = None,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Look for what recipes name. Nothing is changed without --yes, and clean-undo undoes it."""
    from sakimori.app import clean_contract as contract  # noqa: PLC0415 - slow to import
    from sakimori.app import clean_rows, scanning  # noqa: PLC0415
    from sakimori.app import machine_cleaning as cleaning  # noqa: PLC0415

    settings, folder, say = out.machine(store, lang, config)
    if resume:
        done = cleaning.resume(folder, resume)
        _print(contract.resumed(done), form, say)
        cleaning.check_cleaned(done)
        return
    cleaning.check_asked(only or (), yes=yes)
    place = cleaning.place_of(root, hive or (), reg or ())
    scanner = clean_rows.rules_by(rules, (), settings.machine) if rules else None
    looked = cleaning.look(folder, place, recipe or (), rules=scanner)
    cleaned = cleaning.clean(folder, looked, only=only or (), actor=actor) if yes else None
    if tool_run is not None:
        scanning.append_run(tool_run, clean_rows.run_of(looked, cleaned), settings.machine)
    _print(contract.clean(looked, cleaned), form, say)
    if cleaned is not None:
        for path in cleaning.to_import(folder, cleaned.run):
            out.say(say.tr("Import it in Windows: {path}", path=str(path)))
        cleaning.check_cleaned(cleaned)


@app.command("clean-undo", epilog="Example: sakimori clean-undo 20261125-173300-ab12cd")
def clean_undo(  # noqa: PLR0913, PLR0917 - one parameter per option
    run: Run,
    force: Annotated[
        bool, typer.Option("--force", help="Put back also what changed since.")
    ] = False,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Put back what a run changed, last deed first. What changed since is left and shown."""
    from sakimori.app import clean_contract as contract  # noqa: PLC0415 - slow to import
    from sakimori.app import machine_cleaning as cleaning  # noqa: PLC0415

    _, folder, say = out.machine(store, lang, config)
    undone = cleaning.undo(folder, run, force=force, actor=actor)
    plain = contract.undo(run, undone)
    if form is Format.json:
        out.print_json(plain)
    else:
        out.print_rows(_worded(plain["undone"], form, say), form, _UNDONE)
        for one in plain["undone"]:
            for line in one["difference"]:
                out.say(f"{out.shown(one['where'])}: {out.shown(line)}")
    cleaning.check_undone(undone)


@app.command("clean-runs", epilog="Example: sakimori clean-runs --format json")
def clean_runs(
    store: InStore = None, form: As = Format.table, lang: In = None, config: Config = None
) -> None:
    """List the runs that changed something, with their state."""
    from sakimori.app import clean_contract as contract  # noqa: PLC0415 - slow to import
    from sakimori.app import clean_history as history  # noqa: PLC0415

    _, folder, say = out.machine(store, lang, config)
    found = contract.runs(history.runs(folder))
    out.print_rows(found, form, _RUNS)
    if not found and form is Format.table:
        out.say(say.tr("No run is recorded"))


@app.command("clean-counts", epilog="Example: sakimori clean-counts --format csv")
def clean_counts(
    store: InStore = None, form: As = Format.table, lang: In = None, config: Config = None
) -> None:
    """Count per month and family what was found, cleaned and undone. No family: all of a month."""
    from sakimori.app import clean_history as history  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    found = history.counts(folder)
    out.print_rows(found, form, _COUNTS)
    if not found and form is Format.table:
        out.say(say.tr("No run is recorded"))


def _worded(rows: list[dict[str, Any]], form: Format, say: Translator) -> list[dict[str, Any]]:
    """Return rows with words for people in a table; codes elsewhere."""
    from sakimori.app import clean_contract as contract  # noqa: PLC0415 - slow to import

    if form is not Format.table:
        return rows
    deeds, outcomes = contract.deed_words(say), contract.outcome_words(say)
    return [
        {
            **row,
            "deed": deeds.get(row.get("deed", ""), ""),
            "found": _short(row.get("found", "")),
            "outcome": outcomes.get(row["outcome"], ""),
        }
        for row in rows
    ]


def _short(found: str) -> str:
    """Return a hash short enough for a table."""
    return f"{found[:23]}…" if found.startswith("sha256 ") else found


def _print(plain: dict[str, Any], form: Format, say: Translator) -> None:
    if form is Format.json:
        out.print_json(plain)
        return
    rows = _worded(plain["findings"], form, say)
    if form is Format.csv:
        out.print_rows(rows, form, _CSV)
    elif rows:
        out.print_table(rows, _LOOK if plain["run"] is None else _DONE)
    _say_rest(plain, say)


def _say_unseen(plain: dict[str, Any], say: Translator) -> None:
    unseen = Counter((one["recipe"], one["reason"]) for one in plain["unseen"])
    for (name, reason), times in unseen.most_common(_SHOWN):
        out.say(
            say.tr("not looked at: {count} items of {recipe}: {reason}",
                   count=times, recipe=name, reason=reason)
        )  # fmt: skip
    if len(unseen) > _SHOWN:
        out.say(say.tr("and {count} more", count=len(unseen) - _SHOWN))
    for note in plain["notes"][:_SHOWN]:
        out.say(say.tr("note: {note}", note=note))
    if plain["left_out"]:
        names = ", ".join(plain["left_out"])
        out.say(say.tr("left out, since they are for another system: {recipes}", recipes=names))


def _say_rest(plain: dict[str, Any], say: Translator) -> None:
    _say_unseen(plain, say)
    for one in plain["recipes"]:
        if not one["trusted"]:
            out.say(
                say.tr(
                    "recipe {name} is not trusted: {reason}", name=one["name"], reason=one["reason"]
                )
            )
    count = len(plain["findings"])
    out.say(say.tr("Found: {count}", count=count))
    if plain["run"] is not None:
        out.say(say.tr("Undo it with: sakimori clean-undo {run}", run=plain["run"]))
    elif count:
        out.say(say.tr("Nothing was changed. Add --yes to do it."))
