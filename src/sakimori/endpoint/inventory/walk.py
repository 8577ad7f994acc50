r"""The keys that an inventory reads of a live registry: only the subtrees that matter are walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.registry.model import Key, Value
from sakimori.errors import RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TREES = (  # below HKLM, and how deep
    (r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", 0),
    (r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\HotFix", 1),
    (r"SOFTWARE\Microsoft\Updates", 3),
    (r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall", 1),
    (r"SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall", 1),
    (r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages", 1),
    (r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment", 0),
    (r"SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName", 0),
    (r"SYSTEM\CurrentControlSet\Control\ProductOptions", 0),
)


class Readable(Protocol):
    """The part of a registry that is asked; registry.live.LiveRegistry has it."""

    def values(self, key: str) -> tuple[Value, ...] | None:
        """Return a key's values, None where it is not there."""

    def subkeys(self, key: str) -> tuple[str, ...]:
        """Return the names below a key."""


def keys(registry: Readable) -> Iterator[Key]:
    """Yield the keys; those that are not there, vanish or may not be read are left out."""
    for path, depth in _TREES:
        yield from _walk(registry, rf"HKLM\{path}", depth)


def _walk(registry: Readable, path: str, depth: int) -> Iterator[Key]:
    try:
        values = registry.values(path)
        names = registry.subkeys(path) if depth else ()
    except (RefusedError, SourceError):
        return
    if values is None:
        return
    yield Key(path, None, None, None, None, None, values)
    for name in names:
        yield from _walk(registry, rf"{path}\{name}", depth - 1)
