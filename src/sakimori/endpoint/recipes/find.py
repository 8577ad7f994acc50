"""Look for what recipes name: a dry run that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes import find_files, find_registry, find_services
from sakimori.endpoint.recipes.findings import Finding, Search, Unseen
from sakimori.endpoint.recipes.model import AutorunItem, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.recipes.model import Item, Recipe
    from sakimori.endpoint.recipes.system import System

# Programs are looked for last, since some are known by files that were found, and stopped first.
_LOOK = ("file", "service", "job", "autorun", "hosts", "registry", "process")
ORDER = ("process", "service", "job", "autorun", "hosts", "registry", "file")
_FIND: dict[str, Any] = {
    "file": find_files.files,
    "service": find_services.services,
    "job": find_files.jobs,
    "hosts": find_files.hosts,
    "registry": find_registry.registry_values,
    "process": find_services.processes,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What recipes found on one machine, in the order in which it is to be done."""

    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...]


def find(recipes: Iterable[Recipe], system: System) -> Found:
    """Return what is there of these families. Changes nothing.

    What two items find both is one finding, of the one that does more.
    """
    findings, unseen = list[Finding](), list[Unseen]()
    for recipe in recipes:
        search = Search(recipe, system)
        system.files.denied.clear()
        for item in sorted(recipe.items, key=lambda i: _LOOK.index(kind_of(i))):
            _look(search, item)
        findings += search.findings
        unseen += search.unseen
        unseen += [
            Unseen(recipe.name, 0, f"{path}: permission denied")
            for path in _highest(system.files.denied)
        ]
    kept = _once(findings)
    return Found(tuple(sorted(kept, key=lambda f: ORDER.index(f.kind))), tuple(unseen))


def _highest(paths: set[str]) -> list[str]:
    """Return paths without those below another one."""
    return sorted(
        path for path in paths if not any(path.startswith(f"{above}/") for above in paths)
    )


def _once(findings: list[Finding]) -> list[Finding]:
    kept, known = list[Finding](), set[object]()
    for finding in sorted(findings, key=lambda f: -len(f.acts)):
        whole: set[object] = {*finding.acts}
        whole = whole or {(finding.kind, finding.where, finding.found)}
        if not known.issuperset(whole):
            known |= whole
            kept.append(finding)
    return kept


def _look(search: Search, item: Item) -> None:
    if isinstance(item, AutorunItem):
        run = item.where == "run-key"
        (find_registry.run_values if run else find_files.autoruns)(search, item)
    else:
        _FIND[kind_of(item)](search, item)
