r"""The live registry of a Windows machine, behind the same door as hives and `.reg` files.

`Api` is the little that is asked of Windows; `windows.api()` is the real one, tests have their own. Values are
read as raw bytes: Python's winreg would turn text into strings and hide a missing terminator.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.found import HiveRead, Problem
from sakimori.endpoint.registry.hive_node import from_filetime
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.names import full, upper
from sakimori.errors import RefusedError, SourceError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOTS = ("HKLM", "HKU")
_DEEPEST = 512
_MOST_TOLD = 500


class Api(Protocol):
    """What is asked of Windows. Handles are numbers; every method raises OSError as Windows says."""

    def open(self, root: str, path: str, *, write: bool = False, link: bool = False) -> int:
        """Open a key below HKLM, HKCU or HKU. `link`: a symbolic link itself, not where it leads."""

    def create(self, root: str, path: str) -> int:
        """Open a key for writing, made with its parents where missing."""

    def close(self, key: int) -> None:
        """Give a handle back."""

    def written(self, key: int) -> int:
        """Return the key's last-write time as FILETIME."""

    def subkeys(self, key: int) -> list[str]:
        """Return the names below a key."""

    def values(self, key: int) -> list[Value]:
        """Return a key's values with their raw bytes."""

    def security(self, key: int) -> bytes:
        """Return owner, group and DACL as a self-relative descriptor (the SACL needs a privilege)."""

    def set(self, key: int, value: Value) -> None:
        """Write a value's raw bytes."""

    def delete_value(self, key: int, name: str) -> None:
        """Remove a value."""

    def delete_tree(self, root: str, path: str) -> None:
        """Remove a key with everything below it."""


def read_live(api: Api, roots: Sequence[str] = ROOTS) -> HiveRead:
    r"""Return every key below `roots` (`HKLM\SOFTWARE`, `HKU`, ...) that may be read.

    The SACL is None. What is refused or vanishes meanwhile is told. Symbolic links are not followed.
    """
    keys: list[Key] = []
    problems: list[Problem] = []
    stack = [(full(root), 0) for root in reversed(roots)]
    while stack:
        path, depth = stack.pop()
        try:
            key, below = _read(api, path)
        except OSError as error:
            problems.append(Problem(visible(path), error.strerror or "cannot be read"))
            continue
        keys.append(key)
        if depth < _DEEPEST:
            stack.extend((f"{path}\\{name}", depth + 1) for name in reversed(below))
    more = len(problems) - _MOST_TOLD
    if more > 0:
        problems[_MOST_TOLD:] = [Problem("live registry", f"{more} more keys could not be read")]
    return HiveRead(tuple(keys), tuple(problems))


def _read(api: Api, path: str) -> tuple[Key, list[str]]:
    root, _, below = path.partition("\\")
    with _opened(api, api.open(root, below, link=True)) as key:
        try:
            told = sddl.from_bytes(api.security(key))
        except OSError:
            told = sddl.Security(None, None, None, None)
        made = Key(
            path, from_filetime(api.written(key)), told.owner, told.group, told.dacl, None,
            tuple(api.values(key)),
        )  # fmt: skip
        return made, api.subkeys(key)


@contextmanager
def _opened(api: Api, key: int) -> Iterator[int]:
    try:
        yield key
    finally:
        api.close(key)


class LiveRegistry:
    """A `Registry` over the machine itself: each change is done at once, and Windows sets the times.

    What Windows refuses is RefusedError; other failures are SourceError.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, key: str, name: str) -> Value | None:
        """See `Registry.get`."""
        wanted = upper(name)
        return next((v for v in self.values(key) or () if upper(v.name) == wanted), None)

    def values(self, key: str) -> tuple[Value, ...] | None:
        """See `Registry.values`."""
        with _told(key):
            try:
                with _opened(self._api, self._api.open(*_split(key))) as handle:
                    return tuple(self._api.values(handle))
            except FileNotFoundError:
                return None

    def subkeys(self, key: str) -> tuple[str, ...]:
        """See `Registry.subkeys`."""
        with _told(key):
            try:
                with _opened(self._api, self._api.open(*_split(key))) as handle:
                    return tuple(self._api.subkeys(handle))
            except FileNotFoundError:
                return ()

    def set(self, key: str, value: Value) -> None:
        """See `Registry.set`."""
        old = self.get(key, value.name)
        with _told(key), _opened(self._api, self._api.create(*_split(key))) as handle:
            self._api.set(handle, replace(value, name=old.name) if old else value)

    def delete(self, key: str, name: str) -> bool:
        """See `Registry.delete`."""
        with _told(key):
            try:
                with _opened(self._api, self._api.open(*_split(key), write=True)) as handle:
                    self._api.delete_value(handle, name)
            except FileNotFoundError:
                return False
        return True

    def delete_key(self, key: str) -> bool:
        """See `Registry.delete_key`. Raises RefusedError for a root and for what lies directly below it."""
        root, path = _split(key)
        if "\\" not in path:
            raise RefusedError(f"{visible(key)} is a whole hive: it is not removed")
        with _told(key):
            try:
                self._api.delete_tree(root, path)
            except FileNotFoundError:
                return False
        return True

    def save(self) -> None:
        """Nothing to do: every change was done at once."""


def _split(key: str) -> tuple[str, str]:
    root, _, path = full(key).partition("\\")
    return root, path


@contextmanager
def _told(key: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise RefusedError(
            f"Windows refuses: {error.strerror}", where=visible(key), hint="run it as administrator"
        ) from error
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=visible(key)) from error
