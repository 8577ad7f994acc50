"""`letter` and `visits`: tell users in plain words, and count who opened their page."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, app

if TYPE_CHECKING:
    from datetime import tzinfo


class Kind(StrEnum):
    """What is written."""

    letter = "letter"
    page = "page"


class Langs(StrEnum):
    """Languages of a letter, in the order shown."""

    ja_en = "ja,en"
    en_ja = "en,ja"
    ja = "ja"
    en = "en"


@app.command(
    epilog="Example: sakimori letter events.csv --url https://clean.example.net/v"
    " --secret letters.key --out letters"
)
def letter(  # noqa: PLR0913, PLR0917 - one parameter per option
    events: Annotated[Path, typer.Argument(help="CSV: time,ip,port,seen,established and more.")],
    url: Annotated[str, typer.Option(help="Your help pages; the user's token is put behind it.")],
    secret: Annotated[
        Path, typer.Option(help="File of the secret behind the tokens; made when new. Keep it.")
    ],
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")],
    kind: Annotated[Kind, typer.Option(help="A letter to print, or a walled-garden page.")] = (
        Kind.letter
    ),
    lang: Annotated[Langs, typer.Option(help="Languages, in the order shown.")] = Langs.ja_en,
    phone: Annotated[str, typer.Option(help="Telephone number for questions.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of the times.")] = "Asia/Tokyo",
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Write a letter or page for each infected address, in plain Japanese and English."""
    from sakimori.app import letters, notifying  # noqa: PLC0415 - slow to import
    from sakimori.config import load  # noqa: PLC0415
    from sakimori.errors import ConfigError  # noqa: PLC0415
    from sakimori.takedown.notify.letter import House  # noqa: PLC0415

    mail = load(config).mail
    if not mail.organisation:
        raise ConfigError("a letter must say who writes",
                          hint="set organisation in section [mail] of the settings")  # fmt: skip
    house = House(organisation=mail.organisation, address=url, phone=phone, about=mail.about,
                  timezone=_zone(zone), timezone_name=zone)  # fmt: skip
    read = notifying.events_from(events)
    how = (lang.value.split(","), kind.value)
    written = letters.write(read.events, house, letters.secret_from(secret), folder, how)
    columns = ("ip", "events", "first", "last", "token", "file")
    out.print_rows([asdict(w) for w in written], form, columns)
    if read.refused:
        out.say(f"put aside: {len(read.refused):,} events; see why: sakimori notify")
    out.say(f"{len(written):,} files in {folder}, and letters.csv that says which is whose")


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from sakimori.errors import ConfigError  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"no time zone is named {name!r}", hint='such as "Asia/Tokyo"') from error


@app.command(epilog="Example: sakimori visits access.log --letters letters/letters.csv")
def visits(
    logs: Annotated[list[Path], typer.Argument(help="Access logs in the combined format.")],
    letters: Annotated[
        Path | None, typer.Option(help="letters.csv: counts only tokens that were issued.")
    ] = None,
    form: As = Format.table,
) -> None:
    """Count how many letters' pages were opened. Keeps token, count and times, nothing else."""
    from sakimori.app import letters as reading  # noqa: PLC0415 - slow to import

    found = reading.count(logs, letters)
    if form is Format.json:
        out.print_json(reading.as_object(found))
    else:
        out.print_rows([asdict(v) for v in found.visits], form, ("token", "count", "first", "last"))
    share = "" if found.share is None else f" of {found.issued:,} ({found.share:.1%})"
    out.say(
        f"{len(found.visits):,} letters were opened{share}; {found.unknown:,} unknown tokens,"
        f" {found.unread:,} lines could not be read"
    )
