"""Take a file in and put it back, so that a crash at any point loses nothing.

Taking: the content is sealed and on the disk, then its record, then the original gets a scratch name
in its folder. Only if that is the very file that was read, unchanged, is it removed. Putting back:
the file is made under a scratch name with all its attributes and is on the disk, the record says
which it is, and only then it gets its name, never in place of another file.

`settle_take` and `settle_restore` look at what is there and bring a half-done step to an end; they
serve after an error as well as after a crash, and doing them twice does no harm.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sakimori.endpoint.quarantine import attributes
from sakimori.endpoint.quarantine import original as originals
from sakimori.endpoint.quarantine.folders import Folder, folder_of
from sakimori.endpoint.quarantine.model import RESTORED, RESTORING, TAKEN, TAKING, Entry
from sakimori.endpoint.quarantine.original import Original, same
from sakimori.endpoint.quarantine.store import Record
from sakimori.errors import EngineError, RefusedError, SakimoriError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sakimori.endpoint.quarantine.store import Store

IN_PLACE, STILL_TAKEN = "in place", "still taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to take, why, and what it must still be."""

    path: str
    rule: str
    family: str
    definitions: str
    reason: str
    now: datetime
    expect_sha256: str | None = None
    symlink: bool = False


def entry_of(wanted: Wanted, original: Original, ident: str) -> Entry:
    """Return the entry of a file that was read whole."""
    return Entry(
        id=ident, path=wanted.path, sha256=original.sha256, attributes=original.attributes,
        rule=wanted.rule, family=wanted.family, definitions=wanted.definitions,
        reason=wanted.reason, taken=wanted.now, state=TAKEN, changed=wanted.now,
    )  # fmt: skip


def scratch_name() -> str:
    """Return a name that nobody can guess, for a file that is on its way."""
    return f".sakimori-{secrets.token_hex(8)}"


# Take


def take(store: Store, wanted: Wanted) -> Entry:
    """Move a file into the store. Raises as `Quarantine.take`; the file is then where it was."""
    with (
        folder_of(wanted.path) as (folder, name),
        originals.opened(folder, name, wanted.path, symlink=wanted.symlink) as original,
    ):
        try:
            scratch = store.receive(original.read)
        except OSError as error:
            raise originals.failed(error, wanted.path, "it cannot be copied") from error
        record = None
        try:
            originals.check_hash(original, wanted.expect_sha256, wanted.path)
            originals.check_steady(original, wanted.path)
            entry = entry_of(wanted, original, store.new_id(original.sha256))
            record = Record(entry, scratch_name())
            store.write(record, TAKING)
            store.place(scratch, entry.id)
            _catch(store, record, folder, name, original)
        except BaseException as error:
            with suppress(OSError):
                scratch.unlink()
            if record is not None:
                _roll_back(store, record, folder, name)
            if isinstance(error, OSError):
                raise originals.failed(error, wanted.path, "it cannot be moved") from error
            raise
        _remove(store, record, folder)
    store.promote(entry.id)
    store.hook("promoted")
    return entry


def _catch(store: Store, record: Record, folder: Folder, name: str, original: Original) -> None:
    """Give the original the scratch name, and see whether that caught the file that was read."""
    entry, aside = record.entry, record.aside
    status = folder.status(name)
    if status is None or not same(status, entry.attributes) or not original.steady():
        raise originals.changed(entry.path)
    if os.name == "nt":
        original.let_go()
    folder.rename(name, aside)
    store.hook("moved aside")
    caught = folder.status(aside)
    if caught is None or not same(caught, entry.attributes):
        raise originals.changed(entry.path)


def _remove(store: Store, record: Record, folder: Folder) -> None:
    try:
        folder.remove(record.aside)
        store.hook("removed")
        folder.sync()
        store.hook("removal synced")
    except BaseException as error:
        settle_take(store, record)
        if isinstance(error, OSError):
            raise originals.failed(error, record.entry.path, "it cannot be removed") from error
        raise


def _roll_back(store: Store, record: Record, folder: Folder, name: str) -> None:
    """Undo a take of which nothing was removed yet; whatever has the original's name keeps it."""
    if folder.status(record.aside) is not None and not _put_name_back(folder, name, record):
        store.promote(record.entry.id)
        return
    store.drop_content(record.entry.id)
    store.forget(record.entry.id, TAKING)


def settle_take(store: Store, record: Record) -> str:
    """Bring a take that stopped half-way to an end: "in place" or "taken"."""
    entry = record.entry
    if not store.content(entry.id).exists() or _is_back(store, record):
        store.drop_content(entry.id)
        store.forget(entry.id, TAKING)
        return IN_PLACE
    store.promote(entry.id)
    return TAKEN


def _is_back(store: Store, record: Record) -> bool:
    """Give the original its name again where it has the scratch name, and say whether it is there."""
    entry = record.entry
    try:
        with folder_of(entry.path) as (folder, name):
            if folder.status(record.aside) is not None:
                _put_name_back(folder, name, record)
                store.hook("named again")
                folder.sync()
            now = folder.status(name)
            return now is not None and same(now, entry.attributes)
    except (SakimoriError, OSError):  # its folder is gone or swapped: what we hold is what is left
        return False


