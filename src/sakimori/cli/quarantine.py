"""`quarantine`: lock up files, list them, put them back exactly, delete and check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, ByActor, Config, Format, In, InStore
from sakimori.cli._app import quarantine as group

if TYPE_CHECKING:
    from sakimori.app.quarantining import Outcome
    from sakimori.endpoint.quarantine import Entry
    from sakimori.i18n import Translator

Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this, only show what would be.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An entry's id, short or whole.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of entries, short or whole.")]

_TABLE = ("id", "state", "taken", "rule", "family", "size", "path")
_BACK = ("id", "state", "rule", "family", "size", "path", "restored_to")
_CSV = (*_TABLE, "sha256", "reason", "restored_to")
_FAULT = ("id", "file", "reason")
_RECOVERED = ("id", "outcome", "path")


@group.command(
    "add",
    epilog="Example: sakimori quarantine add /tmp/x.bin --reason 'dropped by the mail' --yes",
)
def add(  # noqa: PLR0913, PLR0917 - one parameter per option
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Files to lock up.")
    ] = None,
    scan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also the files with a hit in a scan's JSON; - for stdin."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    rule: Annotated[str, typer.Option(help="The rule that matched.")] = "",
    family: Annotated[str, typer.Option(help="The family, where it is known.")] = "",
    sha256: Annotated[
        str | None, typer.Option(help="Refuse when the file is not the one with this SHA-256.")
    ] = None,
    yes: Yes = False,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Move files into quarantine, with all that is needed to put them back exactly."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import
    from sakimori.errors import ConfigError  # noqa: PLC0415

    _, folder, say = out.machine(store, lang, config)
    why = app.Why(reason=reason, rule=rule, family=family, expect_sha256=sha256)
    files = [*(app.found_by(scan) if scan else ()), *((path, why) for path in paths or ())]
    if not files:
        raise ConfigError("no file is named", hint="name files, or a scan's JSON with --scan")
    done = app.add_each(folder, files, yes=yes, actor=actor)
    _print(done, form, say)
    for entry in done.entries:
        if entry.attributes.links > 1 and entry.attributes.kind == "file":
            out.say(
                say.tr(
                    "{path}: other names of this file (hard links), which stay where they are: {count}",
                    path=entry.path,
                    count=entry.attributes.links - 1,
                )
            )
    _end(done, say.tr("Files taken into quarantine: {count}", count=len(done.entries)), say)


@group.command("list", epilog="Example: sakimori quarantine list --all --format csv")
def list_(
    every: Annotated[
        bool, typer.Option("--all", help="Also what was put back or deleted.")
    ] = False,
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Show what is in quarantine, and why."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    found = app.listed(folder, every=every)
    _print(found, form, say)
    if not found.entries and form is Format.table:
        out.say(say.tr("Nothing is in quarantine"))
    app.check_outcome(found)


@group.command("show", epilog="Example: sakimori quarantine show 9a1c22e0 --format json")
def show(
    ident: Id,
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Show all that is known about one entry."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    entry = app.show(folder, ident)
    if form is Format.table:
        _print_entry(entry)
    else:
        _print(app.Outcome(done=True, entries=[entry]), form, say)


@group.command("restore", epilog="Example: sakimori quarantine restore 9a1c22e0 --yes")
def restore(  # noqa: PLR0913, PLR0917 - one parameter per option
    idents: Ids,
    to: Annotated[
        Path | None, typer.Option(help="Another path, or an existing folder, than before.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take a file that is in the way into quarantine.")
    ] = False,
    yes: Yes = False,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Put files back as they were: bytes, owner, mode, ACL, attributes and times."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    places = app.Places(to=to, replace=replace)
    done = app.restore(folder, idents, places, yes=yes, actor=actor)
    _print(done, form, say)
    for entry in done.displaced:
        out.say(
            say.tr(
                "{path} was in the way and is in quarantine as {id}", path=entry.path, id=entry.id
            )
        )
    for entry in done.entries if yes else ():
        if entry.attributes.links > 1 and entry.attributes.kind == "file":
            out.say(
                say.tr(
                    "{path} was one of several names of a file (hard links), and is its own now",
                    path=entry.restored_to,
                )
            )
    _end(done, say.tr("Files put back: {count}", count=len(done.entries)), say)


@group.command("delete", epilog="Example: sakimori quarantine delete 9a1c22e0 --yes")
def delete(  # noqa: PLR0913, PLR0917 - one parameter per option
    idents: Ids,
    yes: Yes = False,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Delete files for good. Their records stay, without the content."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    done = app.delete(folder, idents, yes=yes, actor=actor)
    _print(done, form, say)
    _end(done, say.tr("Files deleted: {count}", count=len(done.entries)), say)


@group.command("export", epilog="Example: sakimori quarantine export 9a1c22e0 --out x.zip --yes")
def export(  # noqa: PLR0913, PLR0917 - one parameter per option
    ident: Id,
    file: Annotated[Path, typer.Option("--out", "-o", help="The zip to write.")],
    yes: Yes = False,
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Write a file into an encrypted zip for analysts; the password is: infected."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    done = app.export(folder, ident, file, yes=yes, actor=actor)
    _print(done, form, say)
    _end(done, say.tr("Written: {path} (password: infected)", path=str(file)), say)


@group.command("recover", epilog="Example: sakimori quarantine recover")
def recover(
    actor: ByActor = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """End what a crash interrupted: it was approved before, so this asks for no --yes."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    done = app.recover(folder, actor)
    if form is not Format.table or done.recovered:
        _print_lines(done, form, _RECOVERED, "recovered")
    if not done.recovered:
        out.say(say.tr("Nothing was interrupted"))


