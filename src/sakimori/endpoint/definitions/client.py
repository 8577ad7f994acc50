"""Definitions on a machine: which are there, which are active, how old, and how newer ones come.

    STORE/definitions/root.json          the root that a person chose to trust
                      metadata/          what TUF has seen; guards against older metadata
                      versions/<version> complete, checked versions; manifest.json, rules/, hashes/, recipes/
                      active             the version in use
                      state.json         last look for newer ones, and versions a person set aside

A version is complete before it becomes active: a kill at any point leaves the one before.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from sakimori.endpoint.definitions.disk import write
from sakimori.endpoint.definitions.pack import HOLDS, Index, Part, parsed
from sakimori.errors import ConfigError, EngineError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuf.ngclient import FetcherInterface, Updater

_KEPT = 5  # versions on a machine


@dataclass(frozen=True, slots=True)
class Installed:
    """One version on this machine. `published` is when its publisher made it, in UTC."""

    version: str
    number: int
    published: datetime
    note: str
    folder: Path
    active: bool
    held: str  # why a person set it aside; "" otherwise

    def files(self, kind: str) -> tuple[Path, ...]:
        """Return the paths of its rules, hashes or recipes."""
        inside = self.folder / kind
        return tuple(
            sorted(f for f in inside.rglob("*") if f.suffix.lower() in HOLDS[kind] and f.is_file())
        )

    def age(self, now: datetime) -> float:
        """Return its age in days."""
        return (now - self.published).total_seconds() / 86400


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did. `new` is False when the newest was there already."""

    version: str
    new: bool
    ring: str
    files: int
    fetched: int  # files that had to be fetched
    reason: str = ""


# Trust


def trust(home: Path, root: bytes, *, replace: bool = False) -> tuple[str, ...]:
    """Trust a publisher's root; returns the ids of its keys, to be compared by another way.

    Raises SourceError when it is no root that its own keys signed, RefusedError when there is another
    one and `replace` is not set.
    """
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - slow to import
    from tuf.api.metadata import Metadata, Root  # noqa: PLC0415

    try:
        metadata: Metadata[Root] = Metadata.from_bytes(root)
        if not isinstance(metadata.signed, Root):
            raise SourceError("this is no root metadata")
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError, KeyError, AttributeError) as error:
        raise SourceError(f"no root that its own keys signed: {error}") from error
    there = home / "root.json"
    if there.exists() and there.read_bytes() != root:
        if not replace:
            raise RefusedError(
                "another root is trusted here",
                where=str(there),
                hint="compare the keys, then say --replace",
            )
        shutil.rmtree(home / "metadata", ignore_errors=True)  # of the other publisher
    write(there, root)
    return tuple(sorted(metadata.signed.roles["targets"].keyids))


# Looking


def installed(home: Path) -> list[Installed]:
    """Return the versions on this machine, newest first; what cannot be read is left out."""
    held = _state(home).get("held", {})
    current = _active_name(home)
    found = []
    for folder in sorted((home / "versions").glob("[0-9]*")) if home.is_dir() else []:
        try:
            index = parsed((folder / "manifest.json").read_bytes(), str(folder))
        except (OSError, SourceError):
            continue
        published = datetime.fromisoformat(index.published)
        found.append(
            Installed(
                version=index.version,
                number=index.number,
                published=published,
                note=index.note,
                folder=folder,
                active=folder.name == current,
                held=held.get(index.version, ""),
            )
        )
    return sorted(found, key=lambda v: v.number, reverse=True)


def active(home: Path) -> Installed | None:
    """Return the version in use, None when there is none."""
    return next((version for version in installed(home) if version.active), None)


def checked(home: Path) -> datetime | None:
    """Return when this machine last learned from its publisher what is newest."""
    text = _state(home).get("checked")
    return datetime.fromisoformat(text) if text else None


def damaged(version: Installed) -> list[str]:
    """Return the files of a version that are missing or not as published."""
    index = parsed((version.folder / "manifest.json").read_bytes(), str(version.folder))
    return [p.path for p in index.parts if not _same(version.folder / p.path, p)]


# Changing


def update(
    home: Path,
    source: FetcherInterface,
    ring: str,
    now: datetime,
    check: Callable[[Path], None] = lambda _: None,
) -> Updated:
    """Fetch what the ring has in force and make it active, after `check` accepted its folder.

    Raises RefusedError when the metadata is not signed by enough trusted keys, has expired, or is older
    than what this machine has seen; SourceError when it cannot be fetched. The active version is then
    as before.
    """
    updater = _updater(home, source)
    with _told():
        updater.refresh()
        target = updater.get_targetinfo(f"rings/{ring}.json")
        if target is None:
            raise SourceError(f"nothing is published for the ring {ring!r}")
        with tempfile.TemporaryDirectory(dir=home) as aside:
            file = f"{aside}/ring.json"
            updater.download_target(target, file)
            with open(file, "rb") as opened:  # noqa: PTH123 - TUF's paths are text
                index = parsed(opened.read(), f"ring {ring}")
    _remember(home, checked=now)
    return _install(home, updater, ring, index, check)


def _install(
    home: Path, updater: Updater, ring: str, index: Index, check: Callable[[Path], None]
) -> Updated:
    before = active(home)
    held = _state(home).get("held", {}).get(index.version)
    if held is not None:
        return Updated(index.version, False, ring, len(index.parts), 0, f"set aside: {held}")
    if before is not None and before.version == index.version and not damaged(before):
        return Updated(index.version, False, ring, len(index.parts), 0)
    if before is not None and before.number > index.number:
        reason = f"{before.version} is active and newer; to go back: sakimori rules rollback"
        return Updated(index.version, False, ring, len(index.parts), 0, reason)
    fetched = _complete(home, updater, index, check)
    write(home / "active", index.version.encode())
    _prune(home)
    return Updated(index.version, True, ring, len(index.parts), fetched)


