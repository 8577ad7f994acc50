"""Who to ask next to find who stands behind a botnet, and what each step costs.

A chain is followed from the bots outwards: what we hold ourselves, the service a controller hangs
on, what that leads to. For each partner on the map:

    hops       steps from the bots to the partner
    countries  whose law is crossed to get there, the home country left out
    partners   who must have answered before this one can be asked usefully (the chain's length)
    covers     controllers of this map that the answer would be about
    cost       1 + hops + 3 x countries + 2 x (partners - 1): days of work as a rule of thumb, for
               ranking only
    value      covers x what such a partner can reveal (`REVEALS`, 0..1)

Steps are ranked by value / cost. Nothing here asks anybody.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from sakimori.takedown.known import dynamic_dns_parent
from sakimori.takedown.map.model import CONTROLLERS, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sakimori.i18n import Translator
    from sakimori.takedown.map.model import BotnetMap

# How near an answer brings one to a person: an account with payments, down to flow records.
REVEALS: Mapping[str, float] = MappingProxyType({
    "hosting": 0.9, "dynamic_dns": 0.8, "registrar": 0.7, "dead_drop": 0.6, "own": 0.5,
    "name_server": 0.5, "asn": 0.4, "upstream": 0.3, "registry": 0.2,
})  # fmt: skip
_RELATIONS = {
    "is hosted by": "hosting", "is registered through": "registrar", "is served by": "name_server",
    "is announced by": "asn", "is in the zone of": "registry",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """One further step: whom, about which controllers, and what it costs."""

    kind: str
    partner: str
    about: tuple[str, ...]
    hops: int
    countries: tuple[str, ...]
    partners: int
    cost: int
    value: float

    @property
    def rank(self) -> float:
        """Value for the cost."""
        return self.value / self.cost


def next_steps(botnets: BotnetMap, home: str | None = None) -> list[Ask]:
    """Return whom to ask next, best value for the work first. `home`: our country, as JP."""
    about: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    nearest: dict[tuple[str, str], tuple[int, int]] = {}  # hops and partners of the shortest way
    for controller, (kind, partner, *way) in _chains(botnets):
        about[kind, partner].add(controller)
        nearest[kind, partner] = min(nearest.get((kind, partner), (99, 99)), (way[0], way[1]))
    asks = [
        _ask(botnets, (*whom, *nearest[whom]), tuple(sorted(its)), home)
        for whom, its in about.items()
    ]
    return sorted(asks, key=lambda a: (-a.rank, a.cost, a.kind, a.partner))


def _chains(botnets: BotnetMap) -> Iterable[tuple[str, tuple[str, str, int, int]]]:
    """Give (controller, (kind, partner node, hops, partners)) for everything that can be asked."""
    out: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for edge in botnets.edges:
        out[edge.source].append((edge.relation, edge.target))
    for node in botnets.nodes.values():
        if node.kind not in CONTROLLERS or node.attributes.get("sinkhole"):
            continue
        yield node.id, ("own", "", 1, 1)
        if node.kind == "dead_drop":
            yield node.id, ("dead_drop", node.id, 1, 1)
        parent = dynamic_dns_parent(value_of(node.id)) if node.id.startswith("name:") else None
        if parent is not None:
            yield node.id, ("dynamic_dns", f"name:{parent}", 2, 1)
        for chain in _reached(out, node.id, own_name=parent is None):
            yield node.id, chain


def _reached(
    out: Mapping[str, list[tuple[str, str]]], node: str, *, own_name: bool
) -> Iterable[tuple[str, str, int, int]]:
    for relation, target in out.get(node, ()):
        kind = _RELATIONS.get(relation)
        if kind and (own_name or kind not in ("registrar", "name_server", "registry")):
            yield kind, target, 2, 1
            yield from _upstreams(out, target, 3)
        elif relation in ("resolves to", "is at"):
            for further, beyond in out.get(target, ()):
                if (kind := _RELATIONS.get(further)) and kind in ("hosting", "asn"):
                    yield kind, beyond, 3, 1
                    yield from _upstreams(out, beyond, 4)


def _upstreams(
    out: Mapping[str, list[tuple[str, str]]], node: str, hops: int
) -> Iterable[tuple[str, str, int, int]]:
    for relation, target in out.get(node, ()):
        if relation == "is reached through":
            yield "upstream", target, hops, 2


def _ask(
    botnets: BotnetMap, chain: tuple[str, str, int, int], about: tuple[str, ...], home: str | None
) -> Ask:
    kind, partner, hops, partners = chain
    countries = set() if kind == "own" else _countries(botnets, partner, about) - {home or ""}
    cost = 1 + hops + 3 * len(countries) + 2 * (partners - 1)
    label = botnets.nodes[partner].label if partner in botnets.nodes else value_of(partner)
    return Ask(
        kind, label, about, hops, tuple(sorted(countries)), partners, cost,
        round(REVEALS[kind] * len(about), 4),
    )  # fmt: skip


def _countries(botnets: BotnetMap, partner: str, about: Iterable[str]) -> set[str]:
    """Return the partner's country, or where it is not known those of the controllers."""
    known = botnets.nodes.get(partner)
    if known is not None and (country := known.attributes.get("country")):
        return {str(country)}
    if known is not None and known.kind in ("hosting", "asn", "upstream"):
        return {
            str(country)
            for node in about
            if (country := botnets.nodes[node].attributes.get("country"))
        }
    return set()


