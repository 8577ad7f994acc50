"""`verify-update`: two snapshots, manifests and logs in; who changed what, and a statement, out."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sakimori.app.family_facts import facts_of, load_facts, shipped_facts
from sakimori.app.recipe_shelf import shelf
from sakimori.endpoint.snapshot import compare, read_snapshot
from sakimori.endpoint.verify import words
from sakimori.endpoint.verify.actions import read_actions
from sakimori.endpoint.verify.attribute import Material
from sakimori.endpoint.verify.manifests import read_manifest
from sakimori.endpoint.verify.manifests._source import Source
from sakimori.endpoint.verify.names import file_key
from sakimori.endpoint.verify.notes import OBJECT_WORDS
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.result import verify
from sakimori.endpoint.verify.statement import statement
from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.snapshot import Snapshot
    from sakimori.endpoint.snapshot.diff import NotCompared
    from sakimori.endpoint.verify.actions._record import Action
    from sakimori.endpoint.verify.families import FamilyFacts
    from sakimori.endpoint.verify.model import Aside, Manifest
    from sakimori.endpoint.verify.result import Account, Verification
    from sakimori.i18n import Translator

COLUMNS = ("attributed_to", "by", "object", "key", "name", "layers", "evidence")
_LARGEST = 1024**3  # bytes of a manifest or log
_LARGEST_FILE = 256 * 1024**2  # bytes of a file that is read for another digest
_WATCHED = "\\MICROSOFT\\WINDOWS NT\\CURRENTVERSION\\WINLOGON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What to compare. `zone` is of times that carry none; `root` where the second snapshot's files lie.

    `store` is the machine's: recipes of its active definitions count beside those that ship.
    """

    before: Path
    after: Path
    updates: Sequence[Path] = ()
    logs: Sequence[Path] = ()
    actions: Sequence[Path] = ()
    recipes: Sequence[Path] = ()
    zone: str = "UTC"
    root: Path | None = None
    store: Path | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The verification, with what there is to remark about its inputs."""

    found: Verification
    a: Snapshot
    b: Snapshot
    not_compared: tuple[NotCompared, ...]
    aside: tuple[Aside, ...]


def run(inputs: Inputs) -> Told:
    """Read everything, compare, attribute. Raises SourceError naming the file that cannot be used."""
    if not inputs.updates and not inputs.logs:
        raise ConfigError(
            "no manifest is given",
            hint="add --update MANIFEST, or --log FILE for an installer's log",
        )
    zone = _zone(inputs.zone)
    updates = [read_manifest(_source(path, zone)) for path in inputs.updates]
    installers = [read_manifest(_source(path, zone)) for path in inputs.logs]
    actions, aside = _actions(inputs.actions, zone)
    a, b = read_snapshot(inputs.before), read_snapshot(inputs.after)
    difference = compare(a, b)
    changes = difference.changes
    material = Material(
        updates=updates, installers=installers, families=_families(inputs), actions=actions,
        span=(_taken(a), _taken(b)), extra=_digests(changes, [*updates, *installers], inputs.root, b),
    )  # fmt: skip
    names = (_named(inputs.before, a), _named(inputs.after, b))
    found = verify(changes, material, names, _untouched(changes, a, b))
    return Told(found, a, b, difference.not_compared, tuple(aside))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"no time zone is named {name!r}", hint='such as "Asia/Tokyo"') from error


def _source(path: Path, zone: ZoneInfo) -> Source:
    try:
        if path.is_dir():
            raise SourceError("this is a folder", where=str(path), hint="name the file in it")
        if path.stat().st_size > _LARGEST:
            raise SourceError("larger than 1 GiB", where=str(path))
        return Source(path, _unpacked(path.read_bytes(), path), zone)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(reason, where=str(path), hint="check the path") from error


def _unpacked(data: bytes, path: Path) -> bytes:
    """Return a log that logrotate packed (gzip) as it was; other files stay."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(data, _LARGEST)
    except zlib.error as error:
        raise SourceError(f"gzip is damaged: {error}", where=str(path)) from error
    if not unpacker.eof:
        raise SourceError("cut short, or larger than 1 GiB when unpacked", where=str(path))
    return whole


def _actions(paths: Sequence[Path], zone: ZoneInfo) -> tuple[list[Action], list[Aside]]:
    actions: list[Action] = []
    aside: list[Aside] = []
    for path in paths:
        more, worse = read_actions(_source(path, zone))
        actions += more
        aside += worse
    return actions, aside


def _families(inputs: Inputs) -> list[FamilyFacts]:
    """Return what recipes know: those named, then those at hand. Nothing of a recipe is acted on here."""
    if inputs.store is None:
        return [*load_facts(inputs.recipes), *shipped_facts()]
    return [*load_facts(inputs.recipes), *facts_of(one.recipe for one in shelf(inputs.store))]


def _taken(snapshot: Snapshot) -> datetime | None:
    try:
        found = datetime.fromisoformat(snapshot.header.taken)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _named(path: Path, snapshot: Snapshot) -> str:
    taken = _taken(snapshot)
    return f"{path.name} ({taken:%Y-%m-%d %H:%M:%SZ})" if taken else path.name


