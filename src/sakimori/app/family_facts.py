"""Recipes of families as facts that changes are compared with.

Only what a snapshot can show is used: registry values and keys, files by path or SHA-256, services, run keys.
Markers inside files cannot be seen in a snapshot, so items that rest on them alone are left out. A lost
terminating NUL is repaired by recipes but names no family: it is left out too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes import load
from sakimori.endpoint.recipes.find_registry import matches
from sakimori.endpoint.recipes.model import AutorunItem, FileItem, RegistryItem, ServiceItem
from sakimori.endpoint.registry.model import TYPES, Value
from sakimori.endpoint.verify.names import file_key
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sakimori.endpoint.recipes.model import Item, Recipe
    from sakimori.endpoint.verify.subject import Subject

_NUMBERS = {name: number for number, name in TYPES.items()}
_RUN = ("RUN", "RUNONCE", "POLICIES\\EXPLORER\\RUN")
_RUN_ROOTS = ("HKLM\\SOFTWARE", "HKLM\\SOFTWARE\\WOW6432NODE", "HKCU\\SOFTWARE")
_RUN_KEYS = {
    f"{root}\\MICROSOFT\\WINDOWS\\CURRENTVERSION\\{end}" for root in _RUN_ROOTS for end in _RUN
}
_SERVICES = "HKLM\\SYSTEM\\CURRENTCONTROLSET\\SERVICES\\"
_FOLDERS = {
    "%appdata%": ("*/application data", "*/appdata/roaming"),
    "%localappdata%": ("*/local settings/application data", "*/appdata/local"),
    "%temp%": ("*/temp",),
    "%userprofile%": ("documents and settings/*", "users/*"),
    "%programdata%": ("programdata", "documents and settings/all users/application data"),
    "~": ("home/*", "root"),
}


@dataclass(frozen=True, slots=True)
class RecipeFact:
    """One item of a recipe; see endpoint.verify.families.FamilyFacts."""

    family: str
    source: str
    item: Item

    def is_in(self, subject: Subject, state: Mapping[str, Any] | None) -> bool:
        """Whether this state of the changed object is what the item says the family leaves."""
        if state is None:
            return False
        if isinstance(self.item, FileItem):
            return subject.is_file and _file(self.item, subject, state)
        if isinstance(self.item, ServiceItem):
            return not subject.is_file and _service(self.item, subject, state)
        if not subject.is_registry:
            return False
        if isinstance(self.item, RegistryItem):
            return _registry(self.item, subject, state)
        return isinstance(self.item, AutorunItem) and _autorun(self.item, subject, state)


def facts_of(recipes: Iterable[Recipe]) -> list[RecipeFact]:
    """Return every item of recipes that a snapshot can show."""
    return [
        RecipeFact(recipe.family, f"{source.title}, {source.organisation}", item)
        for recipe in recipes
        for item in recipe.items
        if isinstance(item, (FileItem, RegistryItem, ServiceItem, AutorunItem))
        for source in [recipe.source(item.source)]
    ]


def load_facts(paths: Sequence[Path]) -> list[RecipeFact]:
    """Return the facts of recipes in files and folders. Raises SourceError with file and line."""
    found = [
        file
        for path in paths
        for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])
    ]
    if paths and not found:
        raise SourceError("there is no recipe (.yaml)", where=str(paths[0]))
    return facts_of(load(file) for file in found)


@cache
def shipped_facts() -> tuple[RecipeFact, ...]:
    """Return the facts of the recipes that ship with Sakimori."""
    with as_file(files("sakimori.endpoint.recipes").joinpath("data")) as folder:
        return tuple(load_facts([folder]))


def _file(item: FileItem, subject: Subject, state: Mapping[str, Any]) -> bool:
    if item.when.sha256:
        return str(state.get("sha256", "")).lower() in item.when.sha256
    named = item.always_bad and not item.when.contains and not item.when.rule
    return named and any(fnmatchcase(subject.folded, glob) for glob in _globs(item.path))


@cache
def _globs(path: str) -> list[str]:
    """Return a recipe's path as patterns of `file_key`: user folders can be anybody's."""
    head, _, rest = path.replace("\\", "/").partition("/")
    starts = _FOLDERS.get(head.lower())
    if starts is None:
        return [file_key(path).lower()]
    return [f"{start}/{rest}".lower() for start in starts]


def _registry(item: RegistryItem, subject: Subject, state: Mapping[str, Any]) -> bool:
    name = subject.change.name
    if name is None:
        return item.delete_key and item.bad is None and _is_key(subject, item.key)
    if item.bad is None or name.lower() != item.name.lower() or not _is_key(subject, item.key):
        return False
    value = _value(subject, state)
    good = any((g.type, g.data) == (value.type, value.data) for g in item.good if not g.absent)
    return not good and matches(item.bad, value)


def _is_key(subject: Subject, key: str) -> bool:
    """Whether it is the key, part by part: a wildcard stands for one part."""
    wanted, given = registry_key(key).split("\\"), subject.key.split("\\")
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wanted))


def _value(subject: Subject, state: Mapping[str, Any]) -> Value:
    kind = state.get("type")
    number = kind if isinstance(kind, int) else _NUMBERS.get(str(kind), 0)
    try:
        data = bytes.fromhex(str(state.get("data", "")))
    except ValueError:
        data = b""
    return Value(subject.change.name or "", number, data)


def _service(item: ServiceItem, subject: Subject, state: Mapping[str, Any]) -> bool:
    if item.missing:
        return False
    if subject.change.object == "service":
        return item.always_bad and subject.key.lower() == item.name.lower()
    if item.manager != "windows" or not subject.is_registry:
        return False
    if subject.key != _SERVICES + item.name.upper() or subject.change.name is None:
        return False
    text = str(state.get("text", "")).lower()
    is_path = subject.change.name.lower() == "imagepath"
    return is_path and any(part.lower() in text for part in item.contains)


def _autorun(item: AutorunItem, subject: Subject, state: Mapping[str, Any]) -> bool:
    name = subject.change.name
    if item.where != "run-key" or name is None or subject.key not in _RUN_KEYS:
        return False
    if item.name and item.name.lower() != name.lower():
        return False
    text = str(state.get("text", "")).lower()
    return all(part.lower() in text for part in item.contains)
