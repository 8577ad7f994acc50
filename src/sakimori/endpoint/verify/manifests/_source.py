"""What a manifest's reader is given, and what a reader is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path  # noqa: TC003 - the dataclass names it
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from sakimori.endpoint.verify.text import decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.endpoint.verify.model import Manifest

LARGEST_BESIDE = 64 * 1024 * 1024  # bytes of a file that lies beside a manifest


@dataclass(frozen=True)
class Source:
    """One file: where it is, its bytes, and the zone of times in it that carry none."""

    path: Path
    data: bytes
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @cached_property
    def text(self) -> str:
        """Its text, whatever the encoding."""
        return decoded(self.data)

    @property
    def head(self) -> str:
        """The first 64 Ki characters, enough to tell what it is."""
        return decoded(self.data[:65536])

    def at(self, line: int) -> str:
        """Return `path:line`."""
        return f"{self.path}:{line}"

    def beside(self, *parts: str) -> Source | None:
        """Return another file by its path relative to this one's folder; None where there is none."""
        other = self.path.parent.joinpath(*parts)
        try:
            if not other.is_file() or other.stat().st_size > LARGEST_BESIDE:
                return None
            return Source(other, other.read_bytes(), self.zone)
        except (OSError, ValueError):
            return None


class ManifestReader(Protocol):
    """One form of manifest or log; one module each."""

    NAME: str
    TITLE: str  # for people

    @property
    def recognises(self) -> Callable[[Source], bool]:
        """Whether the content is this form. The name counts only where content alone cannot tell."""

    @property
    def read(self) -> Callable[[Source], Manifest]:
        """Read it. Bad rows come aside; raises SourceError when nothing in it is usable."""
