"""Hives made from keys: for tests, and for a registry that was read from text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.hive_node import Node, to_filetime
from sakimori.endpoint.registry.hive_write import write_hive
from sakimori.endpoint.registry.names import upper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.registry.model import Key

# Where a key says nothing: what Windows gives to HKLM\SOFTWARE, more or less.
DEFAULT_SECURITY = sddl.Security(
    "BA", "SY", "D:PAI(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)(A;CIIO;GA;;;CO)", ""
)
_ROOT_FLAGS = 0x0C  # root of a hive, not to be deleted


def build_hive(
    keys: Iterable[Key], root: str = "CMI-CreateHive{00000000-0000-0000-0000-000000000000}"
) -> bytes:
    r"""Return a valid hive (format 1.5) with these keys.

    The first part of each path is where the hive will be mounted and is not stored: `Key("SOFTWARE", ...)`
    is the root, `Key("SOFTWARE\\Microsoft", ...)` below it. Missing parents are made with time 0. A key
    without any security gets DEFAULT_SECURITY; `root` is the root's stored name. Data of more
    than 16344 bytes becomes big data. Raises ValueError for SDDL or names that cannot be stored,
    and for two keys of one path.
    """
    top = Node(root, flags=_ROOT_FLAGS, security=sddl.to_bytes(DEFAULT_SECURITY))
    known, seen, newest = {"": top}, set(), 0
    for key in keys:
        _, _, below = key.path.partition("\\")
        node = _node(known, below)
        if upper(below) in seen:
            raise ValueError(f"{key.path!r} is there twice")
        seen.add(upper(below))
        node.written = to_filetime(key.written)
        node.security = _security(key)
        node.values = list(key.values)
        newest = max(newest, node.written)
    return write_hive(top, written=newest or to_filetime(datetime(2009, 11, 25, tzinfo=UTC)))


def _node(known: dict[str, Node], path: str) -> Node:
    """Return the node of a path below the root, made with its parents where missing."""
    found = known.get(upper(path))
    if found is None:
        above, _, name = path.rpartition("\\")
        found = Node(name, security=sddl.to_bytes(DEFAULT_SECURITY))
        _node(known, above).children.append(found)
        known[upper(path)] = found
    return found


def _security(key: Key) -> bytes:
    parts = (key.owner, key.group, key.dacl, key.sacl)
    told = sddl.Security(*parts) if any(part is not None for part in parts) else DEFAULT_SECURITY
    return sddl.to_bytes(told)
