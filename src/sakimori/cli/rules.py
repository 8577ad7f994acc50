"""`rules`: publish definitions, fetch them, see how old they are, go back to earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In
from sakimori.cli._app import rules as group

if TYPE_CHECKING:
    from sakimori.app.defining import Signers
    from sakimori.endpoint.definitions.repository import Standing
    from sakimori.i18n import Translator

Store = Annotated[
    Path | None, typer.Option("--store", help="The machine's store.", envvar="SAKIMORI_STORE")
]
InRepository = Annotated[Path, typer.Argument(metavar="REPOSITORY", help="Folder that is served.")]
Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="A person's private key; repeat for more."),
]
Online = Annotated[
    Path, typer.Option("--online", metavar="FILE", help="Key that signs snapshot and timestamp.")
]
Secret = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File whose first line opens the keys.")
]
From = Annotated[
    str, typer.Option("--from", help="https:// address, folder or zip file. Default: settings.")
]
Ring = Annotated[str | None, typer.Option(help="canary or all. Default: settings.")]
Threshold = Annotated[int, typer.Option(help="How many of the keys must sign.")]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _say(lang: In) -> Translator:
    return out.machine(None, lang, None)[2]


def _keys(people: list[Path] | None, online: Path, secret: Path | None) -> Signers:
    from sakimori.app import defining  # noqa: PLC0415

    return defining.Signers(tuple(people or ()), online, defining.secret(secret))


@group.command("key", epilog="Example: sakimori rules key aiko.pem")
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
    passphrase: Secret = None,
    lang: In = None,
) -> None:
    """Make a key for a person, or for the server that signs timestamps."""
    from sakimori.app.defining import secret  # noqa: PLC0415
    from sakimori.endpoint.definitions.keys import new_key  # noqa: PLC0415

    made = new_key(file, secret(passphrase))
    print(made.keyid)
    say = _say(lang)
    out.say(say.tr("keep {path} secret, and a copy of it safe", path=out.shown(str(made.path))))


@group.command(
    "init",
    epilog="Example: sakimori rules init defs --key a.pem --key b.pem --threshold 2 --online o.pem",
)
def init(  # noqa: PLR0913, PLR0917 - one parameter per option
    repository: InRepository,
    online: Online,
    keys: Keys = None,
    threshold: Threshold = 2,
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Begin a repository of definitions, whose changes several people must sign."""
    from sakimori.app import defining  # noqa: PLC0415

    root = defining.begin(repository, _keys(keys, online, passphrase), threshold, _now())
    say, path = _say(lang), out.shown(str(root))
    out.say(say.tr("give machines {path} by a safe way: sakimori rules trust", path=path))
    _tell(lang, defining.standing(repository), form)


