"""What no plan may cut, and why: sinkholes, everybody's names, shared addresses.

A gate acts on what is stated (a field of the resource) or listed (a list of the user, the public
suffix list, `takedown.known`). What is not known refuses nothing here; a cut that is carried out
needs an authority record besides, which `app` demands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from sakimori.takedown import known
from sakimori.takedown.plan.model import ADDRESSES, MOST_SHARED, NAMES, Limits, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sakimori.takedown.plan.model import Graph, Resource


@dataclass(frozen=True, slots=True)
class Lists:
    """What the user knows: names and addresses in lower case, without a final dot."""

    sinkholes: Collection[str] = frozenset()
    top: Collection[str] = frozenset()
    known: known.Known = field(default_factory=lambda: known.BUILTIN)


def refusals(graph: Graph, lists: Lists, limits: Limits) -> list[Refusal]:
    """Return the resources that the gates refuse, each with its first reason, in the given order."""
    found = []
    for resource in graph.resources.values():
        why = reason(resource, lists, limits)
        if why:
            found.append(Refusal(resource.id, why))
    return found


def reason(resource: Resource, lists: Lists, limits: Limits) -> str:
    """Return why a resource may not be cut, or "" where no gate objects."""
    value = known.plain_form(resource.value)
    address = known.is_address(value)
    reasons = (
        _sinkhole(resource, value, lists),
        "" if address else _everybodys(resource, value, lists),
        _address(resource, value, limits) if address or resource.kind in ADDRESSES else "",
        _slow(resource, limits),
    )
    return next((r for r in reasons if r), "")


def _sinkhole(resource: Resource, value: str, lists: Lists) -> str:
    if "sinkhole" in resource.marks or known.is_sinkhole(value, lists.sinkholes, lists.known):
        return "known sinkhole: it belongs to defenders and commands nobody"
    return ""


def _everybodys(resource: Resource, value: str, lists: Lists) -> str:
    """Names that others live below, or that everybody uses."""
    named = resource.kind in NAMES or not resource.kind
    parent = known.dynamic_dns_parent(value, lists.known) if named and "." in value else None
    if "dynamic_dns" in resource.marks or (parent is not None and parent == value):
        return "parent of a dynamic-DNS or hosting service: cut the host below it, not the parent"
    if "public_suffix" in resource.marks or (named and listed_suffix(value)):
        return "public suffix: strangers own the names below it; cut the name itself"
    if (
        "top_list" in resource.marks
        or resource.rank is not None
        or (named and top_of(value, lists))
    ):
        return "on a list of the most used names: cutting it hurts everybody"
    return ""


def _address(resource: Resource, value: str, limits: Limits) -> str:
    shared = resource.shared_names
    most = MOST_SHARED if limits.most_shared is None else limits.most_shared
    if shared is not None and shared > most:
        return f"shared address: {shared:,} other names are on it, more than {most:,}"
    if known.is_address(value):
        address = ip_address(value)
        if address.is_loopback or address.is_multicast or address.is_unspecified:
            return "no address of one host: loopback, multicast or unspecified"
    return ""


def _slow(resource: Resource, limits: Limits) -> str:
    window, hours = limits.window_hours, resource.hours
    if window is not None and hours is not None and hours > window:
        return f"takes {hours:g} hours, longer than the one window of {window:g} hours"
    return ""


def top_of(value: str, lists: Lists) -> bool:
    """Whether a name or the name that somebody registered for it is on the user's top list."""
    return bool(lists.top) and (value in lists.top or known.registrable(value) in lists.top)


def listed_suffix(value: str) -> bool:
    """Whether a name is written in the Public Suffix List, so that `r1` is none but `com` is."""
    return bool(value) and _suffixes().publicsuffix(value) == value


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - slow to import

    return PublicSuffixList(accept_unknown=False)


def values_of(lines: Iterable[str]) -> frozenset[str]:
    """Return the values of a plain list or of `rank,name` rows; `#` starts a comment."""
    found = set()
    for line in lines:
        cell = line.split("#", 1)[0].strip().rpartition(",")[2]
        if cell:
            found.add(known.plain_form(cell))
    return frozenset(found)
