"""What controllers hang on: registrar, registry, name servers, hosting, AS, upstream, country.

From what an analyst or RDAP says (`facts`), and a table of address ranges. Nothing is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.takedown import known as public
from sakimori.takedown.map._draft import Seen
from sakimori.takedown.map.expand import add_server
from sakimori.takedown.map.model import node_id, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sakimori.takedown.map._draft import Draft
    from sakimori.takedown.map.model import Holding, Registration, Trait

TRAITS = ("cert", "ja3s", "ja4s", "ja4", "uri")  # marks that are drawn; the others only pivot


class AsRow(Protocol):
    """What is needed of a table of address ranges."""

    @property
    def asn(self) -> str:
        """The number without AS; empty where the table names none."""

    @property
    def name(self) -> str:
        """Who holds it."""

    @property
    def country(self) -> str:
        """Two capital letters, or empty."""

    @property
    def source(self) -> str:
        """The file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Who holds names and addresses."""

    registrations: Sequence[Registration] = ()
    holdings: Sequence[Holding] = ()
    asn: Callable[[str], AsRow | None] = lambda _address: None


def hang(draft: Draft, ground: Ground, traits: Iterable[Trait] = ()) -> None:
    """Add to every name and address what it hangs on, and to controllers their marks."""
    of_name = {r.name: r for r in ground.registrations}
    for name in [n for n in draft.kinds if n.startswith("name:")]:
        _name(draft, name, of_name)
    ranges = sorted(
        ((ip_network(h.network), h) for h in ground.holdings), key=lambda r: -r[0].prefixlen
    )
    for address in [n for n in draft.kinds if n.startswith("address:")]:
        _address(draft, address, ranges, ground.asn(value_of(address)))
    for trait in traits:
        _trait(draft, trait)


def _name(draft: Draft, node: str, of_name: dict[str, Registration]) -> None:
    name = value_of(node)
    own = public.registrable(name)
    tld = own.rpartition(".")[2]
    draft.node(f"registry:{tld}", "registry", f".{tld}", country=country_of(tld))
    draft.edge((node, f"registry:{tld}", "is in the zone of"), "name")
    fact = of_name.get(name) or of_name.get(own)
    if fact is None:
        return
    draft.node(node, "name", created=fact.created, country=fact.country)
    for kind, value, relation in (
        ("registrar", fact.registrar, "is registered through"),
        ("registrant", fact.registrant, "is registered by"),
    ):
        if value:
            draft.node(f"{kind}:{value.lower()}", kind, value, country=None)
            draft.edge((node, f"{kind}:{value.lower()}", relation), fact.source)
    if fact.registry:
        draft.node(f"registry:{tld}", "registry", operator=fact.registry)
    if fact.country:
        _country(draft, node, fact.country, fact.source)
    for host in fact.name_servers:
        add_server(draft, node, host, fact.source)


def country_of(tld: str) -> str | None:
    """Return the country whose law a registry is under: of a two-letter name, and of the largest.

    Source: ISO 3166; the root zone database of IANA for com, net and org.
    """
    if tld in ("com", "net", "org"):
        return "US"
    if len(tld) != 2 or not tld.isascii() or not tld.isalpha():
        return None
    return "GB" if tld == "uk" else tld.upper()


def _address(
    draft: Draft, node: str, ranges: Sequence[tuple[Any, Holding]], row: AsRow | None
) -> None:
    if row is not None:
        _system(draft, node, (row.asn, row.name), row.country, row.source)
    address = ip_address(value_of(node))
    held = next((h for net, h in ranges if net.version == address.version and address in net), None)
    if held is None:
        return
    if held.hosting:
        draft.node(f"hosting:{held.hosting.lower()}", "hosting", held.hosting)
        draft.edge((node, f"hosting:{held.hosting.lower()}", "is hosted by"), held.source)
    _system(draft, node, (held.asn or "", held.as_name or ""), held.country or "", held.source)
    system = f"asn:{held.asn}" if held.asn else node
    for upstream in held.upstreams:
        draft.node(f"upstream:{upstream.lower()}", "upstream", upstream)
        draft.edge((system, f"upstream:{upstream.lower()}", "is reached through"), held.source)


def _system(draft: Draft, node: str, system: tuple[str, str], country: str, source: str) -> None:
    asn, name = system
    if asn:
        draft.node(f"asn:{asn}", "asn", f"AS{asn} {name}".strip(), country=country or None)
        draft.edge((node, f"asn:{asn}", "is announced by"), source)
    if country:
        draft.node(node, "address", country=country)
        _country(draft, f"asn:{asn}" if asn else node, country, source)


def _country(draft: Draft, node: str, country: str, source: str) -> None:
    draft.node(f"country:{country}", "country", country)
    draft.edge((node, f"country:{country}", "is in"), source)


def join_urls(draft: Draft) -> None:
    """Join every URL to the name or address it is asked at."""
    for node in [n for n in draft.kinds if n.startswith("url:")]:
        _url(draft, node)


def _url(draft: Draft, node: str) -> None:
    host = host_of(value_of(node))
    if host:
        space = "address" if public.is_address(host) else "name"
        draft.node(f"{space}:{host}", space)
        draft.edge((node, f"{space}:{host}", "is at"), "name")


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """Return a URL's host, lower case; empty where there is none."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname
    except ValueError:
        return ""
    return (host or "").rstrip(".")


def _trait(draft: Draft, trait: Trait) -> None:
    controller = node_id(trait.controller)
    if trait.kind not in TRAITS or controller not in draft.kinds:
        return
    node = f"{trait.kind}:{trait.value}"
    draft.node(node, trait.kind, trait.value)
    draft.edge(
        (controller, node, "shows"), trait.source, Seen(trait.first, trait.last, trait.count)
    )
