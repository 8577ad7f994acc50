"""A manifest's claims by name, for looking them up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.names import (
    base_name,
    file_key,
    is_bare,
    is_windows,
    package_name,
    parent,
)

if TYPE_CHECKING:
    from sakimori.endpoint.verify.model import FileClaim, Manifest, ObjectClaim, RegistryClaim
    from sakimori.endpoint.verify.subject import Subject


@dataclass
class Index:
    """The claims of one manifest by key; `above` holds every key that a claimed one lies below."""

    manifest: Manifest
    exact: dict[str, list[FileClaim]] = field(default_factory=lambda: defaultdict(list))
    folded: dict[str, list[FileClaim]] = field(default_factory=lambda: defaultdict(list))
    bare: dict[str, list[FileClaim]] = field(default_factory=lambda: defaultdict(list))
    globs: list[tuple[str, FileClaim]] = field(default_factory=list)
    registry: dict[str, list[RegistryClaim]] = field(default_factory=lambda: defaultdict(list))
    objects: dict[tuple[str, str], list[ObjectClaim]] = field(
        default_factory=lambda: defaultdict(list)
    )
    above: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def files_of(self, subject: Subject) -> list[FileClaim]:
        """Return the claims about a file: by its path, else by its bare name."""
        found = self.exact.get(subject.key, []) + self.folded.get(subject.folded, [])
        if not found:
            found = [claim for glob, claim in self.globs if fnmatchcase(subject.key, glob)]
        return found or self.bare.get(subject.base, [])

    def objects_of(self, subject: Subject) -> list[ObjectClaim]:
        """Return the claims about a package, service, job or user: a log may hold several acts on one."""
        kind = subject.change.object
        for name in (subject.change.key, subject.key, subject.key.removesuffix(".service")):
            if found := self.objects.get((kind, name.lower())):
                return found
        return []


def index_of(manifest: Manifest) -> Index:
    """Index a manifest's claims."""
    index = Index(manifest)
    for claim in manifest.files:
        _file(index, claim)
    for entry in manifest.registry:
        index.registry[entry.key].append(entry)
        if entry.action == "set":
            index.above |= _ancestors(entry.key, "\\")
    for one in manifest.objects:
        name = package_name(one.name) if one.object == "package" else one.name
        index.objects[one.object, name.lower()].append(one)
        if name.endswith(".service"):
            index.objects[one.object, name.removesuffix(".service").lower()].append(one)
    return index


def _file(index: Index, claim: FileClaim) -> None:
    if is_bare(claim.path):
        index.bare[base_name(claim.path)].append(claim)
    elif "*" in claim.path:
        index.globs.append((file_key(claim.path), claim))
    elif is_windows(claim.path):
        index.folded[file_key(claim.path)].append(claim)
        index.folders |= _ancestors(file_key(claim.path), "/")
    else:
        index.exact[file_key(claim.path)].append(claim)
        index.folders |= _ancestors(file_key(claim.path), "/")


def _ancestors(key: str, separator: str) -> set[str]:
    found = set()
    while key := parent(key, separator):
        found.add(key)
    return found
