"""The quarantine as a person or another part uses it: proposals first, deeds recorded.

    done = add(store, [Path("/tmp/x")], Why(reason="seen by hand"), yes=True)
    held = opened(store, make=True); entry = take(held, store, path, why, actor="guard")

Nothing is changed unless `yes`; each deed goes into the machine's chain of evidence (see `deeds`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.app import deeds
from sakimori.app.files import read_json
from sakimori.endpoint.quarantine import Entry, Fault, Quarantine, Recovered, open_key
from sakimori.endpoint.quarantine.key import NAME as KEY
from sakimori.errors import (
    ConfigError,
    PartFailedError,
    SakimoriError,
    SourceError,
    StateError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCHEMA_VERSION = "1"
PASSWORD = b"infected"  # what analysts use among themselves, so that no scanner opens the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a file is taken: the rule that matched, and a sentence."""

    rule: str = ""
    family: str = ""
    definitions: str = ""
    reason: str = ""
    expect_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not done, and why."""

    path: str  # or the entry's id
    reason: str
    hint: str
    error: SakimoriError


@dataclass(slots=True)
class Outcome:
    """What became of a command. `done` is False for a dry run: entries are then as they would be.

    `displaced` are files that were in the way of a restore and were taken into quarantine.
    """

    done: bool
    entries: list[Entry] = field(default_factory=list)
    displaced: list[Entry] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    recovered: list[Recovered] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def _now() -> datetime:
    return datetime.now(UTC)


def opened(store: Path, *, make: bool = False) -> Quarantine:
    """Open the quarantine of a machine's store; with `make` its key is made where there is none.

    Raises StateError when something is held and the key is gone, and as `open_key` does.
    """
    folder, keys = store / "quarantine", store / "keys"
    if (keys / KEY).exists() or (make and not (folder / "key.check").exists()):
        return Quarantine(folder, open_key(keys))
    if (folder / "key.check").exists():
        raise StateError(
            "the key of this quarantine is gone, and nothing can be read without it",
            where=str(keys / KEY),
            hint="put back your copy of it",
        )
    return Quarantine(folder, bytes(32))  # nothing is held, and nothing will be


def take(held: Quarantine, store: Path, path: Path, why: Why, actor: str = "") -> Entry:
    """Take one file and record the deed. Raises as `Quarantine.take` and `deeds.record`."""
    entry = held.take(
        path, rule=why.rule, family=why.family, definitions=why.definitions, reason=why.reason,
        now=_now(), expect_sha256=why.expect_sha256,
    )  # fmt: skip
    deeds.record(store, "quarantine take", deed_of(entry), actor)
    return entry


def put_back(
    held: Quarantine, store: Path, ident: str, *, to: Path | None = None, actor: str = ""
) -> Entry:
    """Restore one file and record the deed. Raises as `Quarantine.restore` and `deeds.record`."""
    entry = held.restore(ident, to=to, now=_now())
    deeds.record(store, "quarantine restore", deed_of(entry), actor)
    return entry


def deed_of(entry: Entry) -> dict[str, Any]:
    """Return what the evidence says about an entry."""
    body: dict[str, Any] = {
        name: getattr(entry, name)
        for name in ("id", "path", "sha256", "size", "rule", "family", "definitions", "reason")
    }
    body |= {"restored_to": entry.restored_to} if entry.restored_to else {}
    return body | ({"lacking": list(entry.lacking)} if entry.lacking else {})


# A person's acts


def add(
    store: Path, paths: Sequence[Path], why: Why, *, yes: bool = False, actor: str = ""
) -> Outcome:
    """Take files; each is tried, and those that cannot be taken are told in `refused`.

    The folder of each path is resolved first: a person may name a file through a link.
    """
    return add_each(store, [(path, why) for path in paths], yes=yes, actor=actor)


def add_each(
    store: Path, files: Sequence[tuple[Path, Why]], *, yes: bool = False, actor: str = ""
) -> Outcome:
    """Take files, each for a reason of its own; otherwise like `add`."""
    held = opened(store, make=yes)
    outcome = Outcome(done=yes)
    reasons = {str(path): why for path, why in files}

    def one(path: Path, why: Why) -> Entry:
        real = _real(path)
        if not yes:
            shown = held.preview(real, _now(), reason=why.reason, expect_sha256=why.expect_sha256)
            return replace(shown, rule=why.rule, family=why.family)
        return take(held, store, real, why, actor)

    _each(outcome, list(reasons), lambda path: one(Path(path), reasons[path]))
    return _settled(outcome, held, store, actor)


def found_by(scan: Path) -> list[tuple[Path, Why]]:
    """Return the files with a hit in what `sakimori scan --format json` printed, with rule and family.

    A file that matched by itself must still have the content that was scanned. Raises SourceError.
    """
    found: dict[str, Why] = {}
    value = read_json(scan)
    try:
        for hit in value["hits"]:
            path, whole = str(hit["path"]), hit["member"] is None
            if path in found and (found[path].expect_sha256 or not whole):
                continue
            found[path] = Why(
                rule=str(hit["rule"]), family=str(hit["family"]), reason="found by a scan",
                expect_sha256=str(hit["sha256"]) if whole else None,
            )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise SourceError(
            "not what `sakimori scan --format json` prints", where=str(scan),
            hint="sakimori scan PATH --format json > scan.json",
        ) from error  # fmt: skip
    return [(Path(path), why) for path, why in found.items()]


def restore(
    store: Path, idents: Sequence[str], places: Places, *, yes: bool = False, actor: str = ""
) -> Outcome:
    """Put files back. Raises ConfigError when several are to go to one path."""
    if places.to is not None and len(idents) > 1 and not places.to.is_dir():
        raise ConfigError("several files cannot have one path", hint="--to an existing folder")
    held = opened(store)
    outcome = Outcome(done=yes)

    def one(ident: str) -> Entry:
        entry = held.entry(ident)
        to = _place(entry, places.to)
        if not yes:
            return held.preview_restore(entry.id, to=to, replace=places.replace)
        try:
            done = held.restore(entry.id, to=to, replace=places.replace, now=_now())
        finally:
            _record_displaced(outcome, held, store, actor)
        deeds.record(store, "quarantine restore", deed_of(done), actor)
        return done

    _each(outcome, idents, one)
    return _settled(outcome, held, store, actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a restore goes: `to` a path or folder, None for where it was; and over what is there."""

    to: Path | None = None
    replace: bool = False


