"""What a recipe says: one family, what it leaves on a machine, and how each thing is put right.

A recipe is data: no code, no shell, and no pattern that could match much of a machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

FORMAT = 1  # of recipe files
KINDS = ("file", "process", "service", "job", "registry", "hosts", "autorun")
PLATFORMS = ("linux", "windows")
JOBS = ("cron", "at", "task")
AUTORUNS = ("run-key", "xdg", "rc-local", "preload", "profile", "startup", "autorun-inf")
MANAGERS = ("systemd", "sysv", "windows")
ACTIONS = ("clean", "report")


@dataclass(frozen=True, slots=True)
class Source:
    """Who published a fact. `reference` is text that helps to find it, never a link to follow."""

    id: str
    title: str
    organisation: str
    date: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold of a file's bytes. Empty: nothing is asked. All that is given must hold.

    `sha256` in small letters, any of them; `smallest` and `largest` in bytes, both included; `contains`
    are markers, all of which must be in the first 64 MiB; `rule` is a scan rule that must hit.
    """

    sha256: tuple[str, ...] = ()
    smallest: int | None = None
    largest: int | None = None
    contains: tuple[bytes, ...] = ()
    rule: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing but the size is asked for: then a path alone would decide."""
        return not (self.sha256 or self.contains or self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a text must be like; one of the four. Case does not matter, as on Windows.

    `any_but` are texts of which none must be it: everything else is bad. A missing value is not.
    """

    exact: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()  # any of them
    matches: str = ""  # a regular expression of the safe subset, for the whole text
    any_but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Good:
    """A registry value to put back: type number and raw bytes. `absent`: there must be none."""

    type: int = 1
    data: bytes = b""
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing the family leaves. `line` is where the recipe says so; `source` is a source's id."""

    line: int
    source: str
    action: str = "clean"
    note: str = ""
    always_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem(Item):
    """A file by path, with what must hold of its bytes."""

    path: str
    when: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessItem(Item):
    """A running program. All that is given must hold.

    `exe` is a path as in FileItem, or a bare name; `of_file`: its program is a file that a file item of
    this recipe found; `deleted`: its program's file is gone.
    """

    exe: str = ""
    of_file: bool = False
    deleted: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem(Item):
    """A service or timer by name; `contains` are markers in its unit, script or image path."""

    name: str
    manager: str
    contains: tuple[str, ...] = ()
    missing: bool = False  # report that this service is gone
    beside: str = ""  # only where this other service is there: it tells which Windows this is


@dataclass(frozen=True, slots=True, kw_only=True)
class JobItem(Item):
    """A scheduled job: a cron line, an at job or a Windows task that contains markers."""

    where: str
    name: str = ""  # of the task
    contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryItem(Item):
    r"""A registry value that is bad, and the good one to put back; or a key to delete.

    `name` "" is the default value. `good` are alternatives in order: a value equal to any of them is left
    alone, the first is put back. `unterminated`: a text without its NUL terminator is bad too.
    """

    key: str
    name: str = ""
    bad: Match | None = None
    good: tuple[Good, ...] = ()
    unterminated: bool = False
    delete_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsItem(Item):
    """Names that the hosts file must not hold; with `address` only where they point to it."""

    names: tuple[str, ...]
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutorunItem(Item):
    """Something that starts by itself: a registry Run value, a line of a start file, or a file."""

    where: str
    name: str = ""  # of the value or file
    contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One family's recipe. `raw` are the bytes that were read, `path` where from."""

    name: str
    family: str
    version: int
    date: str
    about: dict[str, str]
    sources: tuple[Source, ...]
    items: tuple[Item, ...]
    platforms: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    path: str = ""
    sha256: str = ""

    def source(self, ident: str) -> Source:
        """Return the source of that id."""
        return next(s for s in self.sources if s.id == ident)


def digest(data: bytes) -> str:
    """Return SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def kind_of(item: Item) -> str:
    """Return the word a recipe uses for this kind of item."""
    return type(item).__name__.removesuffix("Item").lower()
