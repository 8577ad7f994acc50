"""What an update says it does, and what is made of a change: the words of this package."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SUBJECTS = ("files", "registry", "acl", "packages", "services", "jobs", "users")
ATTRIBUTED = ("update", "installer", "family", "person", "unknown")
ROLES = ("update", "installer")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaim:
    """One file that a manifest says is written or removed.

    `path` is as declared: a full path, one with %variables% or [Folders], or a bare file name. What the
    manifest does not say is None or empty. `hashes` maps md5, sha1, sha256, sha512 to lower-case
    hexadecimal. `mode` holds permission bits. `kind` is file, directory or link.
    """

    path: str
    where: str
    action: str = "written"
    kind: str = "file"
    size: int | None = None
    version: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    mode: int | None = None
    owner: str | None = None
    target: str | None = None
    follows: bool = False  # no part of the update itself: what its installation leaves behind


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryClaim:
    """One value or key that a manifest says is set or deleted.

    `key` is canonical. `name` None: the key itself. `data` are the raw bytes that count as what was
    declared; empty: the data was not declared. `whole`: everything in and below the key. `security`
    maps owner, group, dacl, sacl to SDDL parts that were declared for the key.
    """

    key: str
    name: str | None
    where: str
    action: str = "set"  # or delete
    type: str | None = None
    data: tuple[bytes, ...] = ()
    whole: bool = False
    security: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectClaim:
    """A package, service, job, user or other object; `version` None: not said, "": it is removed."""

    object: str
    name: str
    where: str
    version: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when to when an installer was at work, UTC, and on which packages."""

    start: datetime
    end: datetime
    title: str
    where: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that could not be read; `where` is path:line."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One manifest or log, read.

    `declares` are those of SUBJECTS about which this form can say anything; `complete` are those of
    which the manifest itself says that nothing else is touched.
    """

    name: str
    source: str
    format: str
    declares: frozenset[str]
    files: tuple[FileClaim, ...] = ()
    registry: tuple[RegistryClaim, ...] = ()
    objects: tuple[ObjectClaim, ...] = ()
    windows: tuple[Window, ...] = ()
    complete: frozenset[str] = frozenset()
    aside: tuple[Aside, ...] = ()


class Outcome(IntEnum):
    """How a change compares with a manifest; the greater, the more it speaks for it.

    MATCHES: declared, and what is there is what was declared. FOLLOWS: what a declared change brings
    with it. NAMED: declared, but nothing of its content could be compared. UNDECLARED: not a word
    about it. DIFFERS: declared, but what is there is something else.
    """

    UNDECLARED = 0
    DIFFERS = 1
    NAMED = 2
    FOLLOWS = 3
    MATCHES = 4


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of evidence; `code` is a key of notes.NOTES, `values` fill its places."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one manifest has to say about one change."""

    outcome: Outcome
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who a change is put down to, and on what evidence.

    `by` names the manifest, family or person; "" for unknown. `judged` is what each manifest said, in
    the order they were given.
    """

    to: str
    by: str
    notes: tuple[Note, ...]
    judged: tuple[Judgement, ...] = ()