_SAID: dict[str, Callable[[Translator, Ask], str]] = {
    "own": lambda say, ask: say.tr(
        "Capture what your own bots send (controllers: {count}): nobody has to agree, and it shows"
        " the protocol.",
        count=len(ask.about),
    ),
    "hosting": lambda say, ask: say.tr(
        "Ask the hosting company {partner} (controllers there: {count}) for the customer, the"
        " payments and a copy of the disk.",
        partner=ask.partner, count=len(ask.about),
    ),
    "dynamic_dns": lambda say, ask: say.tr(
        "Ask the dynamic DNS service {partner} (names there: {count}) for the accounts, and from"
        " where they log in.",
        partner=ask.partner, count=len(ask.about),
    ),
    "registrar": lambda say, ask: say.tr(
        "Ask the registrar {partner} (names there: {count}) for the accounts, the payments and what"
        " else they registered.",
        partner=ask.partner, count=len(ask.about),
    ),
    "dead_drop": lambda say, ask: say.tr(
        "Ask whoever runs {partner} for the account that posts there, and its log-ins.",
        partner=ask.partner,
    ),
    "name_server": lambda say, ask: say.tr(
        "Ask {partner}, which answers for {count} of the names, for the account and its other zones.",
        partner=ask.partner, count=len(ask.about),
    ),
    "asn": lambda say, ask: say.tr(
        "Ask the network {partner} (controllers there: {count}) for flow records: who logs in to"
        " them, and where they pass things on.",
        partner=ask.partner, count=len(ask.about),
    ),
    "upstream": lambda say, ask: say.tr(
        "Ask the upstream {partner} (controllers behind it: {count}) for flow records, if their own"
        " network does not answer.",
        partner=ask.partner, count=len(ask.about),
    ),
    "registry": lambda say, ask: say.tr(
        "Ask the registry of {partner} (names there: {count}) for their history: earlier registrars"
        " and name servers.",
        partner=ask.partner, count=len(ask.about),
    ),
}  # fmt: skip


def told(ask: Ask, say: Translator) -> str:
    """Return a step in the reader's language, with its cost."""
    words = _SAID[ask.kind](say, ask)
    if ask.countries:
        cost = say.tr(
            "Hops: {hops}, partners: {partners}, countries on the way: {countries}.",
            hops=ask.hops, partners=ask.partners, countries=", ".join(ask.countries),
        )  # fmt: skip
    elif ask.kind == "own":
        return words
    else:
        cost = say.tr(
            "Hops: {hops}, partners: {partners}; no border is known to be crossed.",
            hops=ask.hops, partners=ask.partners,
        )  # fmt: skip
    return f"{words} {cost}"
