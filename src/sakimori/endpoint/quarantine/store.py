"""The quarantine's folder: contents named by a keyed hash, and beside each the records about it.

    FOLDER/lock, busy             see `lock`
    FOLDER/key.check              tells a wrong key from damage
    FOLDER/incoming/SCRATCH       a content that is being written
    FOLDER/items/NAME/content     sealed (see `sealing`); NAME is HMAC-SHA256 of the content's SHA-256
    FOLDER/items/NAME/ENTRY.STATE one sealed record an entry; its ending is the state

A record of what is about to be done is on the disk before it is done, so the records are the journal.
One entry may have records of several states while a step is taken; the one furthest on counts:
taking, taken, restoring, restored, deleted. A content is there as long as an entry is taking, taken
or restoring. Its first record is written before it, and it is removed before its last record of those
states is: so a content without any record is damage, and is kept.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sakimori.endpoint.quarantine import sealing
from sakimori.endpoint.quarantine.model import (
    RESTORING,
    STATES,
    TAKEN,
    TAKING,
    Entry,
    as_plain,
    from_plain,
)
from sakimori.endpoint.quarantine.sealing import Damaged
from sakimori.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIVE = (TAKING, TAKEN, RESTORING)
CONTENT = "content"
_FILE = re.compile(rf"([0-9a-f]{{8}})\.({'|'.join(STATES)})")
_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{8})")
_NAME = 32  # hexadecimal digits of a keyed hash that are used


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it is stored. `aside` is the scratch name beside the file that is moved.

    `made` is device and inode of the file that a restore has made, None before it did.
    """

    entry: Entry
    aside: str
    made: tuple[int, int] | None = None


