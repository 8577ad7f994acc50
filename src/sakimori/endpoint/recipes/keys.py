"""Registry keys of recipes as they are on one machine: wildcards, and the control set in use."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.patterns import is_wild

if TYPE_CHECKING:
    from sakimori.endpoint.registry.access import Registry

_MOST = 20_000  # keys that a wildcard looks at
_CURRENT = "currentcontrolset"


def keys_of(registry: Registry, key: str) -> list[str]:
    """Return the keys that a recipe's key can mean; they need not exist.

    In a SYSTEM hive from a disk there is no CurrentControlSet: `Select` says which set it is.
    """
    parts = key.split("\\")
    heads = [parts]
    if len(parts) > 1 and (parts[0].upper(), parts[1].lower()) == ("SYSTEM", _CURRENT):
        heads = [[parts[0], name, *parts[2:]] for name in _control_sets(registry)]
    return [found for head in heads for found in _expanded(registry, head)]


def _control_sets(registry: Registry) -> list[str]:
    if registry.values(r"SYSTEM\CurrentControlSet") is not None:
        return ["CurrentControlSet"]
    current = registry.get(r"SYSTEM\Select", "Current")
    if current is not None and len(current.data) == 4:
        return [f"ControlSet{int.from_bytes(current.data, 'little'):03}"]
    names = [n for n in registry.subkeys("SYSTEM") if n.lower().startswith("controlset")]
    return names or ["CurrentControlSet"]


def _expanded(registry: Registry, parts: list[str]) -> list[str]:
    wild = next((i for i, part in enumerate(parts) if is_wild(part)), None)
    if wild is None:
        return ["\\".join(parts)]
    names = registry.subkeys("\\".join(parts[:wild]))[:_MOST]
    mask = parts[wild].lower()
    fitting = [name for name in names if fnmatchcase(name.lower(), mask)]
    return ["\\".join([*parts[:wild], name, *parts[wild + 1 :]]) for name in fitting]
