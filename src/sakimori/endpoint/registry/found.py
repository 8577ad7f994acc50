"""What one source of registry keys gave, in one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sakimori.endpoint.registry.model import Key


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, or not trusted: `where` in the source (`path: cell 0x1020`), and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class HiveRead:
    """Keys in the order of the source, parents first, and what is wrong with it.

    `notes` are facts that are no fault, such as which transaction logs were applied. `deleted` are removals that a
    `.reg` file asks for: (key, None) for a whole key, (key, name) for a value.
    """

    keys: tuple[Key, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    deleted: tuple[tuple[str, str | None], ...] = ()
