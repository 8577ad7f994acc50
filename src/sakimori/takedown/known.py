"""Names, addresses and networks that belong to everybody: where a map stops and a cut is refused.

Below a dynamic-DNS parent strangers register hosts; a parking page and a CDN serve millions of
unrelated names; a sinkhole belongs to defenders. Small lists of facts, each with its source; a
file of the user adds to them (`parse`). Values are lower case, without a final dot. A list that
misses a service makes a map too large, never a cut wrong by itself: the planner's other gates
(names on an address, authority) still stand.

Sources: the private section of the Public Suffix List (publicsuffix.org; its copy in package
publicsuffixlist); the services' own help pages for their parents and name servers; Vissers et al.,
"Parking Sensors", NDSS 2015, for parking services; AS names as the regional registries publish
them; Alowaisheq et al., "Cracking the Wall of Confinement", NDSS 2019, for names of sinkholes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

DYNAMIC_DNS = frozenset({
    # Free services whose customers share a parent and that the Public Suffix List leaves out.
    "3322.org", "8866.org", "2288.org", "6600.org", "7766.org", "8800.org", "9966.org", "f3322.net",
    "f3322.org", "chickenkiller.com", "mooo.com", "strangled.net", "ignorelist.com", "jumpingcrab.com",
    "crabdance.com", "us.to", "uk.to", "twilightparadox.com", "changeip.com", "ddns.info",
    "dynamic-dns.net", "dns04.com", "dns05.com", "ocry.com", "almostmy.com", "sytes.net", "zapto.org",
    "no-ip.org", "no-ip.biz", "no-ip.info", "hopto.org", "ddns.net", "duckdns.org", "dynu.net",
    "dynu.com", "mydns.jp", "dip.jp", "ddo.jp", "mydns.to", "iobb.net", "clear-net.jp", "moe.hm",
    "ddnsfree.com", "freeddns.org", "theworkpc.com", "gleeze.com", "kozow.com", "ooguy.com",
})  # fmt: skip
PARKING = frozenset({
    # Below these lie the name servers of parking services and of sales of used names.
    "sedoparking.com", "parkingcrew.net", "bodis.com", "above.com", "parklogic.com", "ztomy.com",
    "dsredirection.com", "dsredirects.com", "uniregistrymarket.link", "afternic.com", "dan.com",
    "cashparking.com", "namedrive.com", "voodoo.com", "internettraffic.com", "rookdns.com",
    "fabulous.com", "smartname.com", "domainsponsor.com", "trafficz.com", "skenzo.com",
    "domainpower.com", "dns-parking.com", "parkingpage.namecheap.com", "hugedomains.com",
})  # fmt: skip
CDN = frozenset({
    "cloudfront.net", "cdn.cloudflare.net", "akamai.net", "akamaiedge.net", "akamaihd.net",
    "akamaized.net", "edgekey.net", "edgesuite.net", "fastly.net", "fastlylb.net", "azureedge.net",
    "azurefd.net", "trafficmanager.net", "edgecastcdn.net", "llnwd.net", "llnwi.net", "cdn77.org",
    "b-cdn.net", "kxcdn.com", "stackpathdns.com", "stackpathcdn.com", "incapdns.net",
    "impervadns.net", "sucuri.net", "cdngc.net", "wscdns.com", "alikunlun.com", "kunlunca.com",
    "cdn.dnsv1.com", "gcdn.co", "googlehosted.com",
})  # fmt: skip
CDN_ASNS = frozenset({
    "13335", "209242",  # Cloudflare
    "20940", "16625", "12222", "32787",  # Akamai
    "54113",  # Fastly
    "15133",  # Edgecast
    "22822",  # Limelight
    "19551",  # Incapsula
    "30148",  # Sucuri
    "60068",  # CDN77
})  # fmt: skip
SINKHOLES = frozenset({
    # Name servers and names of sinkholes whose operators say so themselves.
    "microsoftinternetsafety.net", "sinkhole.shadowserver.org", "sinkhole.cert.pl",
    "torpig-sinkhole.org", "sinkhole.abuse.ch", "csof.net",
})  # fmt: skip
_MARKS = ("sinkhole", "sinkdns", "blackhole")


@dataclass(frozen=True, slots=True)
class Known:
    """What belongs to everybody. Names cover those below; `parking` and `sinkhole` hold CIDRs, too."""

    dynamic_dns: frozenset[str] = DYNAMIC_DNS
    parking: frozenset[str] = PARKING
    cdn: frozenset[str] = CDN
    cdn_asn: frozenset[str] = CDN_ASNS
    sinkhole: frozenset[str] = SINKHOLES
    sources: tuple[str, ...] = field(default=("built in",))


BUILTIN = Known()
KINDS = tuple(f.name.replace("_", "-") for f in fields(Known) if f.name != "sources")


def parse(lines: Iterable[str], where: str, known: Known = BUILTIN) -> Known:
    """Return `known` with the rows of a CSV file added: `kind,value[,comment]`, `#` for comments.

    Kinds: dynamic-dns, parking, cdn, cdn-asn, sinkhole. Values: a name (and those below it), an
    address or CIDR (parking, sinkhole), an AS number with or without `AS` (cdn-asn).
    Raises SourceError with `where:line` for another kind or a value that is none of these.
    """
    added: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        row = line.strip().split(",")
        if not row[0].strip() or row[0].startswith("#"):
            continue
        if [cell.strip().lower() for cell in row[:2]] == ["kind", "value"]:
            continue
        kind, value = _checked(row, f"{where}:{number}")
        added.setdefault(kind.replace("-", "_"), set()).add(value)
    changes: dict[str, Any] = {name: getattr(known, name) | more for name, more in added.items()}
    return replace(known, sources=(*known.sources, where), **changes)


def _checked(row: list[str], where: str) -> tuple[str, str]:
    kind, value = row[0].strip().lower(), plain_form(row[1]) if len(row) > 1 else ""
    if kind not in KINDS:
        raise SourceError(f"no kind is named {kind!r}", where=where, hint=", ".join(KINDS))
    if kind == "cdn-asn":
        number = value.removeprefix("as")
        if not (number.isascii() and number.isdecimal()):
            raise SourceError(f"{value!r} is no AS number", where=where, hint="such as AS64500")
        return kind, number
    if (network := _network(value)) is not None:
        return kind, network
    if not value or any(c.isspace() or c == "/" for c in value):
        raise SourceError(
            f"{value!r} is no name, address or CIDR", where=where, hint="such as dyn.example"
        )
    return kind, value


def is_public_suffix(name: str) -> bool:
    """Whether names below this one belong to different owners: `co.jp`, and `duckdns.org`, too.

    By the Public Suffix List with its private section. A top-level name that the list does not
    hold counts as one. An address is none.
    """
    plain = plain_form(name)
    if not plain or is_address(plain):
        return False
    return bool(_suffixes(icann=False).publicsuffix(plain) == plain)


def dynamic_dns_parent(name: str, known: Known = BUILTIN) -> str | None:
    """Return the parent below which strangers register hosts; None for a name of its own owner.

    `evil.duckdns.org` and `duckdns.org` both give `duckdns.org`: cut the host, never the parent.
    Parents are the listed services, and the private section of the Public Suffix List (which
    holds hosting services such as `github.io`, too).
    """
    plain = plain_form(name)
    if not plain or is_address(plain):
        return None
    if (listed := _parent_in(plain, known.dynamic_dns)) is not None:
        return listed
    suffix = _suffixes(icann=False).publicsuffix(plain)
    if suffix and suffix != _suffixes(icann=True).publicsuffix(plain):
        return str(suffix)
    return None


def is_parking(name_server: str, known: Known = BUILTIN) -> bool:
    """Whether a name server, name or address is of a parking service."""
    return _listed(name_server, known.parking)


def is_cdn(name: str, known: Known = BUILTIN, *, asn: int | str | None = None) -> bool:
    """Whether a name lies below a content network's, or an AS number is one of theirs."""
    if asn is not None and str(asn).lower().removeprefix("as") in known.cdn_asn:
        return True
    return _listed(name, known.cdn)


