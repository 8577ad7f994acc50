"""What is inside containers: stands here until the unpacker is merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far to go."""

    depth: int = 8


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be opened."""

    member: str | None
    reason: str


def kind_of(head: bytes, size: int) -> str | None:
    """Return the kind of container."""
    _ = head, size
    return None


def unpack(
    source: Path | bytes, *, name: str, limits: Limits, passwords: Sequence[str]
) -> Iterator[Member | Problem]:
    """Yield what is inside."""
    _ = source, name, limits, passwords
    yield from ()