def delete(store: Path, idents: Sequence[str], *, yes: bool = False, actor: str = "") -> Outcome:
    """Forget files for good."""
    held = opened(store)
    outcome = Outcome(done=yes)

    def one(ident: str) -> Entry:
        entry = held.entry(ident)
        if not yes:
            held.check_held(entry)
            return entry
        done = held.delete(entry.id, _now())
        deeds.record(store, "quarantine delete", deed_of(done), actor)
        return done

    _each(outcome, idents, one)
    return _settled(outcome, held, store, actor)


def recover(store: Path, actor: str = "") -> Outcome:
    """Finish or roll back what a crash interrupted, and record that."""
    held = opened(store)
    held.recover()
    return _settled(Outcome(done=True), held, store, actor)


def check(store: Path) -> Outcome:
    """Read everything that is held; what is damaged is in `faults`."""
    held = opened(store)
    entries = [e for e in held.entries() if e.state == "taken"]
    return Outcome(done=True, entries=entries, faults=held.check())


def listed(store: Path, *, every: bool = False) -> Outcome:
    """Return what is held; with `every` what was restored and deleted too."""
    entries, faults = opened(store).listed()
    gone = ("restored", "deleted")
    wanted = [e for e in entries if every or e.state not in gone]
    return Outcome(done=True, entries=wanted, faults=faults)


def show(store: Path, ident: str) -> Entry:
    """Return one entry. Raises SourceError when there is none or more than one."""
    return opened(store).entry(ident)


def export(store: Path, ident: str, out: Path, *, yes: bool = False, actor: str = "") -> Outcome:
    """Write a held file into a zip encrypted with AES and the password `infected`, for analysts.

    Its name in there is its SHA-256. Raises ConfigError when `out` is there already, StateError
    when the content is damaged; no half file is left.
    """
    held = opened(store)
    entry = held.entry(ident)
    held.check_held(entry)
    if out.exists():
        raise ConfigError("this is there already", where=str(out), hint="choose another name")
    if yes:
        _write_zip(held, entry, out)
        body = deed_of(entry) | {"out": str(out.absolute())}
        deeds.record(store, "quarantine export", body, actor)
    return Outcome(done=yes, entries=[entry])


def _write_zip(held: Quarantine, entry: Entry, out: Path) -> None:
    import pyzipper  # noqa: PLC0415 - slow to import

    aside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with pyzipper.AESZipFile(
            aside, "x", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
        ) as archive:
            archive.setpassword(PASSWORD)
            with archive.open(f"{entry.sha256}.bin", "w", force_zip64=True) as member:
                for part in held.content(entry.id):
                    member.write(part)
        aside.chmod(0o600)
        aside.rename(out)
    except OSError as error:
        raise SourceError(f"cannot be written: {error.strerror}", where=str(out)) from error
    finally:
        aside.unlink(missing_ok=True)


# Inside