def is_sinkhole(value: str, listed: Collection[str] = (), known: Known = BUILTIN) -> bool:
    """Whether a name, name server or address is a sinkhole.

    `listed`: what the user's intelligence marks as one (names and addresses, in plain form). A
    name counts when it lies below an operator's that is listed here. What a name says of itself
    never counts, for a botmaster could call a server so and be spared: see `calls_itself_sinkhole`.
    """
    plain = plain_form(value)
    return plain in listed or _listed(plain, known.sinkhole)


def calls_itself_sinkhole(name: str) -> bool:
    """Whether a label of a name begins as most operators mark theirs: a hint to ask, no proof."""
    plain = plain_form(name)
    return not is_address(plain) and any(part.startswith(_MARKS) for part in plain.split("."))


def registrable(name: str) -> str:
    """Return the name that somebody registered: one label below its public suffix.

    `a.b.example.co.jp` gives `example.co.jp`. A public suffix and an address give themselves.
    """
    plain = plain_form(name)
    if not plain or is_address(plain):
        return plain
    return str(_suffixes(icann=False).privatesuffix(plain) or plain)


def is_address(text: str) -> bool:
    """Whether a text is a single IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _listed(value: str, entries: frozenset[str]) -> bool:
    plain = plain_form(value)
    if not is_address(plain):
        return _parent_in(plain, entries) is not None
    address = ip_address(plain)
    return any(address in network for network in _networks(entries))


def _parent_in(name: str, entries: frozenset[str]) -> str | None:
    """Return the longest of the name and its parents that is an entry."""
    labels = name.split(".")
    parents = (".".join(labels[at:]) for at in range(len(labels)))
    return next((parent for parent in parents if parent in entries), None)


@cache
def _networks(entries: frozenset[str]) -> tuple[Any, ...]:
    """Return the entries that are networks; cached, for a list is asked many times."""
    found = (_network(entry) for entry in entries)
    return tuple(ip_network(text) for text in found if text is not None)


def _network(text: str) -> str | None:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None


def plain_form(name: str) -> str:
    """Return a name or address as lists hold it: lower case, no final dot, no space around."""
    return name.strip().lower().rstrip(".")


@cache
def _suffixes(*, icann: bool) -> Any:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - slow to import

    return PublicSuffixList(only_icann=icann)
