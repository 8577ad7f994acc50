"""Deeds beyond files: registry values and keys, programs, and the live service manager."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from sakimori.endpoint.recipes.acts import (
    AFTER,
    BEFORE,
    CHANGED,
    Act,
    Cut,
    Saved,
    Take,
    Unlink,
    Work,
)
from sakimori.endpoint.recipes.model import digest
from sakimori.endpoint.recipes.processes import Process
from sakimori.endpoint.registry.model import Value
from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sakimori.endpoint.registry.access import Registry

_DEEPEST, _MOST = 32, 5_000  # of a key that is deleted


@dataclass(frozen=True, slots=True)
class SetValue(Act):
    """Set a registry value, or delete it (`after` None)."""

    key: str
    name: str
    before: Value | None
    after: Value | None
    word: ClassVar[str] = "set"

    def prepare(self, work: Work) -> Saved:
        """Refuse a value that changed since it was found."""
        if self._now(work) != self.before:
            raise RefusedError(f"{self.key}\\{self.name} changed since it was found")
        return {}

    def _now(self, work: Work) -> Value | None:
        return registry_of(work).get(self.key, self.name)

    def state(self, work: Work, saved: Saved) -> str:
        """Compare type and bytes."""
        del saved
        now = self._now(work)
        if _same(now, self.before):
            return BEFORE
        return AFTER if _same(now, self.after) else CHANGED

    def do(self, work: Work, saved: Saved) -> Saved:
        """Write the good value."""
        del saved
        self._put(work, self.after)
        return {}

    def undo(self, work: Work, saved: Saved) -> None:
        """Write the value that was there."""
        del saved
        self._put(work, self.before)

    def _put(self, work: Work, value: Value | None) -> None:
        if value is None:
            registry_of(work).delete(self.key, self.name)
        else:
            registry_of(work).set(self.key, value)

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Return the bytes that are there."""
        del saved
        now = self._now(work)
        return ("there is no value now" if now is None else f"now {now.data.hex()[:200]}",)


def _same(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.type, one.data) == (other.type, other.data)


@dataclass(frozen=True, slots=True)
class DropKey(Act):
    """Delete a registry key with all below. Its times and permissions cannot be put back."""

    key: str
    content: str  # digest of names and values, as found
    word: ClassVar[str] = "drop"

    def prepare(self, work: Work) -> Saved:
        """Keep every value. Raises RefusedError where the key changed since it was found."""
        if content_of(registry_of(work), self.key) != self.content:
            raise RefusedError(f"{self.key} changed since it was found")
        return {"keys": below(registry_of(work), self.key)}

    def state(self, work: Work, saved: Saved) -> str:
        """Compare names and values."""
        del saved
        registry = registry_of(work)
        if registry.values(self.key) is None:
            return AFTER
        return BEFORE if content_of(registry, self.key) == self.content else CHANGED

    def do(self, work: Work, saved: Saved) -> Saved:
        """Delete it."""
        del saved
        registry_of(work).delete_key(self.key)
        return {}

    def undo(self, work: Work, saved: Saved) -> None:
        """Make it again with its values."""
        registry = registry_of(work)
        if registry.values(self.key) is not None:
            registry.delete_key(self.key)
        for key, values in saved["keys"]:
            if not values:  # a key alone is made by a value that goes again
                registry.set(key, Value("", 0, b""))
                registry.delete(key, "")
            for name, kind, data in values:
                registry.set(key, Value(name, kind, bytes.fromhex(data)))

    def difference(self, work: Work, saved: Saved) -> tuple[str, ...]:
        """Say that another key has this name."""
        del work, saved
        return ("a key of this name with other values is there",)


def registry_of(work: Work) -> Registry:
    """Return the registry. Raises RefusedError where none is given."""
    if work.system.registry is None:
        raise RefusedError("no registry is given", hint="add --hive or --reg as before")
    return work.system.registry


def below(registry: Registry, key: str) -> list[list[Any]]:
    """Return a key and all below with their values as plain JSON values. Raises RefusedError if vast."""
    todo, found = [(key, 0)], list[list[Any]]()
    while todo:
        path, depth = todo.pop()
        values = registry.values(path) or ()
        found.append([path, [[v.name, v.type, v.data.hex()] for v in values]])
        if depth > _DEEPEST or len(found) > _MOST:
            raise RefusedError(f"{key} holds too much to be deleted by a recipe")
        todo += [(f"{path}\\{name}", depth + 1) for name in reversed(registry.subkeys(path))]
    return found


def content_of(registry: Registry, key: str) -> str:
    """Return a digest of a key's names and values, and of all below."""
    plain = [[path, sorted(values)] for path, values in sorted(below(registry, key))]
    return digest(repr(plain).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Stop(Act):
    """End a program. Cannot be undone: who wants it starts it again."""

    process: Process
    word: ClassVar[str] = "stop"

    def prepare(self, work: Work) -> Saved:
        """Nothing needs to be kept."""
        del work
        return {}

    def state(self, work: Work, saved: Saved) -> str:
        """Whether the very program still runs."""
        del saved
        if work.system.processes is None:
            return AFTER
        running = any(self.process.same(one) for one in work.system.processes.all())
        return BEFORE if running else AFTER

    def do(self, work: Work, saved: Saved) -> Saved:
        """End it. Raises RefusedError where it does not end."""
        del saved
        reason = work.system.processes.stop(self.process) if work.system.processes else ""
        if reason:
            raise RefusedError(f"process {self.process.pid}: {reason}")
        return {}


@dataclass(frozen=True, slots=True)
class Settle(Act):
    """Let the live service manager see what was changed, and end what is left of a unit."""

    unit: str
    manager: str
    word: ClassVar[str] = "settle"

    def prepare(self, work: Work) -> Saved:
        """Nothing needs to be kept."""
        del work
        return {}

    def state(self, work: Work, saved: Saved) -> str:
        """Settling again does no harm, so it is never taken as done."""
        del work, saved
        return BEFORE

    def do(self, work: Work, saved: Saved) -> Saved:
        """Reload and kill. Raises RefusedError with what the manager says."""
        del saved
        reason = work.system.units.settle(self.unit, self.manager) if work.system.units else ""
        if reason:
            raise RefusedError(f"{self.unit}: {reason}")
        return {}


def as_plain(act: Act) -> dict[str, Any]:
    """Return a deed as JSON values, from which `from_plain` makes the same deed."""
    plain: dict[str, Any] = {"act": act.word}
    for field in fields(act):
        plain[field.name] = _plain(getattr(act, field.name))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Value):
        return [value.name, value.type, value.data.hex()]
    if isinstance(value, Process):
        return list(astuple(value))
    return value


_BYTES = {("cut", "line"), ("cut", "new")}
_VALUES = ("before", "after")


def from_plain(plain: Mapping[str, Any]) -> Act:
    """Return the deed. Raises KeyError, TypeError or ValueError for what is none."""
    cls = _ACTS[plain["act"]]
    given = {name: value for name, value in plain.items() if name != "act"}
    for name, value in given.items():
        if (cls.word, name) in _BYTES:
            given[name] = bytes.fromhex(value)
        elif cls is SetValue and name in _VALUES and value is not None:
            given[name] = Value(value[0], value[1], bytes.fromhex(value[2]))
        elif cls is Stop:
            pid, start, exe, deleted, command, inode = value
            inode = tuple(inode) if inode else None
            given[name] = Process(pid, start, exe, deleted, tuple(command), inode)
    return cls(**given)


_ACTS: dict[str, type[Act]] = {
    cls.word: cls for cls in (Take, Cut, Unlink, SetValue, DropKey, Stop, Settle)
}