def _complete(home: Path, updater: Updater, index: Index, check: Callable[[Path], None]) -> int:
    """Make a version's folder beside its place, check it, move it there. Returns files fetched."""
    place = home / "versions" / index.version
    aside = home / "versions" / f".{index.version}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    earlier = installed(home)
    fetched = 0
    try:
        for part in index.parts:
            into = aside / part.path
            into.parent.mkdir(parents=True, exist_ok=True)
            if not _from_earlier(earlier, part, into):
                _fetch(updater, part, into)
                fetched += 1
        write(aside / "manifest.json", index.dumped())
        check(aside)
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        aside.rename(place)
    except OSError as error:
        raise EngineError(
            f"cannot be written: {error.strerror}",
            where=str(aside),
            hint="check free space and permissions; the active definitions are as before",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return fetched


def _from_earlier(earlier: list[Installed], part: Part, into: Path) -> bool:
    for version in earlier:
        if _same(version.folder / part.path, part):
            shutil.copyfile(version.folder / part.path, into)
            return True
    return False


def _fetch(updater: Updater, part: Part, into: Path) -> None:
    with _told():
        target = updater.get_targetinfo(part.target)
        if target is None or target.hashes.get("sha256") != part.sha256:
            raise RefusedError(f"{part.path} is not among what its publisher signed")
        updater.download_target(target, str(into))


def rollback(home: Path, version: str, reason: str) -> Installed:
    """Make an earlier version active, and set the later ones aside so that no update brings them.

    `version` "" means the one before the active one. Newer versions than those set aside still come.
    Raises ConfigError when there is no such version, RefusedError when its files were altered.
    """
    there = installed(home)
    now_active = next((v for v in there if v.active), None)
    older = [v for v in there if now_active and v.number < now_active.number and not v.held]
    chosen = next((v for v in (there if version else older) if version in ("", v.version)), None)
    if chosen is None:
        raise ConfigError(
            f"no earlier version {version}".rstrip(), hint="see them: sakimori rules list"
        )
    if altered := damaged(chosen):
        raise RefusedError(f"{len(altered)} files of {chosen.version} are not as published")
    state = _state(home)
    held = dict(state.get("held", {}))
    held.pop(chosen.version, None)
    held |= {v.version: reason for v in there if v.number > chosen.number}
    write(home / "state.json", orjson.dumps(state | {"held": held}))
    write(home / "active", chosen.version.encode())
    return next(v for v in installed(home) if v.version == chosen.version)


def release(home: Path, version: str) -> None:
    """Let a version that was set aside come again. Raises ConfigError when it was not."""
    state = _state(home)
    held = dict(state.get("held", {}))
    if held.pop(version, None) is None:
        raise ConfigError(f"{version} is not set aside")
    write(home / "state.json", orjson.dumps(state | {"held": held}))


# Within


def _updater(home: Path, source: FetcherInterface) -> Updater:
    from tuf.ngclient import Updater  # noqa: PLC0415 - slow to import

    from sakimori.endpoint.definitions.sources import ROOT  # noqa: PLC0415

    root = home / "root.json"
    if not root.exists():
        raise ConfigError(
            "no publisher is trusted yet",
            where=str(home),
            hint="get its first root by a safe way, then: sakimori rules trust ROOT.json",
        )
    (home / "metadata").mkdir(parents=True, exist_ok=True)
    with _told():
        return Updater(
            metadata_dir=str(home / "metadata"),
            metadata_base_url=f"{ROOT}metadata/",
            target_base_url=f"{ROOT}targets/",
            fetcher=source,
            bootstrap=root.read_bytes(),
        )


@contextmanager
def _told() -> Iterator[None]:
    """Turn TUF's errors into ours: what is wrong, and what it may mean."""
    from tuf.api import exceptions as tuf  # noqa: PLC0415 - slow to import

    try:
        yield
    except tuf.ExpiredMetadataError as error:
        raise RefusedError(
            f"the definitions' metadata has expired: {error}",
            hint="the publisher stopped, or someone holds newer ones back; check this clock as well",
        ) from error
    except (tuf.BadVersionNumberError, tuf.EqualVersionNumberError) as error:
        raise RefusedError(
            f"older definitions than this machine has seen: {error}",
            hint="someone may be replaying old ones; ask the publisher",
        ) from error
    except tuf.UnsignedMetadataError as error:
        raise RefusedError(
            f"not signed by enough trusted keys: {error}", hint="ask the publisher"
        ) from error
    except tuf.DownloadLengthMismatchError as error:
        raise RefusedError(f"longer than was signed: {error}") from error
    except tuf.DownloadError as error:
        raise SourceError(
            f"cannot be fetched: {error}", hint="check the address and the network"
        ) from error
    except (tuf.RepositoryError, ValueError) as error:
        raise RefusedError(f"not what the publisher signed: {error}") from error


def _same(file: Path, part: Part) -> bool:
    try:
        return (
            file.stat().st_size == part.length
            and sha256(file.read_bytes()).hexdigest() == part.sha256
        )
    except OSError:
        return False


def _active_name(home: Path) -> str:
    try:
        return (home / "active").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _state(home: Path) -> dict[str, Any]:
    try:
        value = orjson.loads((home / "state.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _remember(home: Path, *, checked: datetime) -> None:
    write(
        home / "state.json",
        orjson.dumps(_state(home) | {"checked": f"{checked:%Y-%m-%dT%H:%M:%SZ}"}),
    )


def _prune(home: Path) -> None:
    for version in installed(home)[_KEPT:]:
        if not version.active:
            shutil.rmtree(version.folder, ignore_errors=True)
