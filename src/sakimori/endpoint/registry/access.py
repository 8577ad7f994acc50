r"""One door to a registry, whatever holds it: hive files, `.reg` exports, memory, or the live machine.

Keys are named in any form that `names.exact` understands; values by name, "" for the default one, both without
regard to case. Changes are kept until `save`, except on the live machine, where each is done at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.names import exact, full, parent, upper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime


class Registry(Protocol):
    """What recipes, undo and inventory need of a registry.

    Raises SourceError where the source cannot be read, RefusedError where it may not be changed.
    """

    def get(self, key: str, name: str) -> Value | None:
        """Return a value; None when it or its key is not there."""

    def values(self, key: str) -> tuple[Value, ...] | None:
        """Return a key's values as stored; None when there is no such key."""

    def subkeys(self, key: str) -> tuple[str, ...]:
        """Return the names directly below a key, as written; empty when there are none or no key."""

    def set(self, key: str, value: Value) -> None:
        """Write a value, raw bytes as given. Missing keys are made, with their parent's security."""

    def delete(self, key: str, name: str) -> bool:
        """Remove a value; False when it was not there."""

    def delete_key(self, key: str) -> bool:
        """Remove a key with everything below it; False when it was not there."""

    def save(self) -> None:
        """Make the changes last. What was there before stays whole until the new one is complete."""


class MemoryRegistry:
    """A registry of plain keys: for tests, dry runs and files that were read whole.

    `now` gives the last-write time of keys that are changed; None leaves their times alone.
    """

    def __init__(
        self, keys: Iterable[Key] = (), *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._keys: dict[str, Key] = {}
        self._below: dict[str, dict[str, str]] = {}
        self._now = now
        for key in keys:
            self._put(key)

    def add(self, key: Key) -> None:
        """Put a whole key in; it replaces one of the same name."""
        self._put(key)

    def all_keys(self) -> tuple[Key, ...]:
        """Return every key as it is now, parents before children."""
        return tuple(self._keys[name] for name in sorted(self._keys, key=lambda n: n.split("\\")))

    def get(self, key: str, name: str) -> Value | None:
        """See `Registry.get`."""
        wanted = upper(name)
        return next((v for v in self.values(key) or () if upper(v.name) == wanted), None)

    def values(self, key: str) -> tuple[Value, ...] | None:
        """See `Registry.values`."""
        found = self._keys.get(exact(key))
        return found.values if found else None

    def subkeys(self, key: str) -> tuple[str, ...]:
        """See `Registry.subkeys`."""
        return tuple(self._below.get(exact(key), {}).values())

    def set(self, key: str, value: Value) -> None:
        """See `Registry.set`."""
        found = self._make(key)
        wanted = upper(value.name)
        values = list(found.values)
        for at, old in enumerate(values):
            if upper(old.name) == wanted:
                values[at] = replace(value, name=old.name)
                break
        else:
            values.append(value)
        self._put(self._touched(found, tuple(values)))

    def delete(self, key: str, name: str) -> bool:
        """See `Registry.delete`."""
        found, wanted = self._keys.get(exact(key)), upper(name)
        if found is None:
            return False
        values = tuple(v for v in found.values if upper(v.name) != wanted)
        if len(values) == len(found.values):
            return False
        self._put(self._touched(found, values))
        return True

    def delete_key(self, key: str) -> bool:
        """See `Registry.delete_key`."""
        name = exact(key)
        there = name in self._keys or name in self._below
        for other in [n for n in self._keys if n == name or n.startswith(f"{name}\\")]:
            del self._keys[other]
        for other in [n for n in self._below if n == name or n.startswith(f"{name}\\")]:
            del self._below[other]
        self._below.get(parent(name), {}).pop(name, None)
        return there

    def save(self) -> None:
        """Nothing to do: memory is all there is."""

    def _touched(self, key: Key, values: tuple[Value, ...]) -> Key:
        return replace(key, values=values, written=self._now() if self._now else key.written)

    def _make(self, path: str) -> Key:
        """Return a key, made with its parents where missing."""
        missing, at = [], path.strip("\\")
        while at and exact(at) not in self._keys:
            missing.append(at)
            at = parent(at)
        above = self._keys[exact(at)] if at else None
        for name in reversed(missing):
            security = (above.owner, above.group, above.dacl, above.sacl) if above else (None,) * 4
            above = Key(name, self._now() if self._now else None, *security, values=())
            self._put(above)
        return self._keys[exact(path)]

    def _put(self, key: Key) -> None:
        name, spelt = exact(key.path), full(key.path)
        self._keys[name] = key
        while name and name not in self._below.get(parent(name), {}):  # parents nobody listed, too
            self._below.setdefault(parent(name), {})[name] = spelt.rpartition("\\")[2]
            name, spelt = parent(name), parent(spelt)