def _put_name_back(folder: Folder, name: str, record: Record) -> bool:
    """Whether it worked. Where another file came meanwhile ours is removed: the store has it."""
    try:
        folder.rename(record.aside, name)
    except FileExistsError:
        caught = folder.status(record.aside)
        if caught is not None and same(caught, record.entry.attributes):
            folder.remove(record.aside)
        return False
    return True


# Put back


def restore(store: Store, entry: Entry, target: str, now: datetime) -> Entry:
    """Put a file back as `target`. Raises as `Quarantine.restore`; it is then still in the store."""
    with folder_of(target) as (folder, name):
        check_free(folder, name, target)
        begun = replace(entry, restored_to=target, changed=now)
        record = Record(begun, scratch_name())
        try:
            store.write(record, RESTORING)
            record = _make(store, record, folder)
            store.write(record, RESTORING)
            _give_name(store, record, folder, name)
        except BaseException as error:
            settle_restore(store, record)
            if isinstance(error, FileExistsError):
                raise _occupied(target) from error
            if isinstance(error, OSError):
                raise _not_restored(error, target) from error
            raise
    return finish(store, record)


def check_free(folder: Folder, name: str, target: str) -> None:
    """Raise RefusedError where something has the name already."""
    if folder.status(name) is not None:
        raise _occupied(target)


def _occupied(target: str) -> RefusedError:
    return RefusedError(
        "another file is there now",
        where=target,
        hint="--replace takes that one into quarantine first; --to PATH puts this one elsewhere",
    )


def _not_restored(error: OSError, target: str) -> SakimoriError:
    return EngineError(
        f"it cannot be put back: {error.strerror}; it is still in quarantine",
        where=target,
        hint="check free space and permissions of the folder",
    )


def _make(store: Store, record: Record, folder: Folder) -> Record:
    """Make the file under its scratch name, on the disk; returns the record that knows it."""
    wanted = record.entry.attributes
    if wanted.kind == "symlink":
        folder.link_to(b"".join(checked(store, record.entry)), record.aside)
        store.hook("link made")
        lacking = attributes.put_link_back(folder, record.aside, wanted)
        status = folder.status(record.aside)
        if status is None:
            raise originals.changed(record.entry.restored_to)
        made = (status.st_dev, status.st_ino)
        return replace(record, entry=replace(record.entry, lacking=lacking), made=made)
    fd = folder.open(record.aside, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    try:
        store.hook("scratch file made")
        _fill(store, record.entry, fd)
        store.hook("scratch file written")
        where = os.path.join(folder.path, record.aside)  # noqa: PTH118 - surrogates stay
        lacking = attributes.put_back(fd, wanted, where)
        store.hook("attributes set")
        os.fsync(fd)
        status = os.fstat(fd)
    finally:
        os.close(fd)
    entry = replace(record.entry, lacking=lacking)
    return replace(record, entry=entry, made=(status.st_dev, status.st_ino))


def checked(store: Store, entry: Entry) -> Iterator[bytes]:
    """Give the content; raises StateError at its end when it is not what was taken."""
    digest = hashlib.sha256()
    for part in store.unsealed(entry.id):
        digest.update(part)
        yield part
    if digest.hexdigest() != entry.sha256:
        raise StateError("the content is not what was taken", where=str(store.content(entry.id)))


def _fill(store: Store, entry: Entry, fd: int) -> None:
    sparse = entry.attributes.blocks * 512 < entry.size
    for part in checked(store, entry):
        if sparse and not part.strip(b"\0"):
            os.lseek(fd, len(part), os.SEEK_CUR)
            continue
        view = memoryview(part)
        while view:
            view = view[os.write(fd, view) :]
    os.ftruncate(fd, entry.size)


def _give_name(store: Store, record: Record, folder: Folder, name: str) -> None:
    folder.rename(record.aside, name)
    store.hook("named")
    status = folder.status(name)
    if status is None or (status.st_dev, status.st_ino) != record.made:
        raise RefusedError(
            "somebody put another file in its place just now; it is still in quarantine",
            where=record.entry.restored_to,
            hint="look at who writes to that folder",
        )
    folder.sync()
    store.hook("name synced")


def settle_restore(store: Store, record: Record) -> str:
    """Bring a restore that stopped half-way to an end: "restored" or "still taken"."""
    if _arrived(record):
        finish(store, record)
        return RESTORED
    store.forget(record.entry.id, RESTORING)
    return STILL_TAKEN


def _arrived(record: Record) -> bool:
    """Remove the scratch file where it is there; say whether the file has its name."""
    try:
        with folder_of(record.entry.restored_to) as (folder, name):
            there = folder.status(name)
            aside = folder.status(record.aside)
            if aside is not None and not stat.S_ISDIR(aside.st_mode):
                folder.remove(record.aside)
            return there is not None and (there.st_dev, there.st_ino) == record.made
    except (SakimoriError, OSError):
        return False


def finish(store: Store, record: Record) -> Entry:
    """Mark an entry as restored, and let its content go."""
    done = replace(record.entry, state=RESTORED)
    store.write(Record(done, ""), RESTORED)
    close(store, done.id)
    return done


def close(store: Store, ident: str) -> None:
    """Remove what an entry that was restored or deleted needs no more."""
    store.drop_content(ident)
    store.forget(ident, TAKING, TAKEN, RESTORING)
