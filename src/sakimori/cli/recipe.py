"""`recipe`: list, show, check and sign recipes; trust who signs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InStore
from sakimori.cli._app import recipe as group
from sakimori.hostile import visible

_LIST = ("name", "family", "version", "date", "items", "platforms", "origin")
_CHECK = ("path", "name", "family", "version", "items", "origin", "reason")
_ITEM = ("line", "kind", "what", "action", "source", "note")
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipe files.")]


@group.command("list", epilog="Example: sakimori recipe list --format json")
def list_(
    store: InStore = None, form: As = Format.table, lang: In = None, config: Config = None
) -> None:
    """List the recipes that are shipped, and those of the active definitions."""
    from sakimori.app.recipe_shelf import shelf  # noqa: PLC0415 - slow to import

    _, folder, _ = out.machine(store, lang, config)
    out.print_rows([one.as_plain() for one in shelf(folder)], form, _LIST)


@group.command("show", epilog="Example: sakimori recipe show zeus --lang ja")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A recipe by name, or a file.")],
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Show what a recipe is about, what it looks for, and who says so."""
    from sakimori.app.clean_contract import recipe  # noqa: PLC0415 - slow to import
    from sakimori.app.recipe_shelf import chosen  # noqa: PLC0415

    settings, folder, say = out.machine(store, lang, config)
    plain = recipe(chosen(folder, [name])[0])
    if form is Format.json:
        out.print_json(plain)
        return
    if form is Format.table:
        print(out.shown(f"{plain['family']} ({', '.join(plain['aliases'])})"))
        print(visible(plain["about"][settings.lang], 2000) + "\n")
    out.print_rows(plain["items"], form, _ITEM)
    if form is Format.table:
        print()
        for one in plain["sources"]:
            parts = (one["organisation"], one["title"], one["date"], one["reference"])
            print(f"{out.shown(one['id'])}: {out.shown(', '.join(p for p in parts if p))}")
        if not plain["trusted"]:
            out.say(
                say.tr("recipe {name} is not trusted: {reason}",
                       name=plain["name"], reason=plain["reason"])
            )  # fmt: skip


@group.command("check", epilog="Example: sakimori recipe check family.yaml")
def check(
    files: Files,
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Check recipe files: what is wrong is told with its line. Says whether they are signed."""
    from sakimori.app.recipe_shelf import check_files  # noqa: PLC0415 - slow to import

    _, folder, _ = out.machine(store, lang, config)
    checked = check_files(folder, files)
    out.print_rows([one.as_plain() for one in checked.good], form, _CHECK)
    for line in checked.wrong:
        out.say(out.shown(line))
    checked.check()


@group.command("sign", epilog="Example: sakimori recipe sign family.yaml --key team.pem --make-key")
def sign(
    files: Files,
    key: Annotated[Path, typer.Option("--key", metavar="PEM", help="Your private key (Ed25519).")],
    make_key: Annotated[
        bool, typer.Option("--make-key", help="Make the key, and KEY.pub beside it.")
    ] = False,
    lang: In = None,
    config: Config = None,
) -> None:
    """Sign recipes: FILE.sig is written beside each. Only a recipe that is right is signed."""
    from sakimori.app.recipe_shelf import sign_files  # noqa: PLC0415 - slow to import

    _, _, say = out.machine(None, lang, config)
    ident = sign_files(files, key, make=make_key)
    out.say(say.tr("Signed: {count}, with key {key}", count=len(files), key=ident))
    if make_key:
        out.say(say.tr("Give others {file}; keep the private key secret", file=f"{key}.pub"))


@group.command("trust", epilog="Example: sakimori recipe trust team.pem.pub")
def trust(  # noqa: PLR0913, PLR0917 - one parameter per option
    key: Annotated[
        Path | None, typer.Argument(metavar="PUB", help="A public key. None: list them.")
    ] = None,
    remove: Annotated[
        str, typer.Option("--remove", metavar="ID", help="Trust this key no more.")
    ] = "",
    store: InStore = None,
    form: As = Format.table,
    lang: In = None,
    config: Config = None,
) -> None:
    """Trust recipes that a key signed, or list the trusted keys. Ask its owner for the fingerprint."""
    from sakimori.endpoint.recipes import sign as keys  # noqa: PLC0415 - slow to import

    _, folder, say = out.machine(store, lang, config)
    if remove:
        ident = keys.distrust(remove, folder / "keys")
        out.say(say.tr("No longer trusted: {key}", key=ident))
    elif key is not None:
        out.say(say.tr("Trusted: {key}", key=keys.trust(key, folder / "keys")))
    else:
        rows = [{"key": path.stem} for path in keys.trusted(folder / "keys")]
        out.print_rows(rows, form, ("key",))