def _digests(
    changes: Sequence[Change], manifests: Sequence[Manifest], root: Path | None, b: Snapshot
) -> dict[int, Mapping[str, Any]]:
    """Return MD5 and SHA-1 of changed files, where a manifest has only these.

    A snapshot holds SHA-256. Where the file on disk still has that SHA-256 it is the same file, so its
    other digests may be used.
    """
    wanted = {
        file_key(c.path) for m in manifests for c in m.files
        if c.hashes and not {"sha256", "sha512"} & set(c.hashes)
    }  # fmt: skip
    asked = b.header.asked.get("root")
    folder = root or Path(asked if isinstance(asked, str) and asked else "/")
    found: dict[int, Mapping[str, Any]] = {}
    for number, change in enumerate(changes):
        known = (change.after or {}).get("sha256")
        if change.object == "file" and known and file_key(change.key) in wanted:
            digests = _of_file(folder / change.key.lstrip("/"), str(known))
            found.update({number: digests} if digests else {})
    return found


def _of_file(path: Path, sha256: str) -> dict[str, str]:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return {}
        data = path.read_bytes()
    except (OSError, ValueError):
        return {}
    if hashlib.sha256(data).hexdigest() != sha256.lower():
        return {}
    return {
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    }


def _untouched(changes: Sequence[Change], a: Snapshot, b: Snapshot) -> list[str]:
    """Return Winlogon's key where both snapshots hold it and nothing in it changed."""
    touched = {registry_key(c.key) for c in changes if c.object == "registry"}
    kept = {k: v for k, v in _winlogon(a).items() if k in _winlogon(b) and k not in touched}
    return list(kept.values())


def _winlogon(snapshot: Snapshot) -> dict[str, str]:
    if snapshot.scope("registry") is None:
        return {}
    found: dict[str, str] = {}
    for record in snapshot.records():
        if record.object == "registry" and record.name is None:
            key = registry_key(record.key)
            if key.endswith(_WATCHED) and "WOW6432NODE" not in key:
                found[key] = record.key
    return found


def as_object(told: Told, say: Translator) -> dict[str, Any]:
    """Return the result as plain JSON values; see verify-update.schema.json. Text is raw."""
    found = told.found
    return {
        "changes": rows(told, say),
        "conclusion": {
            "changed_by_update": found.count("update"),
            "not_by_update": found.count("installer", "family", "person"),
            "unknown": found.count("unknown"),
            "statement": in_words(told, say),
            "updates": [_account(account) for account in found.accounts],
            "installers": [_manifest(m) for m in found.installers],
            "not_compared": list(remarks(told, say)),
        },
    }


def rows(told: Told, say: Translator) -> list[dict[str, Any]]:
    """Return one row a change."""
    pairs = zip(told.found.changes, told.found.attributions, strict=True)
    return [
        {
            "object": change.object,
            "key": change.key,
            "name": change.name,
            "layers": list(change.layers),
            "before": change.before,
            "after": change.after,
            "attributed_to": one.to,
            "by": one.by,
            "evidence": words.evidence(one, say),
            "where": list(dict.fromkeys(note.where for note in one.notes if note.where)),
        }
        for change, one in pairs
    ]


def _account(account: Account) -> dict[str, Any]:
    sides = {
        "could": account.could, "differs": account.differs, "could_not": account.could_not,
        "does_not_declare": account.silent,
    }  # fmt: skip
    return {
        **_manifest(account.manifest),
        **{name: len(numbers) for name, numbers in sides.items()},
        "changes": {name: list(numbers) for name, numbers in sides.items()},
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "source": manifest.source,
        "format": manifest.format,
        "declares": {
            "files": len(manifest.files),
            "registry": len(manifest.registry),
            "permissions": sum(bool(claim.security) for claim in manifest.registry),
            "objects": len(manifest.objects),
        },
        "can_declare": sorted(manifest.declares),
        "complete": sorted(manifest.complete),
        "rejected": [{"where": a.where, "reason": a.reason} for a in manifest.aside],
    }


def in_words(told: Told, say: Translator) -> str:
    """Return the statement."""
    return statement(told.found, say, remarks(told, say))


def remarks(told: Told, say: Translator) -> Iterator[str]:
    """Give what was not compared, and what is odd about the inputs."""
    first, second = _taken(told.a), _taken(told.b)
    if first and second and first > second:
        yield say.tr("The first snapshot is the younger one: was the order meant?")
    for snapshot, path in zip((told.a, told.b), told.found.names, strict=True):
        for scope in snapshot.scopes:
            if scope.reason:
                yield say.tr("Not taken in {path}: {kind} ({reason}).", path=path,
                             kind=say.tr(OBJECT_WORDS[scope.object]), reason=scope.reason)  # fmt: skip
        if snapshot.gaps:
            yield say.tr("Objects that could not be read when {path} was taken, and were not compared: {count}.",
                         count=len(snapshot.gaps), path=path)  # fmt: skip
    for one in told.not_compared:
        yield say.tr("Not compared, because only one of the snapshots looked there: {kind}: {count}.",
                     kind=say.tr(OBJECT_WORDS[one.object]), count=one.records)  # fmt: skip
    if told.aside:
        yield say.tr("Lines of the logs of actions that were left out, for they are unreadable, untimed or"
                     " no person's: {count}.", count=len(told.aside))  # fmt: skip
