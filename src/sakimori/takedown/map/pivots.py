"""Which botnets may have one operator: what their infrastructure shares, and how much that says.

A proposal, never a fact: shared marks can be bought, copied or planted. For botnets a and b:

    kinds     each kind of mark has a weight: the chance that one value, shared by these two and
              nobody else, means one operator (`WEIGHTS`; judgement, not measured)
    rarity    1 / (1 + n)^2, n = others that show the value: servers that are no controllers, and
              half of each botnet beyond two. A value of 30 unrelated servers weighs a thousandth
    kind      1 - product over values of (1 - weight x rarity), at most weight + `CAP` x weight x
              (1 - weight): many names of one account do not add up to certainty
    strength  1 - product over kinds of (1 - kind)

So it is symmetric, never falls when more is shared, and stays near 0 for what everybody has.

Source: noisy-or, Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2. That
shared infrastructure is weak alone: Rid and Buchanan, Attributing Cyber Attacks, 2015.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING

from sakimori.takedown.known import is_address, registrable
from sakimori.takedown.map.model import Trait, node_id, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sakimori.takedown.map.model import BotnetMap, Material

WEIGHTS: Mapping[str, float] = MappingProxyType({
    "controller": 0.9,  # the same server or name
    "cert": 0.9,  # the same key and certificate
    "registrant": 0.8,  # the same account
    "uri": 0.5,  # the same path of a gate or panel: kits are sold
    "registration": 0.4,  # one registrar, one day
    "name_server": 0.4,
    "address": 0.4,  # resolved to at some time
    "ja4s": 0.3,  # the same server program
    "ja3s": 0.3,
    "ja4": 0.3,  # the same client program in the bots
    "range": 0.25,  # one /24 or /48
    "schedule": 0.2,  # orders at the same hour and minute
    "hosting": 0.1,
    "first_day": 0.1,  # first seen on one day
    "period": 0.1,  # bots call at the same interval
    "registrar": 0.05,
    "asn": 0.05,
})  # fmt: skip
UNKNOWN_WEIGHT = 0.1
CAP = 0.6  # how far further values may carry a kind beyond its weight
MOST_NAMES = 20  # an address with more says nothing about who stands behind one of its names
MOST_HOLDERS = 20  # what more botnets than this show says nothing about two of them
LEAST = 0.05  # weaker proposals are not worth a line


@dataclass(frozen=True, slots=True)
class Shared:
    """One value that two botnets share. `weight`: what it says alone, `others`: who else has it."""

    kind: str
    value: str
    weight: float
    others: int
    on_a: tuple[str, ...]
    on_b: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two botnets that may have one operator; `strength` 0..1, strongest evidence first."""

    a: str
    b: str
    strength: float
    evidence: tuple[Shared, ...]


def propose(
    marks: Mapping[str, Iterable[Trait]],
    elsewhere: Mapping[tuple[str, str], int] | None = None,
    least: float = LEAST,
) -> list[Proposal]:
    """Return pairs of botnets that may have one operator, strongest first.

    `marks`: the marks of each botnet's controllers. `elsewhere`: for (kind, value) how many servers
    that are no controllers show it too, as far as is known.
    """
    values: defaultdict[tuple[str, str], defaultdict[str, set[str]]]
    values = defaultdict(lambda: defaultdict(set))
    for botnet, traits in marks.items():
        for trait in traits:
            values[trait.kind, trait.value][botnet].add(trait.controller)
    shared: defaultdict[tuple[str, str], list[Shared]] = defaultdict(list)
    for key, holders in values.items():
        if len(holders) <= MOST_HOLDERS:
            _pair(shared, key, holders, (elsewhere or {}).get(key, 0))
    found = [_proposal(a, b, its) for (a, b), its in shared.items()]
    return sorted((p for p in found if p.strength >= least), key=lambda p: (-p.strength, p.a, p.b))


def _pair(
    shared: defaultdict[tuple[str, str], list[Shared]],
    key: tuple[str, str],
    holders: Mapping[str, set[str]],
    others: int,
) -> None:
    """Add one value to the evidence of every two botnets that show it."""
    kind, value = key
    beyond = len(holders) - 2
    weight = WEIGHTS.get(kind, UNKNOWN_WEIGHT) / (1 + others + beyond / 2) ** 2
    on = {botnet: tuple(sorted(its)) for botnet, its in sorted(holders.items())}
    for a, b in combinations(on, 2):
        shared[a, b].append(Shared(kind, value, weight, others, on[a], on[b]))


def _proposal(a: str, b: str, evidence: list[Shared]) -> Proposal:
    ranked = sorted(evidence, key=lambda s: (-s.weight, s.kind, s.value))
    return Proposal(a, b, round(strength(ranked), 4), tuple(ranked))


