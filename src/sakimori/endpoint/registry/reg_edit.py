"""`.reg` exports opened for changes: the changes become a `.reg` file to import, and one that undoes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.registry.access import MemoryRegistry
from sakimori.endpoint.registry.files import put
from sakimori.endpoint.registry.names import exact, parent, upper
from sakimori.endpoint.registry.reg_read import read_reg
from sakimori.endpoint.registry.reg_write import reg_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sakimori.endpoint.registry.model import Key, Value

_Step = tuple[str, list["Value | str"] | None]


class RegFileRegistry:
    r"""A `Registry` over `.reg` exports of one machine.

    `save` writes `out` (the changes, for regedit to import) and `out` with `.undo.reg` (what puts the exports' state
    back). What no export holds counts as not there: the undo removes it. Raises SourceError.
    """

    def __init__(self, files: Sequence[Path], out: Path, *, encoding: str | None = None) -> None:
        reads = [read_reg(path, encoding=encoding) for path in files]
        self._problems = tuple(problem for read in reads for problem in read.problems)
        self._before = _merged([key for read in reads for key in read.keys])
        self._now = _merged(self._before.all_keys())
        self._out = out

    def notes(self) -> tuple[str, ...]:
        """Say what could not be read in the exports."""
        return tuple(f"{problem.where}: {problem.reason}" for problem in self._problems)

    def get(self, key: str, name: str) -> Value | None:
        """See `Registry.get`."""
        return self._now.get(key, name)

    def values(self, key: str) -> tuple[Value, ...] | None:
        """See `Registry.values`."""
        return self._now.values(key)

    def subkeys(self, key: str) -> tuple[str, ...]:
        """See `Registry.subkeys`."""
        return self._now.subkeys(key)

    def set(self, key: str, value: Value) -> None:
        """See `Registry.set`."""
        self._now.set(key, value)

    def delete(self, key: str, name: str) -> bool:
        """See `Registry.delete`."""
        return self._now.delete(key, name)

    def delete_key(self, key: str) -> bool:
        """See `Registry.delete_key`."""
        return self._now.delete_key(key)

    def save(self) -> None:
        """Write the two files, the undo first. Raises EngineError, RefusedError; no file is half written."""
        after = reg_bytes(_steps(self._before, self._now))
        back = reg_bytes(_steps(self._now, self._before, known=self._before))
        put(back, self._out.with_suffix(".undo.reg"))
        put(after, self._out)


def _steps(
    old: MemoryRegistry, new: MemoryRegistry, *, known: MemoryRegistry | None = None
) -> list[_Step]:
    """Return what makes `old` into `new`: removals first, parents first.

    With `known`, a key is removed only where that registry holds its parent and nothing below it.
    """
    was = {exact(key.path): key for key in old.all_keys()}
    wanted = {exact(key.path): key for key in new.all_keys()}
    steps: list[_Step] = []
    gone: list[str] = []
    for name, key in was.items():
        if name in wanted or any(name.startswith(f"{above}\\") for above in gone):
            continue
        if known is None or (known.values(parent(name)) is not None and not known.subkeys(name)):
            gone.append(name)
            steps.append((key.path, None))
        elif key.values:
            steps.append((key.path, [value.name for value in key.values]))
    for name, key in wanted.items():
        before = was.get(name)
        items = _difference(before.values if before else (), key.values)
        if items or (before is None and not new.subkeys(name)):  # a parent comes with its child
            steps.append((key.path, items))
    return steps


def _merged(keys: Sequence[Key]) -> MemoryRegistry:
    """Return one registry of keys from several files; later ones win value by value."""
    merged = MemoryRegistry()
    for key in keys:
        if merged.values(key.path) is None:
            merged.add(key)
        for value in key.values:
            merged.set(key.path, value)
    return merged


def _difference(old: Sequence[Value], new: Sequence[Value]) -> list[Value | str]:
    """Return what makes `old` into `new`: values to set, names to remove."""
    was = {upper(value.name): value for value in old}
    items: list[Value | str] = [v for v in new if was.get(upper(v.name)) != v]
    kept = {upper(value.name) for value in new}
    return items + [value.name for value in old if upper(value.name) not in kept]
