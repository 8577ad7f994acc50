"""GRAPH.json in, plan JSON out. See `schemas/graph.schema.json` and `schemas/plan.schema.json`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.takedown.known import plain_form
from sakimori.takedown.plan.model import Graph, Group, Later, Limits, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sakimori.takedown.plan.model import Plan

_MARKS = ("sinkhole", "public_suffix", "dynamic_dns", "top_list")
# How map builders call the number of other names on an address.
_SHARED = ("shared_names", "other_names", "names_on_address", "shared_with", "shared", "names")
# Lists beside the resources, and the mark that their members get.
_LISTS = {
    "sinkholes": "sinkhole", "public_suffixes": "public_suffix", "dynamic_dns": "dynamic_dns",
    "top_list": "top_list", "top_names": "top_list",
}  # fmt: skip
_SPACES = (
    "name",
    "address",
    "peer",
    "url",
    "route",
    "hold",
    "domain",
    "ip",
)  # before a value in ids
_RANK = ("rank", "top_rank", "toplist_rank")


def graph_of(given: Any, where: str, limits: Limits | None = None) -> Graph:
    """Return the problem that a GRAPH.json states.

    `limits` are the caller's; what they leave open is taken from the object's own `budget`,
    `budgets` (partners, jurisdictions), `window_hours` and `most_shared`. Raises SourceError naming the
    entry.
    """
    if not isinstance(given, dict):
        raise SourceError("not a graph: an object with resources and groups is expected",
                          where=where, hint="see docs/guides/plan.md")  # fmt: skip
    listed = {name: _values(given, name, where) for name in _LISTS if given.get(name)}
    resources: dict[str, Resource] = {}
    for at, entry in enumerate(_list(given, "resources", where)):
        resource = _resource(entry, f"{where}: resources[{at}]")
        resource = _listed(resource, listed)
        if resource.id in resources:
            raise SourceError(f"resource {resource.id!r} is there twice", where=where)
        resources[resource.id] = resource
    groups, seen = [], set()
    for at, entry in enumerate(_list(given, "groups", where)):
        group = _group(entry, f"{where}: groups[{at}]", resources)
        if group.id in seen:
            raise SourceError(f"group {group.id!r} is there twice", where=where)
        seen.add(group.id)
        groups.append(group)
    return Graph(resources, tuple(groups), _limits(given, limits or Limits(), where))


def _limits(given: Mapping[str, Any], limits: Limits, where: str) -> Limits:
    budgets = given.get("budgets") or {}
    if not isinstance(budgets, dict):
        raise SourceError("budgets is no object", where=where)
    own = {
        name: _budgets(budgets.get(name), f"{where}: budgets.{name}")
        for name in ("partners", "jurisdictions")
    }
    return replace(
        limits,
        budget=_first(limits.budget, _amount(given, "budget", where)),
        partners={**own["partners"], **limits.partners},
        jurisdictions={**own["jurisdictions"], **limits.jurisdictions},
        window_hours=_first(limits.window_hours, _amount(given, "window_hours", where)),
        most_shared=_whole(_first(limits.most_shared, _amount(given, "most_shared", where))),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _first(*values: float | None) -> float | None:
    return next((v for v in values if v is not None), None)


def _budgets(given: Any, where: str) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise SourceError("not an object of name and amount", where=where)
    return {str(name): _amount(given, name, where) or 0.0 for name in given}


def _list(given: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = given.get(name)
    if not isinstance(value, list):
        raise SourceError(f"{name!r} is missing or no list", where=where,
                          hint="see docs/guides/plan.md for the form")  # fmt: skip
    return value


def _resource(entry: Any, where: str) -> Resource:
    if not isinstance(entry, dict):
        raise SourceError("a resource is an object", where=where)
    ident = _ident(entry, where)
    kind = _text(entry, "kind", where)
    return Resource(
        id=ident,
        kind=kind.lower(),
        value=_text(entry, "value", where) or _value_in(ident),
        cost=_or(_amount(entry, "cost", where), 1.0),
        collateral=_or(_amount(entry, "collateral", where), 0.0),
        partner=_text(entry, "partner", where),
        jurisdiction=_text(entry, "jurisdiction", where),
        hours=_amount(entry, "hours", where),
        authority=_text(entry, "authority", where),
        shared_names=_count(entry, _SHARED, where),
        rank=_count(entry, _RANK, where),
        marks=frozenset(mark for mark in _MARKS if entry.get(mark)),
    )


def _values(given: Mapping[str, Any], name: str, where: str) -> frozenset[str]:
    """Return a list of names and addresses beside the resources, as the gates compare them."""
    return frozenset(plain_form(str(value)) for value in _list(given, name, where))


def _listed(resource: Resource, listed: Mapping[str, frozenset[str]]) -> Resource:
    """Return the resource with the marks of the lists that name it, by value or by id."""
    names = {plain_form(resource.value), plain_form(resource.id)}
    marks = {_LISTS[name] for name, values in listed.items() if values & names}
    return replace(resource, marks=resource.marks | marks) if marks else resource


def _value_in(ident: str) -> str:
    """Return what an id such as `name:evil.example` or `route:2001:db8::1` is about."""
    space, colon, rest = ident.partition(":")
    return rest if colon and rest and space in _SPACES else ident


def _group(entry: Any, where: str, resources: Mapping[str, Resource]) -> Group:
    if not isinstance(entry, dict):
        raise SourceError("a group is an object", where=where)
    return Group(
        id=_ident(entry, where),
        bots=_or(_amount(entry, "bots", where), 0.0),
        paths=tuple(
            _path(path, f"{where}.paths[{at}]", resources)
            for at, path in enumerate(_list(entry, "paths", where))
        ),
        later=tuple(
            _later(later, f"{where}.later[{at}]", resources)
            for at, later in enumerate(entry.get("later") or ())
        ),
    )


def _later(entry: Any, where: str, resources: Mapping[str, Resource]) -> Later:
    if not isinstance(entry, dict):
        raise SourceError("a later path is an object with after_hours and path", where=where)
    return Later(_or(_amount(entry, "after_hours", where), 24.0),
                 _path(entry.get("path"), where, resources))  # fmt: skip


def _path(path: Any, where: str, resources: Mapping[str, Resource]) -> tuple[str, ...]:
    if not isinstance(path, list) or not all(isinstance(r, (str, int)) for r in path):
        raise SourceError("a path is a list of resource ids", where=where)
    ids = tuple(dict.fromkeys(str(r) for r in path))
    unknown = next((r for r in ids if r not in resources), None)
    if unknown is not None:
        raise SourceError(f"{unknown!r} is not among the resources", where=where,
                          hint="add it to resources, or take it out of the path")  # fmt: skip
    return ids


def _ident(entry: Mapping[str, Any], where: str) -> str:
    ident = entry.get("id")
    if isinstance(ident, bool) or not isinstance(ident, (str, int)) or ident == "":
        raise SourceError("'id' is missing", where=where)
    return str(ident)


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SourceError(f"{name!r} is {value!r}, not a text", where=where)
    return value


def _amount(entry: Mapping[str, Any], name: str, where: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < 0:
        raise SourceError(f"{name!r} is {value!r}, not a number of 0 or more", where=where)
    return float(value)


def _count(entry: Mapping[str, Any], names: Iterable[str], where: str) -> int | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, list):
            return len(value)
        if value is not None:
            return int(_or(_amount(entry, name, where), 0.0))
    return None


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def plain(value: float) -> float | int:
    """Return a whole number as an int, so that 20 bots are not 20.0."""
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def as_object(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain JSON values."""
    return {
        "cuts": list(plan.cuts),
        "isolated": list(plan.isolated),
        "bots": plain(plan.bots),
        "all_bots": plain(plan.all_bots),
        "cost": plain(plan.cost),
        "collateral": plain(plan.collateral),
        "optimal": plan.optimal,
        "bound": plain(plan.bound),
        "gap": round(max(0.0, plan.bound - plan.bots) / plan.bound, 6) if plan.bound else 0.0,
        "greedy_bots": plain(plan.greedy_bots),
        "refused": [{"id": r.id, "why": r.why} for r in plan.refused],
        "needs_authority": list(plan.needs_authority),
        "remaining": [
            {"group": r.group, "bots": plain(r.bots), "why": r.why,
             "paths": [list(path) for path in r.paths]}
            for r in plan.remaining
        ],
        "robustness": dict(plan.robustness),
        "notes": [note.text for note in plan.notes],
    }  # fmt: skip
