"""A letter or a walled-garden page for the user of an infected computer, in plain words.

Self-contained HTML: no script, no picture, nothing from elsewhere. Both languages can stand on one
page. The sentences are here, the shape is in `templates/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sakimori.errors import ConfigError
from sakimori.hostile import defanged, visible
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from jinja2 import Environment

    from sakimori.takedown.notify.events import VictimEvent

KINDS = ("letter", "page")
SHOWN = 10  # sightings in the table; a letter is read by people


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """The user a letter is for. `name` is filled in by the provider, or left empty."""

    events: tuple[VictimEvent, ...]
    token: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Who writes, and where the user finds help. Raises ConfigError for an address of no use."""

    organisation: str
    address: str  # https address of the help pages; the token is put behind it
    phone: str = ""
    about: str = ""  # another way to ask, such as an office and its hours
    timezone: tzinfo
    timezone_name: str = "UTC"

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("https", "http") or not parts.netloc or parts.query:
            raise ConfigError(
                f"{self.address[:80]!r} is no web address for help pages",
                hint="such as https://clean.example.net/v",
            )

    def page_of(self, token: str) -> str:
        """Return the address of a user's own page."""
        return f"{self.address.rstrip('/')}/{token}"


def render(
    user: Subscriber, house: House, langs: Sequence[str] = ("ja", "en"), kind: str = "letter"
) -> str:
    """Return a whole HTML page: one part for each language, in the order given.

    Raises ConfigError for an unknown kind or when there is nothing to tell.
    """
    if kind not in KINDS:
        raise ConfigError(f"no kind is named {kind!r}", hint=" or ".join(KINDS))
    if not user.events:
        raise ConfigError("a letter needs at least one event")
    parts = [_part(Translator(lang), user, house) for lang in langs]
    template = _environment().get_template(f"{kind}.html.j2")
    return template.render(parts=parts, lang=langs[0], title=parts[0]["title"], kind=kind)


@cache
def _environment() -> Environment:
    import jinja2  # noqa: PLC0415 - slow to import

    return jinja2.Environment(
        loader=jinja2.PackageLoader("sakimori.takedown.notify", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _part(say: Translator, user: Subscriber, house: House) -> dict[str, Any]:
    """Return everything one language's part shows."""
    return {
        "lang": say.lang,
        "title": say.tr("A computer or device on your line is infected"),
        "greeting": say.tr("To {name}", name=user.name) if user.name else "",
        "opening": _opening(say, house),
        "harm_title": say.tr("Why this matters, even with nothing important on it"),
        "harm": _harm(say),
        "seen_title": say.tr("What was seen"),
        "seen": _seen(say, user, house),
        "steps_title": say.tr("What to do, step by step"),
        "steps": _steps(say),
        "page_title": say.tr("Your own page"),
        "page": house.page_of(user.token),
        "page_text": say.tr(
            "The newest advice is here. The address differs from letter to letter, so that we can "
            "count how many are read."
        ),
        "ask_title": say.tr("Whom to ask"),
        "ask": _ask(say, house),
        "trust_title": say.tr("How to know that this is real"),
        "trust": _trust(say, house),
        "from": visible(house.organisation),
    }


def _opening(say: Translator, house: House) -> list[str]:
    return [
        say.tr(
            "{organisation} has seen that a computer, telephone, camera or router on your line "
            "does what a criminal tells it to. Such a device is called a bot.",
            organisation=house.organisation,
        ),
        say.tr(
            "You have most likely done nothing wrong: this happens without any sign, and to "
            "careful people as well. But only you can put an end to it."
        ),
    ]


def _harm(say: Translator) -> list[str]:
    return [
        say.tr(
            "Many people think: there is nothing important on my PC, so it does not matter. It "
            "does, because the device is used against others."
        ),
        say.tr("It can be made to send spam and fraud mails by the thousand, from your line."),
        say.tr(
            "It can be made to attack hospitals, shops and offices, with thousands of other bots."
        ),
        say.tr("It can read along: passwords, bank and shopping accounts, photographs."),
        say.tr("It may lock your files for ransom whenever its owner decides to."),
    ]


def _seen(say: Translator, user: Subscriber, house: House) -> dict[str, Any]:
    events = sorted(user.events, key=lambda e: e.time, reverse=True)
    family = next((e.family or e.botnet for e in events if e.family or e.botnet), "")
    rows = [
        (
            f"{e.time.astimezone(house.timezone):%Y-%m-%d %H:%M:%S}",
            e.ip,
            e.port or "-",
            _what(say, e),
        )
        for e in events[:SHOWN]
    ]
    more = len(events) - SHOWN
    return {
        "family": say.tr("Name of the malware: {family}", family=_cold(family)) if family else "",
        "heads": [
            say.tr("Time ({zone})", zone=house.timezone_name),
            say.tr("Your address"),
            say.tr("Port"),
            say.tr("What it did"),
        ],
        "rows": rows,
        "more": say.tr("and {more} more times", more=more) if more > 0 else "",
    }


def _cold(text: str) -> str:
    return defanged(text, 60)


def _what(say: Translator, event: VictimEvent) -> str:
    sentences = {
        "sinkhole": say.tr("called a server that was taken from the criminals"),
        "cnc_log": say.tr("took orders from a server of the criminals"),
        "crawler": say.tr("answered as a member of the botnet"),
        "honeypot": say.tr("attacked another computer"),
        "flow": say.tr("spoke with a server of the criminals"),
        "drop_site": say.tr("sent stolen data to the criminals"),
        "report": say.tr("was reported by someone it attacked"),
    }
    return sentences.get(event.seen, visible(event.seen))


def _steps(say: Translator) -> list[str]:
    return [
        say.tr(
            "Find the device. Ask everyone at home or in the office. It may also be a router, a "
            "camera, a recorder or a television."
        ),
        say.tr("Copy what you want to keep (photographs, documents) to another disk. No programs."),
        say.tr(
            "On a computer: install all updates of the system, then run a full scan with the "
            "protection that came with it or with your antivirus. Let it remove what it finds."
        ),
        say.tr("Restart and scan again. If it still finds something, set the computer up anew."),
        say.tr(
            "On a router, camera or other device: switch it off and on, install its newest "
            "software, then set a new, long password. If its maker gives no updates any more, "
            "replace it."
        ),
        say.tr(
            "When it is clean, change your passwords from a clean device: mail first, then bank, "
            "then shops. Do not use one password twice."
        ),
        say.tr("Open your own page (below) and tell us, or ask for help."),
    ]


def _ask(say: Translator, house: House) -> list[str]:
    found = [visible(house.organisation)]
    if house.phone:
        found.append(say.tr("Telephone: {phone}", phone=house.phone))
    if house.about:
        found.append(visible(house.about))
    found.append(say.tr("Help is free. We never ask for your password or for money."))
    return found


def _trust(say: Translator, house: House) -> str:
    return say.tr(
        "Do not trust a letter or a page because it says so. Look up the telephone number of "
        "{organisation} yourself, on your contract or bill, and ask. There is nothing to install "
        "from this page.",
        organisation=house.organisation,
    )
