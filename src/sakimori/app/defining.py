"""Definitions as a person uses them: publish, fetch, list, go back, carry by hand."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.definitions import client
from sakimori.endpoint.definitions.repository import Repository
from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from tuf.ngclient import FetcherInterface

    from sakimori.config import Settings
    from sakimori.endpoint.definitions.repository import Standing

OLD = 7.0  # days after which definitions are called old


def home_of(settings: Settings) -> Path:
    """Return the folder of a machine's definitions."""
    from sakimori.config import store_of  # noqa: PLC0415 - settings are read where they are needed

    return store_of(settings.machine) / "definitions"


def source_of(text: str) -> FetcherInterface:
    """Return where definitions come from: https://..., a folder or a zip file. Raises ConfigError."""
    from sakimori.endpoint.definitions import sources  # noqa: PLC0415 - slow to import

    if not text:
        raise ConfigError(
            "no source of definitions is named",
            hint="say --from, or set [machine] definitions in sakimori.toml",
        )
    if "://" in text:
        return sources.Web(text)
    path = Path(text).expanduser()
    return sources.Folder(path) if path.is_dir() else sources.Zip(path)


def update(home: Path, source: str, ring: str, now: datetime) -> client.Updated:
    """Fetch newer definitions; they become active when they pass `check_pack`."""
    home.mkdir(parents=True, exist_ok=True)
    return client.update(home, source_of(source), ring, now, check_pack)


def check_pack(folder: Path) -> None:
    """Raise SourceError for a pack that would not work: nothing unchecked is published or used.

    All rules and hash sets must load, all recipes must be right. What is read is not kept.
    """
    from sakimori.endpoint.recipes import load as load_recipe  # noqa: PLC0415 - slow to import
    from sakimori.endpoint.scan import load as load_rules  # noqa: PLC0415

    there = [folder / kind for kind in ("rules", "hashes") if (folder / kind).is_dir()]
    rules = [path for path in there if path.name == "rules"]
    hashes = [path for path in there if path.name == "hashes"]
    if warnings := load_rules(rules, hashes, builtin=False).warnings if there else ():
        raise SourceError(
            f"{len(warnings)} faults in the pack; the first: {warnings[0]}", where=str(folder)
        )
    for recipe in sorted((folder / "recipes").rglob("*.y*ml")):
        load_recipe(recipe)


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of a publisher's act: files of people's keys, the online key, and its passphrase."""

    people: Sequence[Path]
    online: Path
    passphrase: bytes = b""


def begin(folder: Path, keys: Signers, threshold: int, now: datetime) -> Path:
    """Begin a repository. Returns the file of the root that clients must trust."""
    people, online = _signers(keys)
    Repository(folder).create(people, threshold, online, now)
    return folder / "metadata" / "1.root.json"


def publish(folder: Path, pack: Path, keys: Signers, now: datetime, note: str = "") -> Standing:
    """Publish a pack to the canary ring. Raises SourceError when it would not work."""
    check_pack(pack)
    people, online = _signers(keys)
    return Repository(folder).publish(pack, people, online, now, note)


def promote(folder: Path, keys: Signers, now: datetime, after: timedelta) -> Standing:
    """Give all what the canary ring has had for `after`."""
    people, online = _signers(keys)
    return Repository(folder).promote(people, online, now, after)


def sign(folder: Path, keys: Signers, now: datetime) -> Standing:
    """Add signatures to what is staged."""
    people, online = _signers(keys)
    return Repository(folder).sign(people, online, now)


def refresh(folder: Path, online: Path, now: datetime, passphrase: bytes = b"") -> Standing:
    """Sign anew that nothing newer is held back."""
    from sakimori.endpoint.definitions.keys import load_key  # noqa: PLC0415 - slow to import

    return Repository(folder).refresh(load_key(online, passphrase), now)


def rotate(
    folder: Path, keys: Signers, new: Sequence[Path], threshold: int, now: datetime
) -> Standing:
    """Replace the people's keys by `new`; `keys.people` are old ones that agree."""
    from sakimori.endpoint.definitions.keys import load_key  # noqa: PLC0415 - slow to import

    people, online = _signers(keys)
    them = [load_key(path, keys.passphrase) for path in new]
    Repository(folder).rotate(people, them, threshold, online, now)
    return standing(folder)


def _signers(keys: Signers) -> tuple[list[Any], Any]:
    from sakimori.endpoint.definitions.keys import load_key  # noqa: PLC0415 - slow to import

    return (
        [load_key(path, keys.passphrase) for path in keys.people],
        load_key(keys.online, keys.passphrase),
    )


def carry(home: Path, source: str, ring: str, out: Path, now: datetime) -> client.Updated:
    """Write all that an update needs into one zip file, for a machine without a network.

    What is written has passed the same checks as an update here. Raises like `update`.
    """
    from sakimori.endpoint.definitions import sources  # noqa: PLC0415 - slow to import

    trusted = home / "root.json"
    if not trusted.exists():
        raise ConfigError("no publisher is trusted yet", hint="sakimori rules trust ROOT.json")
    aside = out.with_name(f".{out.name}.new")
    try:
        with (
            tempfile.TemporaryDirectory() as empty,
            zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as file,
        ):
            recording = sources.Recording(source_of(source), file)
            _roots(recording)
            away = Path(empty)
            client.trust(away, trusted.read_bytes())
            done = client.update(away, recording, ring, now, check_pack)
        aside.replace(out)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be written", where=str(out)) from error
    finally:
        aside.unlink(missing_ok=True)
    return done


def _roots(source: FetcherInterface) -> None:
    """Take every root along: the other machine may trust an older one than we do."""
    from tuf.api.exceptions import DownloadHTTPError  # noqa: PLC0415 - slow to import

    from sakimori.endpoint.definitions.sources import ROOT  # noqa: PLC0415

    for number in range(1, 257):
        try:
            source.download_bytes(f"{ROOT}metadata/{number}.root.json", 512_000)
        except DownloadHTTPError:
            return


def listed(home: Path, now: datetime) -> dict[str, Any]:
    """Return what `rules list` shows: versions, the age of the active one, the last look."""
    looked = client.checked(home)
    versions = client.installed(home)
    current = next((v for v in versions if v.active), None)
    return {
        "active": current.version if current else None,
        "age_days": round(current.age(now), 2) if current else None,
        "old": current is None or current.age(now) > OLD,
        "checked": looked,
        "versions": [
            {
                "version": v.version,
                "published": v.published,
                "active": v.active,
                "held": v.held,
                "rules": len(v.files("rules")),
                "hashes": len(v.files("hashes")),
                "recipes": len(v.files("recipes")),
                "damaged": len(client.damaged(v)),
                "note": v.note,
            }
            for v in versions
        ],
    }


def standing(folder: Path) -> Standing:
    """Return how a repository stands."""
    return Repository(folder).standing()


def told(stands: Standing) -> dict[str, Any]:
    """Return a repository's standing as plain values."""
    return {
        "rings": {ring: i.version if i else None for ring, i in stands.rings.items()},
        "expires": stands.expires,
        "threshold": stands.threshold,
        "keys": list(stands.keys),
        "staged": stands.staged or None,
        "signatures_missing": stands.missing,
    }


def secret(file: Path | None) -> bytes:
    """Return the first line of a passphrase's file, b"" without one. Raises SourceError."""
    if file is None:
        return b""
    try:
        return file.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(file)) from error
