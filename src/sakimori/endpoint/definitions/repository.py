"""A publisher's repository: metadata/ and targets/ in a folder that any web server can serve.

What lacks signatures waits in staged/ and is not served as current until enough people have signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.definitions import RINGS
from sakimori.endpoint.definitions.disk import write
from sakimori.endpoint.definitions.pack import Index, Part, gather, parsed
from sakimori.errors import ConfigError, RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, Root, Targets

DAYS = {"root": 365, "targets": 90, "snapshot": 30, "timestamp": 7}  # until metadata expires
_KEPT = 5  # versions whose files stay in the repository


@dataclass(frozen=True, slots=True)
class Standing:
    """How a repository stands. `missing`: signatures that the staged change still needs."""

    rings: dict[str, Index | None]
    expires: dict[str, datetime]
    threshold: int
    keys: tuple[str, ...]
    staged: str
    missing: int


class Repository:
    """A repository in a folder. Times are aware, in UTC."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self._metadata = folder / "metadata"
        self._targets = folder / "targets"
        self._staged = folder / "staged"

    # Making

    def create(
        self, people: Sequence[CryptoSigner], threshold: int, online: CryptoSigner, now: datetime
    ) -> bytes:
        """Begin a repository; returns the root that clients must trust.

        Raises ConfigError for a threshold that cannot be met, RefusedError when there is one here.
        """
        from tuf.api.metadata import Metadata, Root, Targets  # noqa: PLC0415 - slow to import

        ids = {signer.public_key.keyid for signer in people}
        if not 1 <= threshold <= len(ids):
            raise ConfigError(f"a threshold of {threshold} with {len(ids)} keys")
        if online.public_key.keyid in ids:
            raise ConfigError("the online key must not be a person's key", hint="make one more key")
        if self._metadata.exists():
            raise RefusedError("there is a repository here", where=str(self.folder))
        root = Metadata(Root(version=1, expires=_until(now, "root"), consistent_snapshot=True))
        _entrust(root.signed, people, threshold)
        for role in ("snapshot", "timestamp"):
            root.signed.add_key(online.public_key, role)
        targets = Metadata(Targets(version=1, expires=_until(now, "targets")))
        for signer in people:
            root.sign(signer, append=True)
            targets.sign(signer, append=True)
        write(self._metadata / "1.root.json", root.to_bytes())
        write(self._metadata / "1.targets.json", targets.to_bytes())
        self._renew(online, now)
        return root.to_bytes()

    # Changing

    def publish(
        self, pack: Path, signers: Sequence[CryptoSigner], online: CryptoSigner, now: datetime,
        note: str = "",
    ) -> Standing:  # fmt: skip
        """Stage a pack for the canary ring, sign it, and put it in force when enough have signed.

        Raises SourceError for a pack that cannot be published.
        """
        found = gather(pack)
        canary = self.ring("canary")
        everyone = self.ring("all")
        number = 1 + max(i.number if i else 0 for i in (canary, everyone))
        index = Index(number, f"{now:%Y-%m-%dT%H:%M:%SZ}", note, tuple(p for p, _ in found))
        for part, file in found:
            where = self._targets / part.target.rpartition("/")[0]
            write(where / f"{part.sha256}.{part.sha256}", file.read_bytes())
        return self._stage("canary", index, signers, online, now)

    def promote(
        self, signers: Sequence[CryptoSigner], online: CryptoSigner, now: datetime,
        after: timedelta = timedelta(hours=24),
    ) -> Standing:  # fmt: skip
        """Give all what the canary ring has. Raises RefusedError before `after` has passed."""
        canary = self.ring("canary")
        if canary is None:
            raise RefusedError("nothing was published to the canary ring", where=str(self.folder))
        since = now - datetime.fromisoformat(canary.published)
        if since < after:
            raise RefusedError(
                f"{canary.version} is in the canary ring for {_hours(since)} only",
                hint=f"wait until {_hours(after)} have passed, or say --after 0",
            )
        return self._stage("all", canary, signers, online, now)

    def sign(
        self, signers: Sequence[CryptoSigner], online: CryptoSigner, now: datetime
    ) -> Standing:
        """Add signatures to what is staged. Raises RefusedError when nothing is."""
        from tuf.api.metadata import Metadata  # noqa: PLC0415 - slow to import

        waiting = self._staged / "targets.json"
        if not waiting.exists():
            raise RefusedError("nothing waits for a signature", where=str(self.folder))
        staged = Metadata.from_bytes(waiting.read_bytes())
        self._check_signers(signers)
        for signer in signers:
            staged.sign(signer, append=True)
        write(waiting, staged.to_bytes())
        self._in_force(online, now)
        return self.standing()

    def refresh(self, online: CryptoSigner, now: datetime) -> Standing:
        """Sign snapshot and timestamp anew, so that clients know that nothing newer is held back."""
        self._renew(online, now)
        return self.standing()

    def rotate(
        self, signers: Sequence[CryptoSigner], people: Sequence[CryptoSigner], threshold: int,
        online: CryptoSigner, now: datetime,
    ) -> bytes:  # fmt: skip
        """Replace the people's keys: the new root is signed by enough old and enough new keys.

        `signers` are old keys, `people` all keys that shall count from now on. The newest targets are
        signed again by the new keys. Raises RefusedError when too few signed.
        """
        from tuf.api.metadata import Metadata  # noqa: PLC0415 - slow to import

        if not 1 <= threshold <= len({p.public_key.keyid for p in people}):
            raise ConfigError(f"a threshold of {threshold} with {len(people)} keys")
        old = self._root()
        root: Metadata[Root] = Metadata.from_bytes(old.to_bytes())
        root.signed.version += 1
        root.signed.expires = _until(now, "root")
        for role in ("root", "targets"):
            for keyid in list(root.signed.roles[role].keyids):
                root.signed.revoke_key(keyid, role)
        _entrust(root.signed, people, threshold)
        root.signatures.clear()
        for signer in {s.public_key.keyid: s for s in (*signers, *people)}.values():
            root.sign(signer, append=True)
        missing = _missing(old.signed, "root", root) + _missing(root.signed, "root", root)
        if missing:
            raise RefusedError(f"{missing} more signatures are needed to replace the keys")
        targets = self._newest("targets")
        targets.signed.version += 1
        targets.signatures.clear()
        for signer in people:
            targets.sign(signer, append=True)
        write(self._metadata / f"{targets.signed.version}.targets.json", targets.to_bytes())
        write(self._metadata / f"{root.signed.version}.root.json", root.to_bytes())
        self._renew(online, now)
        return root.to_bytes()

    # Looking

    def ring(self, ring: str) -> Index | None:
        """Return what a ring has in force, None: nothing yet."""
        return self._ring_of(self._newest("targets").signed, ring)

    def standing(self) -> Standing:
        """Return how the repository stands."""
        from tuf.api.metadata import Metadata  # noqa: PLC0415 - slow to import

        root = self._root().signed
        waiting, missing, staged = self._staged / "targets.json", 0, ""
        if waiting.exists():
            change = Metadata.from_bytes(waiting.read_bytes())
            missing = _missing(root, "targets", change)
            staged = (self._staged / "what").read_text("utf-8")
        newest = {
            "root": root,
            **{role: self._newest(role).signed for role in ("targets", "snapshot", "timestamp")},
        }
        return Standing(
            rings={ring: self.ring(ring) for ring in RINGS},
            expires={role: signed.expires for role, signed in newest.items()},
            threshold=root.roles["targets"].threshold,
            keys=tuple(sorted(root.roles["targets"].keyids)),
            staged=staged,
            missing=missing,
        )

    # Within

    def _stage(
        self, ring: str, index: Index, signers: Sequence[CryptoSigner], online: CryptoSigner,
        now: datetime,
    ) -> Standing:  # fmt: skip
        """Write the next targets metadata aside: its ring's index, and the files of kept versions."""
        from tuf.api.metadata import Metadata, TargetFile, Targets  # noqa: PLC0415 - slow to import

        if (self._staged / "targets.json").exists():
            raise RefusedError(
                f"{(self._staged / 'what').read_text('utf-8')} waits for signatures",
                where=str(self.folder),
                hint="sign it: sakimori rules sign; or remove the folder staged",
            )
        self._check_signers(signers)
        current = self._newest("targets")
        change = Targets(version=current.signed.version + 1, expires=_until(now, "targets"))
        indexes = {r: self._ring_of(current.signed, r) for r in RINGS} | {ring: index}
        for name, kept in indexes.items():
            if kept is not None:
                data = kept.dumped()
                target = TargetFile.from_data(f"rings/{name}.json", data)
                change.targets[target.path] = target
                write(self._targets / "rings" / f"{_only(target)}.{name}.json", data)
                change.targets |= {p.target: _target(p) for p in kept.parts}
        staged: Metadata[Targets] = Metadata(change)
        for signer in signers:
            staged.sign(signer, append=True)
        write(self._staged / "what", f"{index.version} for {ring}".encode())
        write(self._staged / "targets.json", staged.to_bytes())
        self._in_force(online, now)
        return self.standing()

    def _in_force(self, online: CryptoSigner, now: datetime) -> None:
        """Serve what is staged when enough people have signed it."""
        from tuf.api.metadata import Metadata  # noqa: PLC0415 - slow to import

        waiting = self._staged / "targets.json"
        staged = Metadata.from_bytes(waiting.read_bytes())
        if _missing(self._root().signed, "targets", staged):
            return
        version = staged.signed.version
        write(self._metadata / f"{version}.targets.json", staged.to_bytes())
        self._renew(online, now)
        waiting.unlink()
        (self._staged / "what").unlink(missing_ok=True)
        self._tidy()

    def _renew(self, online: CryptoSigner, now: datetime) -> None:
        from tuf.api.metadata import (  # noqa: PLC0415 - slow to import
            Metadata,
            MetaFile,
            Snapshot,
            Timestamp,
        )

        number = max(self._numbers("snapshot"), default=0) + 1
        targets = max(self._numbers("targets"))
        snapshot = Metadata(
            Snapshot(
                version=number,
                expires=_until(now, "snapshot"),
                meta={"targets.json": MetaFile(version=targets)},
            )
        )
        snapshot.sign(online)
        timestamp = Metadata(
            Timestamp(
                version=number,
                expires=_until(now, "timestamp"),
                snapshot_meta=MetaFile(version=number),
            )
        )
        timestamp.sign(online)
        if _missing(self._root().signed, "timestamp", timestamp):
            raise RefusedError("this online key is not the repository's", where=str(self.folder))
        write(self._metadata / f"{number}.snapshot.json", snapshot.to_bytes())
        write(self._metadata / "timestamp.json", timestamp.to_bytes())

    def _tidy(self) -> None:
        """Drop files that none of the last versions of the metadata names."""
        from tuf.api.metadata import Metadata  # noqa: PLC0415 - slow to import

        named: set[str] = set()
        for number in sorted(self._numbers("targets"))[-_KEPT:]:
            text = (self._metadata / f"{number}.targets.json").read_bytes()
            change: Metadata[Targets] = Metadata.from_bytes(text)
            for target in change.signed.targets.values():
                named.update(target.get_prefixed_paths())
        for file in self._targets.rglob("*"):
            if file.is_file() and file.relative_to(self._targets).as_posix() not in named:
                file.unlink()

    def _ring_of(self, targets: Targets, ring: str) -> Index | None:
        target = targets.targets.get(f"rings/{ring}.json")
        if target is None:
            return None
        file = self._targets / "rings" / f"{_only(target)}.{ring}.json"
        return parsed(_bytes(file), str(file))

    def _check_signers(self, signers: Sequence[CryptoSigner]) -> None:
        known = self._root().signed.roles["targets"].keyids
        for signer in signers:
            if signer.public_key.keyid not in known:
                raise RefusedError(f"key {signer.public_key.keyid[:16]} is not of this repository")

    def _root(self) -> Metadata[Root]:
        return self._newest("root")

    def _newest(self, role: str) -> Metadata[Any]:
        from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - slow to import
        from tuf.api.metadata import Metadata  # noqa: PLC0415

        numbers = [0] if role == "timestamp" else self._numbers(role)
        if not numbers:
            raise SourceError(
                "no repository of definitions",
                where=str(self.folder),
                hint="begin one: sakimori rules init",
            )
        name = "timestamp.json" if role == "timestamp" else f"{max(numbers)}.{role}.json"
        file = self._metadata / name
        try:
            return Metadata.from_bytes(_bytes(file))
        except (RepositoryError, ValueError) as error:
            raise SourceError(f"no metadata: {error}", where=str(file)) from error

    def _numbers(self, role: str) -> list[int]:
        names = (file.name.split(".") for file in self._metadata.glob(f"*.{role}.json"))
        return [int(name[0]) for name in names if name[0].isdecimal()]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(file)) from error


def _entrust(root: Root, people: Sequence[CryptoSigner], threshold: int) -> None:
    for role in ("root", "targets"):
        for signer in people:
            root.add_key(signer.public_key, role)
        root.roles[role].threshold = threshold


def _missing(root: Root, role: str, change: Metadata[Any]) -> int:
    result = root.get_verification_result(role, change.signed_bytes, change.signatures)
    return max(0, result.threshold - len(result.signed))


def _target(part: Part) -> Any:
    from tuf.api.metadata import TargetFile  # noqa: PLC0415 - slow to import

    return TargetFile(length=part.length, hashes={"sha256": part.sha256}, path=part.target)


def _only(target: Any) -> str:
    return str(next(iter(target.hashes.values())))


def _until(now: datetime, role: str) -> datetime:
    return (now + timedelta(days=DAYS[role])).replace(microsecond=0)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} hours"