@group.command("check", epilog="Example: sakimori quarantine check")
def check(
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Read everything in quarantine, whole, and say what is damaged."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    done = app.check(folder)
    if form is not Format.table or done.faults:
        _print_lines(done, form, _FAULT, "faults")
    app.check_outcome(done)
    out.say(say.tr("Files in quarantine, all whole: {count}", count=len(done.entries)))


# Print


def _print(done: Outcome, form: Format, say: Translator) -> None:
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    if form is Format.json:
        out.print_json(app.as_object(done))
    elif form is Format.csv:
        rows = [{**app.row(e), "id": e.id} for e in done.entries]
        out.print_rows(rows, form, _CSV)
    elif done.entries:
        moved = any(e.restored_to for e in done.entries)
        out.print_table([app.row(e) for e in done.entries], _BACK if moved else _TABLE)
    if form is not Format.json:
        for refused in done.refused if len(done.refused) + len(done.entries) > 1 else ():
            out.say(say.tr("refused: {reason}", reason=refused.reason))
    for found in done.recovered:
        out.say(
            say.tr("ended after a crash: {path}: {outcome}", path=found.path, outcome=found.outcome)
        )


def _print_lines(done: Outcome, form: Format, columns: tuple[str, ...], part: str) -> None:
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    plain = app.as_object(done)
    if form is Format.json:
        out.print_json(plain)
    else:
        out.print_rows(plain[part], form, columns)


def _print_entry(entry: Entry) -> None:
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    plain = app.entry_object(entry)
    parts = {**plain.pop("attributes")}
    xattrs = parts.pop("xattrs")
    rows = [{"what": k, "value": v} for k, v in (plain | parts).items() if v not in ("", [])]
    rows += [{"what": f"attribute {k}", "value": v} for k, v in xattrs.items()]
    out.print_table(rows, ("what", "value"))


def _end(done: Outcome, told: str, say: Translator) -> None:
    """Say what was done, or that nothing was; then fail where something was refused."""
    from sakimori.app import quarantining as app  # noqa: PLC0415 - slow to import

    if done.entries:
        out.say(told if done.done else say.tr("Nothing was changed. Add --yes to do it."))
    app.check_outcome(done)
