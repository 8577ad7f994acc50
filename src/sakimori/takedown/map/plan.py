"""A map -> the graph that `plan` solves: resources that can be cut, groups with their ways.

`{"resources": [{"id", "kind", "cost", "collateral", "partner", ...}],
  "groups": [{"id", "bots", "paths": [[resource id, ...], ...]}]}`

A path is one way of a group (a `Step`); it holds every resource whose cut alone breaks that way.
A group is isolated when each of its paths holds a cut resource. How paths come about:

    a name         the name itself; the registered name above it, where it is another (partner: its
                   registrar; below a dynamic-DNS parent: that service; else its registry); a
                   registry's hold when the registrar is known, too; its address, if it is the only
                   one; the operator of its name servers, if it is the only one. Of two addresses
                   neither breaks the way, so neither is in the path
    an address     the address (partner: who hosts it, else the AS that announces it), and a route
                   to it taken away by the AS when hoster and AS are known
    a URL          the URL, and what breaks its host; of a dead drop the URL only, for the site is
                   not the botnet's
    names of a     one resource for all of them (partner: the registry), costing their number:
    generator's    a registry holds a day's names together or not at all; a single name is as a name
    day
    an address     no way of its own where a name of the same group resolves to it: the bots ask the
    behind a name  name, and the address is met on the way
    unknown        a path with nothing in it: no cut known here breaks it, so such a group is never
                   isolated. Peer-to-peer nets have one, for a list of peers is never whole
    a sinkhole     no path: it is cut already. A group with no other way left is not in the graph;
                   `already_cut` names it

Costs are in units of one registrar's lock (`COSTS`); give your own. `collateral` is how many other
names are known to hang on a resource; without passive DNS that is not known and counts as 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sakimori.takedown import known as public
from sakimori.takedown.map.fallback import day_node
from sakimori.takedown.map.hang import country_of
from sakimori.takedown.map.model import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sakimori.takedown.map.model import BotnetMap, Group, Step

COSTS: Mapping[str, float] = MappingProxyType({
    "name": 1.0,  # a registrar's lock, or a service's stop of one host name
    "registry_hold": 2.0,  # slower: registries ask for an order
    "address": 2.0,  # a hoster's stop of one server
    "route": 4.0,  # an operator's null route
    "name_server": 5.0,  # all zones of an operator
    "peer": 1.0,
    "url": 1.0,
    "dga_day": 0.1,  # per name of the day
})  # fmt: skip


@dataclass(slots=True)
class _Graph:
    """The map's edges by relation, and the resources made so far."""

    nodes: Mapping[str, Any]
    costs: Mapping[str, float]
    known: public.Known
    out: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of one target, for all groups
    accused: Counter[str] = field(default_factory=Counter)  # controllers' names per address
    below: Counter[str] = field(default_factory=Counter)  # names that are no controllers', by owner


def to_plan(
    botnets: BotnetMap,
    costs: Mapping[str, float] = COSTS,
    known: public.Known = public.BUILTIN,
) -> dict[str, Any]:
    """Return the graph of a map as plain JSON values; deterministic. See the module for paths."""
    graph = _Graph(botnets.nodes, {**COSTS, **costs}, known, _by_relation(botnets))
    hosts = {e.target for e in botnets.edges if e.relation == "is at"}
    for node in botnets.nodes.values():
        if node.kind == "controller_name":  # cutting these, too, harms nobody else
            graph.accused.update(_over(graph, node.id, "resolves to"))
        elif node.kind == "name" and node.id not in hosts:
            graph.below[public.registrable(value_of(node.id))] += 1
    groups = []
    for group in botnets.groups:
        steps = _live(graph, group)
        if steps:
            paths = [_path(graph, group, step) for step in steps]
            groups.append({"id": group.id, "bots": group.bots, "paths": _unique(paths)})
    return {"resources": list(graph.resources.values()), "groups": groups}


def already_cut(botnets: BotnetMap) -> list[str]:
    """Return the ids of groups whose every way ends at a sinkhole."""
    graph = _Graph(botnets.nodes, COSTS, public.BUILTIN, _by_relation(botnets))
    return [group.id for group in botnets.groups if not _live(graph, group)]


def _by_relation(botnets: BotnetMap) -> dict[str, dict[str, list[str]]]:
    out: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for edge in botnets.edges:
        if edge.relation != "calls":  # those are the most, and the groups hold them as steps
            out[edge.source][edge.relation].append(edge.target)
    return {source: dict(relations) for source, relations in out.items()}


def _live(graph: _Graph, group: Group) -> list[Step]:
    """Return the steps that are ways of their own and not cut already."""
    names = {t for s in group.order for t in s.targets if t.startswith("name:")}
    behind = {a for n in names if not _sunk(graph, n) for a in _over(graph, n, "resolves to")}
    return [
        step
        for step in group.order
        if not (step.targets and all(_sunk(graph, t) for t in step.targets))
        and not _met_on_the_way(step, behind)
    ]


def _met_on_the_way(step: Step, behind: set[str]) -> bool:
    """Whether a seen address is one that the group's names lead to; a listed one is hard-coded."""
    listed = step.source.startswith("analyst:")
    return step.kind == "server" and not listed and bool(behind.intersection(step.targets))


