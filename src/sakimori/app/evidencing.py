"""Evidence as a person or another part uses it: a case's chain, its key, the clock and the network.

kept = Evidence.of("rustock", workspace=Path("ws"), actor="a. analyst")
kept.record("plan", {"cuts": ["c2.example"]}, files=[Path("plan.json")])
kept.seal()
kept.export(Path("rustock.zip"))
"""

from __future__ import annotations

import contextlib
import getpass
import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori import __version__
from sakimori.app import stamping
from sakimori.errors import ConfigError, PartFailedError, SourceError, StateError
from sakimori.takedown.evidence import bundle, chain, check, custody, redaction, seal, stamp
from sakimori.takedown.evidence.record import Entry
from sakimori.takedown.evidence.walk import SELF_PROVING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sakimori.takedown.evidence.bundle import Exported
    from sakimori.takedown.evidence.custody import Transfer
    from sakimori.takedown.evidence.record import Object, Record
    from sakimori.takedown.evidence.redaction import Redaction
    from sakimori.takedown.evidence.report import Report
    from sakimori.takedown.evidence.seal import Key

SCHEMA_VERSION = "1"
TOOL = f"sakimori {__version__}"
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def user() -> str:
    """Return the name of who runs this, for records whose actor is not named."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One chain of evidence and who works on it.

    `folder` holds the chain, `keys` the private key. `clock` gives the time of records.
    """

    folder: Path
    keys: Path
    case: str = ""
    actor: str = field(default_factory=user)
    clock: Callable[[], datetime] = now

    @classmethod
    def of(
        cls, name: str, workspace: Path | None = None, *, actor: str = "", keys: Path | None = None
    ) -> Evidence:
        """Return the evidence of a case of a workspace, or that in a folder.

        A bare name is a case when there is a workspace, unless only a folder of that name exists.
        Raises ConfigError for a name that no case can have.
        """
        folder, home = Path(name), None
        if workspace and "/" not in name and name not in (".", ".."):
            inside = folder_of(workspace, name)
            if inside.is_dir() or not folder.is_dir():
                folder, home = inside, workspace / "keys"
        return cls(
            folder=folder,
            keys=keys or home or folder / "keys",
            case=name if home else folder.absolute().name,
            actor=actor or user(),
        )

    # Write

    def begin(self) -> bool:
        """Make key and chain where they are missing. Returns whether the chain is new."""
        key = self._key(make=True)
        made = chain.Chain.create(self.folder)
        if made.head().seq:
            return False
        body = {"what": "the chain begins", "case": self.case, "key": key.public.fingerprint}
        made.append(self._entry("note", body))
        return True

    def record(
        self,
        kind: str,
        body: Mapping[str, Any] | None = None,
        files: Sequence[Path] = (),
        *,
        copy: bool = True,
    ) -> Record:
        """Add one record, with files as its objects. Without `copy` files are named by hash only.

        Begins the chain when there is none. Raises SourceError when a file cannot be read, and
        StateError when the record cannot be written; the chain is then as it was.
        """
        opened = self._opened()
        objects = tuple(opened.keep(path, copy=copy) for path in files)
        return opened.append(self._entry(kind, body or {}, objects))

    def record_all(self, kind: str, bodies: Sequence[Mapping[str, Any]]) -> list[Record]:
        """Add many records of one kind with one write to the disk: all, or none when it fails."""
        opened = self._opened()
        return opened.extend([self._entry(kind, body) for body in bodies])

    def seal(self) -> Record:
        """Sign what is there. Raises SourceError when the key is missing."""
        return seal.seal_chain(
            chain.Chain(self.folder), self._key(), actor=self.actor, time=self.clock(), tool=TOOL
        )

    def stamp(self, authorities: Sequence[str], roots: Sequence[bytes] = ()) -> list[Record]:
        """Have the newest seal stamped by each authority; a failure is recorded as one.

        One stamp covers the seals before it. Returns nothing when none is waiting. Raises
        ConfigError for a malformed address or certificate, SourceError when nothing is sealed.
        """
        for url in authorities:
            stamping.check_address(url)
        stamp.certificates(roots)
        opened = chain.Chain(self.folder)
        waiting = stamp.pending(opened.records())
        if not waiting and not any(r.kind == "seal" for r in opened.records()):
            raise SourceError(
                "nothing is sealed, so there is nothing to stamp",
                where=str(self.folder),
                hint="sakimori evidence seal",
            )
        return [
            opened.append(self._stamped(waiting[-1], url, roots))
            for url in (authorities if waiting else ())
        ]

    def _stamped(self, sealed: Record, url: str, roots: Sequence[bytes]) -> Entry:
        signature = bytes.fromhex(sealed.body["signature"])
        question = stamp.ask(signature)
        try:
            data = stamping.send(url, question)
            answer = stamp.read(data, signature, roots, question.nonce)
        except SourceError as error:
            return stamp.not_stamped(sealed, url, str(error), self._entry("stamp", {}))
        said = {"authority": url}
        if roots:
            said["ca"] = "".join(r.decode() for r in roots)
        return stamp.stamped(sealed, answer, said, self._entry("stamp", {}))

    def hand_over(self, transfer: Transfer, receipt: Path | None = None) -> Record:
        """Record that evidence changed hands; a receipt may be kept as a file."""
        opened = self._opened()
        objects = (opened.keep(receipt),) if receipt else ()
        return opened.append(
            custody.transfer(
                transfer, actor=self.actor, time=self.clock(), tool=TOOL, objects=objects
            )
        )

    def replace_key(self) -> Record:
        """Make a new key, which the old one signs."""
        made, _key = seal.rotate(
            chain.Chain(self.folder), self.keys, actor=self.actor, time=self.clock(), tool=TOOL
        )
        return made

    # Read

    def records(self) -> list[Record]:
        """Return every record. Raises StateError at a damaged one."""
        return list(chain.Chain(self.folder).records())

    def export(
        self,
        out: Path,
        redactions: Sequence[Redaction] = (),
        lang: str = "en",
        *,
        source: Path | None = None,
    ) -> Exported:
        """Write a bundle, of the chain (what is not sealed is sealed first) or of `source`.

        `source` is a bundle: it is written again with more left out. Raises as `bundle.export`.
        """
        key = self._key()
        if out.exists():
            raise ConfigError("this is there already", where=str(out), hint="choose another name")
        if source is None and self._unsealed():
            self.seal()
        wanted = bundle.Wanted(
            key=key, actor=self.actor, time=self.clock(), tool=TOOL,
            case="" if source else self.case, lang=lang, redactions=tuple(redactions),
        )  # fmt: skip
        return bundle.export(source or self.folder, out, wanted)

    def _unsealed(self) -> bool:
        covered, last = 0, 0
        for made in chain.Chain(self.folder).records():
            if made.kind == "seal":
                covered = seal.statement_of(made.body).records
            elif made.kind not in SELF_PROVING:
                last = made.seq
        return last > covered

    def _opened(self) -> chain.Chain:
        if not (self.folder / chain.CHAIN).is_file():
            self.begin()
        return chain.Chain(self.folder)

    def _key(self, *, make: bool = False) -> Key:
        if make and not (self.keys / seal.PRIVATE).exists():
            with contextlib.suppress(StateError):  # another program made it just now
                return seal.make_key(self.keys)
        return seal.load_key(self.keys)

    def _entry(self, kind: str, body: Mapping[str, Any], objects: tuple[Object, ...] = ()) -> Entry:
        return Entry(
            kind=kind, actor=self.actor, time=self.clock(), tool=TOOL, body=body, objects=objects
        )


