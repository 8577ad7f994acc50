"""The quarantine: take a file in, put it back, delete it, check what is held, mend after a crash."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sakimori.endpoint.quarantine import mending, moving
from sakimori.endpoint.quarantine import original as originals
from sakimori.endpoint.quarantine.folders import folder_of
from sakimori.endpoint.quarantine.lock import locked
from sakimori.endpoint.quarantine.model import (
    DELETED,
    PROPOSED,
    STATES,
    TAKEN,
    Entry,
    Fault,
    Recovered,
)
from sakimori.endpoint.quarantine.moving import Wanted
from sakimori.endpoint.quarantine.sealing import Damaged
from sakimori.endpoint.quarantine.store import Record, Store, furthest
from sakimori.errors import EngineError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

_OURS = ("keys", "evidence", "clean", "guard", "cache", "definitions")  # beside the quarantine


class Quarantine:
    """A folder that holds files sealed with a key.

    Any number of processes may use it; those that change it take turns. When one died at work, the
    next one recovers first and says so in `recovered`.
    """

    def __init__(
        self, folder: Path, key: bytes, hook: Callable[[str], None] = lambda _step: None
    ) -> None:
        """Open the quarantine; nothing is made before the first file is taken.

        `hook` is called at each step of a change (for tests of crashes). Raises StateError when
        another key sealed what is here.
        """
        self.folder = folder
        self.recovered: list[Recovered] = []
        self.displaced: list[Entry] = []  # taken because they were in the way of a restore
        self._store = Store(folder, key, hook)
        self._store.check_key()

    # Change

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
        symlink: bool = False,
    ) -> Entry:
        """Move a file in and return its entry; with `symlink` a symbolic link itself.

        Other names of the same file (hard links: `attributes.links` above 1) stay where they are.
        Raises RefusedError, with nothing done, for what is no plain file, is marked immutable,
        changes meanwhile, has another SHA-256 than expected, lies behind a symbolic link or is the
        store's own; SourceError where it is missing or cannot be read; EngineError when the disk
        refuses (full, read-only, no permission): the file is then where it was.
        """
        wanted = Wanted(
            path=self._checked_path(path), rule=rule, family=family, definitions=definitions,
            reason=reason, now=now, expect_sha256=expect_sha256, symlink=symlink,
        )  # fmt: skip
        with self._changing():
            return moving.take(self._store, wanted)

    def restore(
        self,
        ident: str,
        *,
        to: Path | None = None,
        replace: bool = False,
        now: datetime,
    ) -> Entry:
        """Put a file back exactly, as `to` or where it was; returns its entry.

        What could not be put back exactly is in the entry's `lacking`; the file is there then. With
        `replace` a file that is in the way is taken into quarantine first. Raises SourceError for an
        unknown entry or a missing folder, RefusedError where the entry holds nothing or a file is in
        the way, StateError where the content is damaged, EngineError when the disk refuses: the file
        is then still in quarantine.
        """
        with self._changing():
            entry = self._held(ident)
            target = self._checked_path(to or Path(entry.path))
            if replace:
                self._clear(target, entry, now)
            return moving.restore(self._store, entry, target, now)

    def delete(self, ident: str, now: datetime) -> Entry:
        """Forget a file for good; its record stays. Raises as `restore` for what holds nothing."""
        with self._changing():
            done = changed(self._held(ident), state=DELETED, changed=now)
            self._store.write(Record(done, ""), DELETED)
            moving.close(self._store, done.id)
            return done

    def recover(self) -> list[Recovered]:
        """Finish or roll back what a crash interrupted; returns what was done."""
        if not self.folder.is_dir():
            return []
        before = len(self.recovered)
        with self._changing(always=True):
            return self.recovered[before:]

    # Look

    def preview(
        self, path: Path, now: datetime, *, reason: str = "", expect_sha256: str | None = None
    ) -> Entry:
        """Return the entry that a take would make, as proposed and without an id.

        Raises as `take`; changes nothing.
        """
        wanted = Wanted(
            path=self._checked_path(path), rule="", family="", definitions="", reason=reason,
            now=now, expect_sha256=expect_sha256,
        )  # fmt: skip
        with (
            folder_of(wanted.path) as (folder, name),
            originals.opened(folder, name, wanted.path) as original,
        ):
            while original.read(1 << 20):
                pass
            originals.check_hash(original, expect_sha256, wanted.path)
            folder.check_writable()
            return changed(moving.entry_of(wanted, original, ""), state=PROPOSED)

    def preview_restore(
        self, ident: str, *, to: Path | None = None, replace: bool = False
    ) -> Entry:
        """Return the entry with the path that it would have. Raises as `restore`; changes nothing."""
        entry = self._held(ident)
        target = self._checked_path(to or Path(entry.path))
        with folder_of(target) as (folder, name):
            folder.check_writable()
            if not replace:
                moving.check_free(folder, name, target)
        return changed(entry, restored_to=target)

    def entries(self) -> list[Entry]:
        """Return every entry that can be read, the oldest first; `faults` says which cannot."""
        return self.listed()[0]

    def listed(self) -> tuple[list[Entry], list[Fault]]:
        """Return every entry, and the records that cannot be read."""
        found, faults = [], []
        for name in self._store.names():
            for rand, states in self._store.states(name).items():
                ident = f"{name}-{rand}"
                try:
                    found.append(self._read(ident, furthest(states)))
                except Damaged as error:
                    faults.append(Fault(ident, f"items/{name}", str(error)))
                except FileNotFoundError:
                    continue  # deleted by another process just now
        return sorted(found, key=lambda e: (e.taken, e.id)), faults

    def entry(self, ident: str) -> Entry:
        """Return an entry by its id, or by the beginning of either part of it.

        Raises SourceError when there is none, or more than one.
        """
        exact = [ident] if self._store.state_of(ident) else self._named(ident)
        state = self._store.state_of(exact[0]) if len(exact) == 1 else None
        if state is None:
            raise SourceError(
                "more than one entry has such an id" if exact else "there is no such entry",
                where=ident,
                hint="sakimori quarantine list --all",
            )
        try:
            return self._read(exact[0], state)
        except Damaged as error:
            raise SourceError(
                f"the entry cannot be read: {error}", where=ident, hint="sakimori quarantine check"
            ) from error

    def check_held(self, entry: Entry) -> None:
        """Raise RefusedError where an entry holds nothing that could be put back."""
        if entry.state != TAKEN:
            raise RefusedError(
                f"this file is not in quarantine: {entry.state}",
                where=entry.id,
                hint="sakimori quarantine list",
            )

    def content(self, ident: str) -> Iterator[bytes]:
        """Give a held file's bytes. Raises as `restore` for what holds nothing or is damaged."""
        return moving.checked(self._store, self._held(ident))

    def check(self) -> list[Fault]:
        """Read everything that is held, whole, and return what is damaged or left over."""
        return list(mending.check(self._store))

    # Inside

    @contextmanager
    def _changing(self, *, always: bool = False) -> Iterator[None]:
        try:
            self._store.prepare()
        except OSError as error:
            raise EngineError(
                f"the quarantine cannot be made or opened: {error.strerror}",
                where=str(self.folder),
                hint="check permissions and free space, or name another place: --store DIR",
            ) from error
        with locked(self.folder) as died:
            if died or always:
                self.recovered += mending.recover(self._store)
            yield

    def _read(self, ident: str, state: str) -> Entry:
        """Read an entry; another process may bring it to the next state in between."""
        for _ in STATES:
            try:
                return self._store.read(ident, state).entry
            except FileNotFoundError:
                then = self._store.state_of(ident)
                if then is None:
                    raise
                state = then
        raise FileNotFoundError(ident)

    def _named(self, ident: str) -> list[str]:
        """Return the ids that begin so, or whose second part does; only the exact one if it is."""
        full = [
            f"{name}-{rand}"
            for name in self._store.names()
            for rand in self._store.states(name)
            if ident and (f"{name}-{rand}".startswith(ident) or rand.startswith(ident))
        ]
        return [one for one in full if ident == one.rpartition("-")[2]] or full

    def _held(self, ident: str) -> Entry:
        entry = self.entry(ident)
        self.check_held(entry)
        return entry

    def _clear(self, target: str, entry: Entry, now: datetime) -> None:
        with folder_of(target) as (folder, name):
            if folder.status(name) is None:
                return
        for _ in moving.checked(self._store, entry):  # before anything makes way for it
            pass
        why = f"it was in the way when {entry.id} was restored"
        taken = moving.take(
            self._store,
            Wanted(path=target, rule="", family="", definitions="", reason=why, now=now),
        )
        self.displaced.append(taken)

    def _checked_path(self, path: Path) -> str:
        """Return the absolute path. Raises RefusedError for what is our own."""
        given = PurePath(path)
        if "\0" in str(path):
            raise SourceError("no path holds a NUL", where=str(path))
        if ".." in given.parts:
            raise RefusedError(
                "a path with .. may lead elsewhere", where=str(path), hint="give the real path"
            )
        whole = os.path.abspath(path)  # noqa: PTH100 - keeps surrogates and follows no link
        home = PurePath(os.path.realpath(self.folder))
        for ours in (home, *(home.parent / name for name in _OURS)):
            if PurePath(whole).is_relative_to(ours):
                raise RefusedError("this belongs to the quarantine itself", where=whole)
        return whole
