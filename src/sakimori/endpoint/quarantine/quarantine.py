"""The quarantine: take a file in, put it back, delete it, check what is held, mend after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sakimori.endpoint.quarantine.model import Entry, Fault, Recovered


class Quarantine:
    """A folder that holds files sealed with a key."""

    def __init__(
        self, folder: Path, key: bytes, hook: Callable[[str], None] = lambda _step: None
    ) -> None:
        """Open the quarantine; nothing is made before the first file is taken."""
        self.folder, self._key, self._hook = folder, key, hook

    def take(  # noqa: PLR0913 - each is a column of the entry
        self,
        path: Path,
        *,
        rule: str,
        family: str,
        definitions: str,
        reason: str,
        now: datetime,
        expect_sha256: str | None = None,
    ) -> Entry:
        """Move a file in."""
        raise NotImplementedError

    def restore(
        self,
        ident: str,
        *,
        to: Path | None = None,
        replace: bool = False,
        now: datetime,
    ) -> Entry:
        """Put a file back."""
        raise NotImplementedError

    def delete(self, ident: str, now: datetime) -> Entry:
        """Forget a file's content for good."""
        raise NotImplementedError

    def entries(self) -> list[Entry]:
        """Return every entry."""
        raise NotImplementedError

    def entry(self, ident: str) -> Entry:
        """Return one entry."""
        raise NotImplementedError

    def check(self) -> list[Fault]:
        """Return what is damaged."""
        raise NotImplementedError

    def recover(self) -> list[Recovered]:
        """Finish or roll back what a crash interrupted."""
        raise NotImplementedError