def _sunk(graph: _Graph, node: str) -> bool:
    known = graph.nodes.get(node)
    return known is not None and bool(known.attributes.get("sinkhole"))


def _over(graph: _Graph, node: str, relation: str) -> list[str]:
    return graph.out.get(node, {}).get(relation, [])


def _unique(paths: Iterable[tuple[str, ...]]) -> list[list[str]]:
    return [list(path) for path in dict.fromkeys(paths)]


def _path(graph: _Graph, group: Group, step: Step) -> tuple[str, ...]:
    if not step.targets:
        return ()
    if step.kind == "dga-day" and len(step.targets) > 1:
        return _day(graph, group, step)
    target = step.targets[0]
    if target not in graph.paths:
        graph.paths[target] = tuple(dict.fromkeys(_breaking(graph, target, step.kind)))
    return graph.paths[target]


def _breaking(graph: _Graph, target: str, kind: str) -> list[str]:
    if target.startswith("url:"):
        hosts = _over(graph, target, "is at")
        own = _resource(graph, target, "url", partner=next(iter(hosts), None))
        if kind == "dead-drop":
            return [own]
        return [own, *(r for host in hosts for r in _breaking(graph, host, kind))]
    if target.startswith("name:"):
        return _of_name(graph, target)
    return _of_address(graph, target, "peer" if kind == "peer" else "address")


def _of_name(graph: _Graph, node: str) -> list[str]:
    own = f"name:{public.registrable(value_of(node))}"
    found = [] if node == own else [_resource(graph, node, "name", partner=_zone(graph, node))]
    found += _of_registered(graph, node, own)
    addresses = _over(graph, node, "resolves to")
    if len(addresses) == 1:
        found += _of_address(graph, addresses[0], "address")
    servers = _over(graph, node, "is served by")
    if len(servers) == 1 and not public.dynamic_dns_parent(value_of(node), graph.known):
        others = max(0, int(_fact(graph, servers[0], "names") or 1) - 1)
        found.append(
            _resource(graph, servers[0], "name_server", collateral=others, partner=servers[0])
        )
    return found


def _zone(graph: _Graph, node: str) -> str:
    """Return who runs the zone a host name is in: the one operator of its servers, if known."""
    servers = _over(graph, node, "is served by")
    return servers[0] if len(servers) == 1 else f"zone:{public.registrable(value_of(node))}"


def _of_registered(graph: _Graph, node: str, own: str) -> list[str]:
    """Return what can be done about a registered name: lock it, or have its registry hold it."""
    name = value_of(own)
    registrar = _first(graph, node, "is registered through")
    registry = f"registry:{name.rpartition('.')[2]}"
    parent = public.dynamic_dns_parent(name, graph.known)
    country = _fact(graph, registrar, "country") or _fact(graph, node, "country")
    law = country_of(value_of(registry))
    others = graph.below[name]
    partner = f"dynamic-dns:{parent}" if parent else registrar or registry
    found = [
        _resource(graph, own, "name", partner=partner, jurisdiction=country or law,
                  collateral=others)
    ]  # fmt: skip
    if registrar and not parent:
        found.append(
            _resource(graph, f"hold:{name}", "registry_hold", partner=registry, jurisdiction=law,
                      collateral=others)
        )  # fmt: skip
    return found


def _of_address(graph: _Graph, node: str, kind: str) -> list[str]:
    hosting, system = _first(graph, node, "is hosted by"), _first(graph, node, "is announced by")
    country = _fact(graph, node, "country") or _fact(graph, system, "country")
    names = _fact(graph, node, "names")
    shared: dict[str, Any] = {"names_on_address": int(names)} if names is not None else {}
    collateral = max(0, int(names or 0) - graph.accused[node])
    found = [
        _resource(graph, node, kind, collateral=collateral, partner=hosting or system or "unknown",
                  jurisdiction=country, **shared)
    ]  # fmt: skip
    if hosting and system:
        found.append(
            _resource(graph, f"route:{value_of(node)}", "route", collateral=collateral,
                      partner=system, jurisdiction=country, **shared)
        )  # fmt: skip
    return found


def _day(graph: _Graph, group: Group, step: Step) -> tuple[str, ...]:
    node = day_node(group.botnet, step)
    zone = step.targets[0].rpartition(".")[2]
    cost = round(graph.costs["dga_day"] * len(step.targets), 6)
    return (
        _resource(graph, node, "dga_day", cost=cost, partner=f"registry:{zone}",
                  jurisdiction=country_of(zone), names=len(step.targets),
                  date=step.date.isoformat() if step.date else None),
    )  # fmt: skip


def _resource(graph: _Graph, name: str, kind: str, **given: Any) -> str:
    """Add a resource if it is new; returns its id. Empty fields are left out."""
    if name not in graph.resources:
        graph.resources[name] = {
            "id": name,
            "kind": kind,
            "cost": given.pop("cost", graph.costs.get(kind, 1.0)),
            "collateral": given.pop("collateral", 0),
            "partner": given.pop("partner", None) or "unknown",
            **{key: value for key, value in given.items() if value is not None},
        }
    return name


def _first(graph: _Graph, node: str, relation: str) -> str | None:
    return next(iter(_over(graph, node, relation)), None)


def _fact(graph: _Graph, node: str | None, name: str) -> Any:
    known = graph.nodes.get(node) if node else None
    return known.attributes.get(name) if known is not None else None