def folder_of(workspace: Path, case: str) -> Path:
    """Return where a case's evidence lies. Raises ConfigError for a name that no case can have."""
    if not _CASE.fullmatch(case):
        raise ConfigError(
            f"{case!r} is no name of a case", hint="letters, digits, dot, dash, underscore"
        )
    return workspace / "cases" / case / "evidence"


def redactions_of(parts: Sequence[str], reason: str) -> list[Redaction]:
    """Return what to leave out. Raises ConfigError when parts are named without a reason."""
    return [redaction.Redaction(part, reason) for part in parts]


def read_file(path: Path) -> bytes:
    """Return a small file's bytes: a key or certificate. Raises SourceError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"the file cannot be read: {error.strerror}", where=str(path), hint="check its path"
        ) from error


def verify(path: Path, keys: Sequence[Path] = (), roots: Sequence[Path] = ()) -> Report:
    """Verify a bundle or a chain's folder against public keys and authorities' certificates.

    Raises SourceError when the path or a key cannot be read at all; what is wrong with the
    evidence is in the report.
    """
    public = [seal.read_public(read_file(key), str(key)) for key in keys]
    certificates = [read_file(root) for root in roots]
    stamp.certificates(certificates)
    return check.verify(path, public, certificates)


def check_report(report: Report) -> None:
    """Raise StateError when something is wrong with the evidence."""
    if report.problems:
        raise StateError(
            f"the evidence does not hold: {len(report.problems)} problems, the first in"
            f" {report.problems[0].where}: {report.problems[0].message}",
            where=report.path,
            hint="ask for the bundle again, and compare its SHA-256 with the sender's",
        )


def check_stamped(records: Sequence[Record]) -> None:
    """Raise PartFailedError when an authority did not stamp; that is recorded already."""
    failed = [r for r in records if r.body["status"] != stamp.STAMPED]
    if failed:
        raise PartFailedError(
            f"not stamped: {failed[0].body['reason']}",
            where=str(failed[0].body["authority"]),
            hint="this is recorded; run the same command again later",
        )


def as_object(report: Report) -> dict[str, Any]:
    """Return a verification as plain JSON values; schema: evidence.schema.json."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(report)))  # tuples become lists
    return {"schema": SCHEMA_VERSION, "ok": report.ok, **plain}