@group.command(
    "publish",
    epilog="Example: sakimori rules publish defs pack/ --key a.pem --key b.pem --online o.pem",
)
def publish(  # noqa: PLR0913, PLR0917 - one parameter per option
    repository: InRepository,
    pack: Annotated[
        Path, typer.Argument(metavar="PACK", help="Folder with rules/, hashes/, recipes/.")
    ],
    online: Online,
    keys: Keys = None,
    note: Annotated[str, typer.Option(help="What is new, in a line.")] = "",
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Publish a pack to the canary ring, or stage it until enough people have signed."""
    from sakimori.app import defining  # noqa: PLC0415

    signers = _keys(keys, online, passphrase)
    _tell(lang, defining.publish(repository, pack, signers, _now(), note), form)


@group.command("sign", epilog="Example: sakimori rules sign defs --key b.pem --online o.pem")
def sign(  # noqa: PLR0913, PLR0917 - one parameter per option
    repository: InRepository,
    online: Online,
    keys: Keys = None,
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Add a person's signature to what is staged."""
    from sakimori.app import defining  # noqa: PLC0415

    _tell(lang, defining.sign(repository, _keys(keys, online, passphrase), _now()), form)


@group.command(
    "promote",
    epilog="Example: sakimori rules promote defs --key a.pem --key b.pem --online o.pem",
)
def promote(  # noqa: PLR0913, PLR0917 - one parameter per option
    repository: InRepository,
    online: Online,
    keys: Keys = None,
    after: Annotated[float, typer.Option(help="Hours that the canary ring must have had it.")] = 24,
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Give all machines what the canary ring has."""
    from sakimori.app import defining  # noqa: PLC0415

    signers = _keys(keys, online, passphrase)
    _tell(lang, defining.promote(repository, signers, _now(), timedelta(hours=after)), form)


@group.command("refresh", epilog="Example: sakimori rules refresh defs --online o.pem")
def refresh(
    repository: InRepository,
    online: Online,
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Sign snapshot and timestamp anew; run it daily, since clients refuse what has expired."""
    from sakimori.app import defining  # noqa: PLC0415

    _tell(lang, defining.refresh(repository, online, _now(), defining.secret(passphrase)), form)


@group.command(
    "rotate",
    epilog="Example: sakimori rules rotate defs --key a.pem --key b.pem --new a.pem --new c.pem"
    " --online o.pem",
)
def rotate(  # noqa: PLR0913, PLR0917 - one parameter per option
    repository: InRepository,
    online: Online,
    new: Annotated[list[Path], typer.Option(help="A key that counts from now on; repeat.")],
    keys: Keys = None,
    threshold: Threshold = 2,
    passphrase: Secret = None,
    form: As = Format.table,
    lang: In = None,
) -> None:
    """Replace people's keys; old ones (--key) and new ones (--new) both sign."""
    from sakimori.app import defining  # noqa: PLC0415

    signers = _keys(keys, online, passphrase)
    _tell(lang, defining.rotate(repository, signers, new, threshold, _now()), form)


@group.command("status", epilog="Example: sakimori rules status defs")
def status(repository: InRepository, form: As = Format.table, lang: In = None) -> None:
    """Show a repository: rings, keys, what waits for signatures, when metadata expires."""
    from sakimori.app import defining  # noqa: PLC0415

    _tell(lang, defining.standing(repository), form)


def _tell(lang: In, standing: Standing, form: Format) -> None:
    from sakimori.app.defining import told  # noqa: PLC0415

    value = told(standing)
    if form is Format.json:
        out.print_json(value)
        return
    rows = [
        {"ring": ring, "version": version or "nothing"} for ring, version in value["rings"].items()
    ]
    out.print_rows(rows, form, ("ring", "version"))
    say = _say(lang)
    if standing.staged:
        out.say(
            say.tr("staged: {what}; {count} more signatures are needed",
                   what=standing.staged, count=standing.missing)
        )  # fmt: skip
    first = min(standing.expires, key=lambda role: standing.expires[role])
    day = f"{standing.expires[first]:%Y-%m-%d}"
    out.say(say.tr("{role} expires first, on {day}", role=first, day=day))


@group.command("trust", epilog="Example: sakimori rules trust 1.root.json")
def trust(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The publisher's root metadata.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Trust it instead of another one.")
    ] = False,
    store: Store = None,
    config: Config = None,
) -> None:
    """Trust a publisher. Compare the printed key ids with what the publisher told you."""
    from sakimori.app.defining import home_of  # noqa: PLC0415
    from sakimori.app.files import read_text  # noqa: PLC0415
    from sakimori.endpoint.definitions import client  # noqa: PLC0415

    settings, _, _ = out.machine(store, None, config)
    home = home_of(settings)
    for keyid in client.trust(home, read_text(root).encode(), replace=replace):
        print(keyid)


@group.command("update", epilog="Example: sakimori rules update --from https://defs.example/")
def update(
    source: From = "",
    ring: Ring = None,
    form: As = Format.table,
    store: Store = None,
    config: Config = None,
) -> None:
    """Fetch newer definitions and use them; on any doubt the present ones stay."""
    from sakimori.app import defining  # noqa: PLC0415

    settings, _, _ = out.machine(store, None, config)
    done = defining.update(
        defining.home_of(settings),
        source or settings.machine.definitions,
        ring or settings.machine.ring,
        _now(),
    )
    row = {
        "version": done.version, "new": done.new, "ring": done.ring, "files": done.files,
        "fetched": done.fetched, "reason": done.reason,
    }  # fmt: skip
    if form is Format.json:
        out.print_json(row)
    else:
        out.print_rows([row], form, tuple(row))


@group.command("list", epilog="Example: sakimori rules list")
def list_(
    form: As = Format.table, store: Store = None, lang: In = None, config: Config = None
) -> None:
    """List the definitions on this machine, their age, and which are in use."""
    from sakimori.app import defining  # noqa: PLC0415

    settings, _, say = out.machine(store, lang, config)
    value = defining.listed(defining.home_of(settings), _now())
    if form is Format.json:
        out.print_json(value)
        return
    columns = (
        "version",
        "published",
        "active",
        "rules",
        "hashes",
        "recipes",
        "damaged",
        "held",
        "note",
    )
    out.print_rows(value["versions"], form, columns)
    if value["active"] is None:
        out.say(say.tr("no definitions are active: scans know the built-in rules only"))
        return
    days = round(value["age_days"], 1)
    out.say(say.tr("{version} is {days} days old", version=value["active"], days=days))
    if value["old"]:
        out.say(say.tr("They are old: fetch newer ones with `sakimori rules update`."))


@group.command(
    "rollback", epilog="Example: sakimori rules rollback --reason 'hits on our own tool'"
)
def rollback(
    version: Annotated[str, typer.Argument(help="Which; default: the one before.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for the list.")] = "rolled back",
    store: Store = None,
    lang: In = None,
    config: Config = None,
) -> None:
    """Go back to earlier definitions; the later ones are set aside until you release them."""
    from sakimori.app.defining import home_of  # noqa: PLC0415
    from sakimori.endpoint.definitions import client  # noqa: PLC0415

    settings, _, say = out.machine(store, lang, config)
    back = client.rollback(home_of(settings), version, reason)
    out.say(
        say.tr("{version} is active; later versions are set aside: {reason}",
                              version=back.version, reason=out.shown(reason))
    )  # fmt: skip


@group.command("release", epilog="Example: sakimori rules release 20261125.7")
def release(
    version: Annotated[str, typer.Argument(help="The version that was set aside.")],
    store: Store = None,
    lang: In = None,
    config: Config = None,
) -> None:
    """Let a version that was set aside come again with the next update."""
    from sakimori.app.defining import home_of  # noqa: PLC0415
    from sakimori.endpoint.definitions import client  # noqa: PLC0415

    settings, _, say = out.machine(store, lang, config)
    client.release(home_of(settings), version)
    out.say(say.tr("{version} may come again: sakimori rules update", version=out.shown(version)))


@group.command(
    "carry", epilog="Example: sakimori rules carry defs.zip --from https://defs.example/"
)
def carry(  # noqa: PLR0913, PLR0917 - one parameter per option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write.")],
    source: From = "",
    ring: Ring = None,
    store: Store = None,
    lang: In = None,
    config: Config = None,
) -> None:
    """Write one file with newer definitions, for machines without a network."""
    from sakimori.app import defining  # noqa: PLC0415

    settings, _, say = out.machine(store, lang, config)
    done = defining.carry(
        defining.home_of(settings),
        source or settings.machine.definitions,
        ring or settings.machine.ring,
        file,
        _now(),
    )
    out.say(
        say.tr("{version}, {count} files; there: sakimori rules update --from {file}",
                              version=done.version, count=done.files, file=out.shown(file.name))
    )  # fmt: skip