def _each(outcome: Outcome, names: Sequence[str], one: Callable[[str], Entry]) -> None:
    for name in names:
        try:
            outcome.entries.append(one(name))
        except SakimoriError as error:
            outcome.refused.append(Refused(name, str(error), error.hint, error))


def _real(path: Path) -> Path:
    """Return the path with its folder resolved; the last step is left, link or not."""
    text = os.fspath(path)
    folder, name = os.path.split(text)
    if name in ("", ".", ".."):
        return Path(os.path.realpath(text))
    return Path(os.path.realpath(folder or ".")) / name


def _place(entry: Entry, to: Path | None) -> Path | None:
    if to is None:
        return None
    return to.resolve() / Path(entry.path).name if to.is_dir() else _real(to)


def _record_displaced(outcome: Outcome, held: Quarantine, store: Path, actor: str) -> None:
    while held.displaced:
        entry = held.displaced.pop()
        outcome.displaced.append(entry)
        deeds.record(store, "quarantine take", deed_of(entry), actor)


def _settled(outcome: Outcome, held: Quarantine, store: Path, actor: str) -> Outcome:
    """Add what a crash before us had left, and record that."""
    outcome.recovered = held.recovered
    bodies = [{"id": r.id, "path": r.path, "outcome": r.outcome} for r in held.recovered if r.id]
    if bodies:
        deeds.record_all(store, "quarantine recover", bodies, actor)
    return outcome


def check_outcome(outcome: Outcome) -> None:
    """Raise what a command ends with, after its result was shown; nothing when all went well."""
    if len(outcome.refused) == 1 and not outcome.entries:
        raise outcome.refused[0].error
    if outcome.refused:
        raise PartFailedError(
            f"{len(outcome.refused)} of {len(outcome.refused) + len(outcome.entries)} were refused,"
            f" the first: {outcome.refused[0].reason}",
            hint=outcome.refused[0].hint,
        )
    if inexact := [e for e in outcome.entries if outcome.done and e.lacking]:
        raise PartFailedError(
            f"put back, but not exactly: {'; '.join(inexact[0].lacking)}",
            where=inexact[0].restored_to,
            hint="the owner and some attributes need root",
        )
    if outcome.faults:
        first = outcome.faults[0]
        raise StateError(
            f"{len(outcome.faults)} faults, the first: {first.reason}",
            where=first.file,
            hint="put the store back from a backup; what is whole can still be restored",
        )


# The JSON contract: schemas/quarantine.schema.json


def as_object(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain JSON values. Text is raw: whoever shows it must escape it."""
    return {
        "schema": SCHEMA_VERSION,
        "done": outcome.done,
        "entries": [entry_object(e) for e in outcome.entries],
        "displaced": [entry_object(e) for e in outcome.displaced],
        "refused": [{"path": r.path, "reason": r.reason, "hint": r.hint} for r in outcome.refused],
        "recovered": [
            {"id": r.id, "path": r.path, "outcome": r.outcome} for r in outcome.recovered
        ],
        "faults": [{"id": f.id, "file": f.file, "reason": f.reason} for f in outcome.faults],
    }


def entry_object(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain JSON values."""
    held = entry.attributes
    return {
        "id": entry.id,
        "state": entry.state,
        "path": entry.path,
        "sha256": entry.sha256,
        "size": entry.size,
        "rule": entry.rule,
        "family": entry.family,
        "definitions": entry.definitions,
        "reason": entry.reason,
        "taken": entry.taken.isoformat().replace("+00:00", "Z"),
        "changed": entry.changed.isoformat().replace("+00:00", "Z"),
        "restored_to": entry.restored_to,
        "lacking": list(entry.lacking),
        "attributes": {
            "kind": held.kind,
            "mode": f"{held.mode:04o}",
            "uid": held.uid,
            "gid": held.gid,
            "owner": held.owner,
            "group": held.group,
            "atime_ns": held.atime,
            "mtime_ns": held.mtime,
            "ctime_ns": held.ctime,
            "inode": held.inode,
            "device": held.device,
            "links": held.links,
            "xattrs": {name: value.hex() for name, value in sorted(held.xattrs.items())},
            "sddl": held.sddl,
            "unread": list(held.unread),
        },
    }


def row(entry: Entry) -> Mapping[str, Any]:
    """Return an entry as a line of a table; the short id is enough to name it."""
    return {
        "id": entry.id.rpartition("-")[2],
        "state": entry.state,
        "taken": entry.taken,
        "rule": entry.rule,
        "family": entry.family,
        "size": entry.size,
        "sha256": entry.sha256,
        "path": entry.path,
        "reason": entry.reason,
        "restored_to": entry.restored_to,
    }