class Store:
    """Reads and writes the folder. Nothing here locks."""

    def __init__(self, folder: Path, key: bytes, hook: Callable[[str], None]) -> None:
        """Know the folder; nothing is made or read."""
        self.folder, self.hook = folder, hook
        self._key = key
        self.items, self.incoming = folder / "items", folder / "incoming"

    def prepare(self) -> None:
        """Make what is missing. Raises StateError when another key sealed what is here."""
        for made in (self.folder, self.items, self.incoming):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name != "nt" and self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)  # somebody made the folder before us
        check = self.folder / "key.check"
        if not check.exists():
            _write(check, sealing.derived(self._key, b"check"))
            sync(self.folder)
        self.check_key()

    def check_key(self) -> None:
        """Raise StateError when another key sealed what is here."""
        check = self.folder / "key.check"
        if check.exists() and check.read_bytes() != sealing.derived(self._key, b"check"):
            raise StateError(
                "this quarantine was sealed with another key",
                where=str(self.folder),
                hint="put back your copy of the key: keys/quarantine.key in the store",
            )

    # Names

    def name_of(self, sha256: str) -> str:
        """Return the name of a content. Without the key nobody can tell which file it is."""
        purpose = sealing.derived(self._key, b"name")
        return hmac.digest(purpose, bytes.fromhex(sha256), "sha256").hex()[:_NAME]

    def new_id(self, sha256: str) -> str:
        """Return an id that no entry has."""
        return f"{self.name_of(sha256)}-{secrets.token_hex(4)}"

    def content(self, ident: str) -> Path:
        """Return where an entry's content lies or would lie."""
        return self.items / ident[:_NAME] / CONTENT

    # Contents

    def receive(self, read: Callable[[int], bytes]) -> Path:
        """Seal all that `read` gives into a scratch file that is on the disk; returns it."""
        scratch = self.incoming / secrets.token_hex(8)
        handle = os.open(scratch, _NEW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                self.hook("scratch made")
                sealing.seal(read, file.write, self._key)
                file.flush()
                self.hook("scratch written")
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                scratch.unlink()
            raise
        return scratch

    def place(self, scratch: Path, ident: str) -> None:
        """Give a scratch file its place, unless the same content is there and whole."""
        content = self.content(ident)
        if content.exists() and not self.damage(ident[:_NAME]):
            scratch.unlink()
        else:
            scratch.replace(content)
        self.hook("content placed")
        sync(content.parent)

    def unsealed(self, ident: str) -> Iterator[bytes]:
        """Give an entry's content. Raises StateError where it is missing or damaged."""
        try:
            with self.content(ident).open("rb") as file:
                yield from sealing.unseal(file.read, self._key)
        except (Damaged, FileNotFoundError) as error:
            raise StateError(
                f"the content is {'missing' if isinstance(error, OSError) else 'damaged'}: {error}",
                where=str(self.content(ident)),
                hint="`sakimori quarantine check` tells what else is; a backup of the store helps",
            ) from error

    def damage(self, name: str) -> str:
        """Read a content whole and say what is wrong with it; "" when nothing is."""
        import hashlib  # noqa: PLC0415

        digest = hashlib.sha256()
        try:
            with (self.items / name / CONTENT).open("rb") as file:
                for part in sealing.unseal(file.read, self._key):
                    digest.update(part)
        except (Damaged, OSError) as error:
            return str(error)
        return "" if self.name_of(digest.hexdigest()) == name else "it is another content"

    def drop_content(self, ident: str) -> None:
        """Remove a content that no other entry needs. Not synced: recovery does it again."""
        others = [
            rand
            for rand, states in self.states(ident[:_NAME]).items()
            if f"{ident[:_NAME]}-{rand}" != ident and furthest(states) in LIVE
        ]
        if not others:
            self.content(ident).unlink(missing_ok=True)
            self.hook("content dropped")

    # Records

    def write(self, record: Record, state: str) -> None:
        """Put a record on the disk. It is whole or not there.

        The name of one of taking is synced with its content's name, in `place`.
        """
        ident = record.entry.id
        folder = self.items / ident[:_NAME]
        if not folder.exists():
            folder.mkdir(mode=0o700)
            sync(self.items)
        plain = {
            "entry": as_plain(replace(record.entry, state=_inside(state))),
            "aside": record.aside,
            "made": record.made,
        }
        data = sealing.seal_record(self._key, json.dumps(plain).encode("ascii"), ident.encode())
        _write(self._file(ident, state), data, self.hook)
        if state != TAKING:
            sync(folder)

    def promote(self, ident: str) -> None:
        """Make a record of taking one of taken. Not synced: until then, recovery does it again."""
        self._file(ident, TAKING).rename(self._file(ident, TAKEN))

    def forget(self, ident: str, *states: str) -> None:
        """Remove an entry's records of these states, and the item's folder when it is empty."""
        for state in states:
            self._file(ident, state).unlink(missing_ok=True)
            self.hook(f"forgot {state}")
        with suppress(OSError):
            self._file(ident, TAKEN).parent.rmdir()

    def read(self, ident: str, state: str) -> Record:
        """Return a record. Raises Damaged, or OSError when it is gone."""
        data = self._file(ident, state).read_bytes()
        try:
            plain = json.loads(sealing.unseal_record(self._key, data, ident.encode()))
            entry = from_plain(plain["entry"])
            made = tuple(plain["made"]) if plain["made"] else None
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged("the record is not as it was written") from error
        if entry.state != _inside(state) or entry.id != ident:
            raise Damaged("the record belongs to another state or entry")
        return Record(replace(entry, state=state), str(plain["aside"]), made)

    def names(self) -> list[str]:
        """Return the names of all items."""
        if not self.items.is_dir():
            return []
        return sorted(path.name for path in self.items.iterdir())

    def states(self, name: str) -> dict[str, list[str]]:
        """Return for each entry of an item (by the end of its id) the states it has records of."""
        found: dict[str, list[str]] = {}
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted(self.items.joinpath(name).iterdir()):
                if match := _FILE.fullmatch(path.name):
                    found.setdefault(match[1], []).append(match[2])
        return found

    def strays(self) -> Iterator[Path]:
        """Give files that are none of ours, and scratch files that were left."""
        for folder in (self.incoming, *(self.items / name for name in self.names())):
            if not folder.is_dir():
                if folder.exists():
                    yield folder
                continue
            for path in sorted(folder.iterdir()):
                known = path.name == CONTENT or _FILE.fullmatch(path.name)
                if folder == self.incoming or not known:
                    yield path

    def state_of(self, ident: str) -> str | None:
        """Return an entry's state; None when there is no such entry."""
        if not _ID.fullmatch(ident):
            return None
        states = self.states(ident[:_NAME]).get(ident[_NAME + 1 :])
        return furthest(states) if states else None

    def _file(self, ident: str, state: str) -> Path:
        return self.items / ident[:_NAME] / f"{ident[_NAME + 1 :]}.{state}"


_NEW = (
    os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


def _inside(state: str) -> str:
    """The state that a record says: one of taking says taken, so that a rename makes it so."""
    return TAKEN if state == TAKING else state


def furthest(states: list[str]) -> str:
    """Return the state that counts."""
    return max(states, key=STATES.index)


def _write(path: Path, data: bytes, hook: Callable[[str], None] = lambda _step: None) -> None:
    """Write beside, sync, rename."""
    beside = path.with_name(f".{secrets.token_hex(8)}")
    handle = os.open(beside, _NEW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        hook(f"record {path.suffix} beside")
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    hook(f"record {path.suffix} named")


def sync(folder: Path) -> None:
    """Have a folder's names written to the disk, where the system can."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
