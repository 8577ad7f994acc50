"""Whom to tell about an address: a local file first, then what the registries say.

The local file is a CSV with the columns `match,mail` and, where known, `name,key,lang,country`.
`match` is a network (192.0.2.0/24), an AS number (AS64500), a domain (example.net, also below), a
country (country:JP, a last resort) or anything else, which is a provider's name as the events give
it. A row without a mail says "nobody to tell". `key` is a PGP fingerprint or the path of a PEM
certificate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.intel._contract import Reject
from sakimori.intel.rows import Row, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


LANGUAGES = ("en", "ja")
_TABLES = ("networks", "numbers", "domains", "countries", "names")
_MAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
)
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_AS = re.compile(r"(?i)AS([0-9]{1,10})")
# The registries answer for their registers, not for the bots in the networks registered there.
REGISTRIES = (
    "afrinic.net", "apnic.net", "arin.net", "iana.org", "lacnic.net", "nic.ad.jp", "ripe.net",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom to tell. Without a mail address `why` says why nobody can be told."""

    mail: str = ""
    name: str = ""
    key: str = ""  # PGP fingerprint, or path of a certificate
    lang: str = "en"
    country: str = ""  # two letters
    source: str = ""  # which file or server said so
    why: str = ""

    @property
    def provider(self) -> str:
        """The name that groups events: the mailbox where there is one."""
        return self.mail.lower() or self.name or "unknown"


@dataclass(frozen=True, slots=True)
class Book:
    """Contacts from a local file, and the mailboxes that want no mail."""

    networks: Mapping[tuple[int, int, int], Contact] = field(default_factory=dict)
    numbers: Mapping[int, Contact] = field(default_factory=dict)
    domains: Mapping[str, Contact] = field(default_factory=dict)
    countries: Mapping[str, Contact] = field(default_factory=dict)
    names: Mapping[str, Contact] = field(default_factory=dict)
    no_mail: frozenset[str] = frozenset()

    def named(self, provider: str) -> Contact | None:
        """Return the contact of a provider by the name or the mailbox that events give."""
        return self.names.get(provider.strip().lower())

    def of_address(self, ip: str) -> Contact | None:
        """Return the contact of the narrowest network that holds the address."""
        address = ip_address(ip)
        for length in range(address.max_prefixlen, -1, -1):
            shift = address.max_prefixlen - length
            key = (address.version, length, int(address) >> shift)
            if key in self.networks:
                return self.networks[key]
        return None

    def of_domain(self, name: str) -> Contact | None:
        """Return the contact of the name or of the nearest name above it."""
        parts = name.lower().rstrip(".").split(".")
        above = (".".join(parts[n:]) for n in range(len(parts)))
        return next((self.domains[name] for name in above if name in self.domains), None)

    def find(self, ip: str = "", asn: int | None = None, provider: str = "") -> Contact | None:
        """Return the contact for an event: by provider, then network, then AS number."""
        return (
            (self.named(provider) if provider else None)
            or (self.of_address(ip) if ip else None)
            or (self.numbers.get(asn) if asn is not None else None)
        )

    def checked(self, contact: Contact) -> Contact:
        """Return the contact, without its mailbox where that must not be written to."""
        why = self._unwanted(contact.mail.lower())
        return replace(contact, mail="", why=why) if why else contact

    def _unwanted(self, mail: str) -> str:
        if not mail:
            return ""
        domain = mail.rpartition("@")[2]
        if mail in self.no_mail or any(f"@{d}" in self.no_mail for d in _above(domain)):
            return f"{mail} is on the do-not-mail list"
        if of_registry(mail):
            return f"{mail} belongs to the registry, not to the provider"
        return ""


def of_registry(mail: str) -> bool:
    """Whether a mailbox is a registry's own, which many records name instead of the provider's."""
    return any(name in REGISTRIES for name in _above(mail.lower().rpartition("@")[2]))


def _above(domain: str) -> list[str]:
    parts = domain.split(".")
    return [".".join(parts[n:]) for n in range(len(parts))]


def mail_address(text: str) -> str:
    """Return a mailbox (RFC 5321, ASCII) without white space around. Raises ValueError."""
    mail = text.strip()
    if len(mail) > 254 or not _MAIL.fullmatch(mail):
        raise ValueError(f"{text[:80]!r} is no mail address")
    return mail


def read_book(
    lines: Iterable[str], where: str = "", no_mail: Iterable[str] = ()
) -> tuple[Book, list[Reject]]:
    """Read the local file of contacts. `no_mail` holds mailboxes and @domains, one a line.

    A row that cannot be used is put aside with its line and reason; of two rows for the same thing
    the later one holds. Raises SourceError when the columns `match` and `mail` are missing.
    """
    tables: dict[str, dict[Any, Contact]] = {name: {} for name in _TABLES}
    rejects = []
    for row in read_rows(lines, ("match", "mail"), where):
        try:
            _put(tables, row, where)
        except ValueError as error:
            rejects.append(Reject(row.line, str(error), row.cells.get("match", "")[:200]))
    return Book(**tables, no_mail=_unwanted(no_mail)), rejects


def _unwanted(lines: Iterable[str]) -> frozenset[str]:
    """Return mailboxes and @domains in small letters; "#" starts a remark."""
    texts = (line.partition("#")[0].strip().lower() for line in lines)
    return frozenset(text if "@" in text else f"@{text}" for text in texts if text)


def _put(tables: dict[str, dict[Any, Contact]], row: Row, where: str) -> None:
    if row.problem:
        raise ValueError(row.problem)
    cell = row.cells
    contact = _contact(cell, where)
    match = cell["match"]
    if not match:
        raise ValueError("match is empty")
    table, key = _key(match)
    tables[table][key] = contact
    for name in (contact.name, contact.mail):
        if name:
            tables["names"].setdefault(name.lower(), contact)


def _contact(cell: Mapping[str, str], where: str) -> Contact:
    lang, country = cell.get("lang") or "en", cell.get("country", "").upper()
    if lang not in LANGUAGES:
        raise ValueError(f"lang is {lang[:20]!r}, not one of {', '.join(LANGUAGES)}")
    if country and not re.fullmatch("[A-Z]{2}", country):
        raise ValueError(f"country is {country[:20]!r}, not two letters")
    mail = mail_address(cell["mail"]) if cell["mail"] else ""
    return Contact(
        mail=mail,
        name=cell.get("name", "")[:200],
        key=_key_place(cell.get("key", ""), where),
        lang=lang,
        country=country,
        source=where or "file",
        why="" if mail else "the contacts file says: nobody to tell",
    )


def _key_place(key: str, where: str) -> str:
    """A certificate's path counts from the contacts file."""
    if not key or re.fullmatch("[0-9A-Fa-f ]+", key):
        return key.replace(" ", "").upper()
    return str(Path(where).parent / key) if where else key


def _key(match: str) -> tuple[str, Any]:
    """Return the table and key of a `match`. Raises ValueError for a network with host bits."""
    low = match.lower()
    if number := _AS.fullmatch(match):
        return "numbers", int(number[1])
    if low.startswith("country:"):
        return "countries", low.removeprefix("country:").upper()
    if re.fullmatch(r"[0-9.]+(/[0-9]+)?|[0-9a-f:]*:[0-9a-f:.]*(/[0-9]+)?", low):
        network = ip_network(low)
        shift = network.max_prefixlen - network.prefixlen
        address = int(network.network_address) >> shift
        return "networks", (network.version, network.prefixlen, address)
    return ("domains" if _DOMAIN.fullmatch(low) else "names"), low