def strength(evidence: Iterable[Shared]) -> float:
    """Return how strongly shared values speak for one operator, 0..1."""
    doubts: defaultdict[str, float] = defaultdict(lambda: 1.0)
    for one in evidence:
        doubts[one.kind] *= 1 - one.weight
    doubt = 1.0
    for kind, of_kind in doubts.items():
        base = WEIGHTS.get(kind, UNKNOWN_WEIGHT)
        doubt *= 1 - min(1 - of_kind, base + CAP * (1 - base) * base)
    return 1 - doubt


def marks_of(botnets: BotnetMap, material: Material) -> dict[str, list[Trait]]:
    """Return the marks of each botnet's controllers: those given, and what the map hangs them on.

    What a name's address hangs on counts for the name, unless many names share the address.
    """
    called = _called(botnets)
    homes = {node: set(its) for node, its in called.items()}
    for edge in botnets.edges:
        if edge.relation != "resolves to" or edge.source not in called:
            continue
        if int(botnets.nodes[edge.target].attributes.get("names") or 0) <= MOST_NAMES:
            homes.setdefault(edge.target, set()).update(called[edge.source])
    marks: defaultdict[str, list[Trait]] = defaultdict(list)
    for trait in (*_own(botnets, called), *_hung(botnets, homes), *material.traits):
        for botnet in homes.get(node_id(trait.controller), ()):
            marks[botnet].append(trait)
    return dict(marks)


def _called(botnets: BotnetMap) -> dict[str, set[str]]:
    """Return the botnets that call each controller; sinkholes are called by all."""
    called: defaultdict[str, set[str]] = defaultdict(set)
    botnet_of = {group.id: group.botnet for group in botnets.groups}
    for edge in botnets.edges:
        known = botnets.nodes[edge.target].attributes
        if edge.source in botnet_of and not known.get("sinkhole"):
            called[edge.target].add(botnet_of[edge.source])
    return dict(called)


def _own(botnets: BotnetMap, called: Mapping[str, set[str]]) -> Iterator[Trait]:
    """Give what a controller is: itself, its range, and its registrar with the day."""
    for node in called:
        value = value_of(node)
        if node.startswith(("name:", "address:")):
            yield Trait(value, "controller", value)
        if is_address(value):
            yield Trait(value, "range", range_of(value))
    for edge in botnets.edges:
        created = botnets.nodes[edge.source].attributes.get("created")
        if edge.relation == "is registered through" and edge.source in called and created:
            registered = f"{value_of(edge.target)} {created:%Y-%m-%d}"
            yield Trait(value_of(edge.source), "registration", registered)


_RELATIONS = {
    "is registered by": "registrant", "is registered through": "registrar",
    "is served by": "name_server", "is hosted by": "hosting", "is announced by": "asn",
    "resolves to": "address",
}  # fmt: skip


def _hung(botnets: BotnetMap, homes: Mapping[str, set[str]]) -> Iterator[Trait]:
    for edge in botnets.edges:
        kind = _RELATIONS.get(edge.relation)
        if kind and edge.source in homes:
            yield Trait(value_of(edge.source), kind, value_of(edge.target))


def range_of(address: str) -> str:
    """Return the /24 or /48 around an address: what one customer is often given."""
    width = 24 if ip_address(address).version == 4 else 48
    return str(ip_network(f"{address}/{width}", strict=False))


def unrelated(botnets: BotnetMap) -> dict[tuple[str, str], int]:
    """Return how many names and servers that are no controllers hang on the same things.

    From the map: names that passive DNS knows on an address or a name server, and related names
    below one registrar, registrant, hoster or AS.
    """
    counts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    told: dict[tuple[str, str], int] = {}
    accused = {e.target for e in botnets.edges if e.relation in ("calls", "falls back to")}
    for edge in botnets.edges:
        kind = _RELATIONS.get(edge.relation)
        if kind is None:
            continue
        key = (kind, value_of(edge.target))
        owner = registrable(value_of(edge.source))
        counts[key].add("" if edge.source in accused else owner)
        names = botnets.nodes[edge.target].attributes.get("names")
        if kind in ("address", "name_server") and names:
            told[key] = int(names)
    held: defaultdict[tuple[str, str], int] = defaultdict(int)
    for edge in botnets.edges:
        if (kind := _RELATIONS.get(edge.relation)) and edge.source in accused:
            held[kind, value_of(edge.target)] += 1
    return {
        key: max(len(owners - {""}), told.get(key, 0) - held[key]) for key, owners in counts.items()
    }
