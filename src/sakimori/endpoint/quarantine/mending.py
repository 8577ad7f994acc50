"""Look over a store: finish or roll back what a crash left, and say what is damaged."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from sakimori.endpoint.quarantine import moving
from sakimori.endpoint.quarantine.model import (
    DELETED,
    RESTORED,
    RESTORING,
    TAKING,
    Fault,
    Recovered,
)
from sakimori.endpoint.quarantine.sealing import Damaged
from sakimori.endpoint.quarantine.store import CONTENT, LIVE, furthest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.quarantine.store import Record, Store

_BESIDE = re.compile(r"\.[0-9a-f]{16}")


def recover(store: Store) -> Iterator[Recovered]:
    """Bring every half-done step to an end. What is damaged is left for `check`."""
    for path in list(store.strays()):
        if path.parent.name == "incoming" or _BESIDE.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
                yield Recovered("", str(path.relative_to(store.folder)), "tidied")
    for name in store.names():
        states = store.states(name)
        for rand, found in states.items():
            ident = f"{name}-{rand}"
            with suppress(Damaged, FileNotFoundError):
                if outcome := _settled(store, store.read(ident, furthest(found)), len(found)):
                    yield outcome
        if not states:
            with suppress(OSError):  # only where it is empty: a crash before the first record
                (store.items / name).rmdir()


def _settled(store: Store, record: Record, records: int) -> Recovered | None:
    entry = record.entry
    if entry.state == TAKING:
        return Recovered(entry.id, entry.path, moving.settle_take(store, record))
    if entry.state == RESTORING:
        return Recovered(entry.id, entry.restored_to, moving.settle_restore(store, record))
    if entry.state in (RESTORED, DELETED) and (records > 1 or _unneeded(store, entry.id)):
        moving.close(store, entry.id)
        return Recovered(entry.id, entry.restored_to or entry.path, entry.state)
    return None


def _unneeded(store: Store, ident: str) -> bool:
    """Whether a content is there that no entry needs."""
    states = store.states(ident.partition("-")[0]).values()
    return store.content(ident).exists() and not any(furthest(s) in LIVE for s in states)


def check(store: Store) -> Iterator[Fault]:
    """Read every record and content, and say what is not as it was written."""
    for path in store.strays():
        yield Fault("", str(path.relative_to(store.folder)), _stray(path.parent.name, path.name))
    for name in store.names():
        states = store.states(name)
        live = [rand for rand, found in states.items() if furthest(found) in LIVE]
        for rand, found in states.items():
            yield from _records(store, f"{name}-{rand}", found)
        yield from _content(store, name, live, known=bool(states))


def _stray(folder: str, name: str) -> str:
    if folder == "incoming" or _BESIDE.fullmatch(name):
        return "left by a crash: `sakimori quarantine recover` takes it away"
    return "this is no file of the quarantine"


def _records(store: Store, ident: str, states: list[str]) -> Iterator[Fault]:
    for state in states:
        where = f"items/{ident.replace('-', '/')}.{state}"
        try:
            store.read(ident, state)
        except (Damaged, OSError) as error:
            yield Fault(ident, where, str(error))
            continue
        if state in (TAKING, RESTORING):
            yield Fault(ident, where, "interrupted: `sakimori quarantine recover` settles it")


def _content(store: Store, name: str, live: list[str], *, known: bool) -> Iterator[Fault]:
    where = f"items/{name}/{CONTENT}"
    exists = (store.items / name / CONTENT).exists()
    if live:
        reason = store.damage(name) if exists else "the content is missing"
        for rand in live if reason else ():
            yield Fault(f"{name}-{rand}", where, reason)
    elif exists and known:
        yield Fault("", where, "nothing needs it: `sakimori quarantine recover` takes it away")
    elif exists:
        yield Fault("", where, "its records are gone, so nobody knows where it came from")
