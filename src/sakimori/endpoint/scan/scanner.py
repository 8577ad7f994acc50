"""Look at one file or one piece of data: hashes first, then rules, then what is inside it."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.hits import Hit, Trouble
from sakimori.endpoint.scan import _open
from sakimori.endpoint.scan._names import told
from sakimori.endpoint.unpack import Limits, Problem, unpack
from sakimori.endpoint.unpack._kind import TAIL, kind_of
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import yara_x

    from sakimori.endpoint.scan._hashes import Known
    from sakimori.endpoint.scan._rules import Origin, Pack
    from sakimori.endpoint.scan.definitions import Definitions

_IN_MEMORY = 32 * 1024 * 1024  # bytes; a larger file is mapped by YARA-X instead of read
_CHUNK = 1024 * 1024
_HEAD = 64 * 1024  # bytes by which a container is told
LARGEST = 1024 * 1024 * 1024  # bytes of a file, unless settings say otherwise
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How far a scan goes. `seconds` bound one file with what is inside it."""

    largest: int = LARGEST  # bytes of a file; larger ones are reported
    seconds: int = SECONDS
    unpacking: bool = True
    follow: bool = False  # open a path that is a symbolic link
    limits: Limits = field(default_factory=Limits)
    passwords: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Text that differs whenever results may differ."""
        return repr((self.largest, self.seconds, self.unpacking, self.limits, self.passwords))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came of one file. `sha256` is "" where nothing asked for it; `bytes` were looked at.

    `lasting`: the same file would give the same again, so that it may be remembered. `state` is the
    file's (device, inode, size, mtime ns, ctime ns) while it was read.
    """

    path: str
    size: int = 0
    sha256: str = ""
    hits: tuple[Hit, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    bytes: int = 0
    lasting: bool = True
    state: tuple[int, int, int, int, int] | None = None


def state_of(told_: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return what tells whether a file is the same as before."""
    return (told_.st_dev, told_.st_ino, told_.st_size, told_.st_mtime_ns, told_.st_ctime_ns)


@dataclass(slots=True)
class _Look:
    """A look under way."""

    path: str
    hits: list[Hit] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    bytes: int = 0
    lasting: bool = True
    sha256: str = ""
    owner: int | None = None
    begun: float = field(default_factory=time.monotonic)

    def trouble(self, reason: str, member: str | None = None, *, lasting: bool = True) -> None:
        """Note what could not be looked at."""
        self.troubles.append(Trouble(path=self.path, reason=reason, member=member))
        self.lasting &= lasting


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file or member to be matched: in memory, or (`data` None) an open file.

    `head`: at least the first 64 KiB; the data itself where it is in memory, so that nothing is copied.
    """

    name: str
    head: bytes
    size: int
    data: bytes | None
    opened: int = -1
    member: str | None = None

    def digest(self, algorithm: str) -> bytes:
        """Return the hash of the whole."""
        made = hashlib.new(algorithm, usedforsecurity=False)
        for part in self.parts():
            made.update(part)
        return made.digest()

    def tail(self) -> bytes:
        """Return the last bytes, in which the directory of a zip behind something else lies."""
        if self.data is not None:
            return self.data[-TAIL:]
        os.lseek(self.opened, max(0, self.size - TAIL), os.SEEK_SET)
        return os.read(self.opened, TAIL)

    def parts(self) -> Iterator[bytes]:
        """Yield the whole in parts."""
        if self.data is not None:
            yield self.data
            return
        os.lseek(self.opened, 0, os.SEEK_SET)
        while part := os.read(self.opened, _CHUNK):
            yield part


class Scanner:
    """Looks at files with definitions. Not for several threads at once.

    >>> from sakimori.endpoint.scan import load
    >>> Scanner(load()).data("empty", b"").hits
    ()
    """

    def __init__(self, definitions: Definitions, settings: Settings | None = None) -> None:
        """Make ready; rules of several thousand may take a second or two."""
        self.definitions = definitions
        self.settings = settings or Settings()
        self._packs = [
            (pack, compiled.origins, self._scanner(pack))
            for compiled in definitions.compiled
            for pack in compiled.packs
        ]
        self._uses = frozenset().union(*(pack.uses for pack, _, _ in self._packs))

    def _scanner(self, pack: Pack) -> yara_x.Scanner:
        import yara_x  # noqa: PLC0415 - slow to import

        scanner = yara_x.Scanner(pack.rules)
        scanner.set_timeout(self.settings.seconds)
        scanner.max_matches_per_pattern(1000)
        scanner.fast_scan(yes=True)
        return scanner

    def file(self, path: str | Path) -> Looked:
        """Look at a file. Whatever keeps it from being looked at is a trouble, never an error."""
        text = os.fspath(path)
        look = _Look(text)
        try:
            with _open.plain(text, follow=self.settings.follow) as (opened, stat):
                return self._file(look, opened, stat)
        except FileNotFoundError:
            look.trouble("vanished before it was looked at", lasting=False)
        except OSError as error:
            look.trouble(_open.why(error), lasting=False)
        except MemoryError:
            look.trouble("not enough memory", lasting=False)
        return self._done(look, None, "")

    def _file(self, look: _Look, opened: int, stat: os.stat_result) -> Looked:
        size = stat.st_size
        if size > self.settings.largest:
            look.trouble(f"larger than the limit of {self.settings.largest:,} bytes")
            return self._done(look, stat, "")
        look.owner = getattr(stat, "st_uid", None)
        piece = _piece(look.path, opened, size)
        sha256 = self._match(look, piece)
        self._inside(look, piece)
        if state_of(os.fstat(opened)) != state_of(stat):
            look.trouble("changed while it was looked at", lasting=False)
        return self._done(look, stat, sha256)

    def _done(self, look: _Look, stat: os.stat_result | None, sha256: str) -> Looked:
        return Looked(
            path=look.path, size=stat.st_size if stat else 0, sha256=sha256 or look.sha256,
            hits=tuple(look.hits), troubles=tuple(look.troubles), bytes=look.bytes,
            lasting=look.lasting, state=state_of(stat) if stat else None,
        )  # fmt: skip

    def data(self, name: str, data: bytes) -> Looked:
        """Look at bytes as if they were a file of this name."""
        look = _Look(name)
        piece = _Piece(name, data, len(data), data)
        sha256 = self._match(look, piece)
        self._inside(look, piece)
        return replace(self._done(look, None, sha256), size=len(data))

    def _inside(self, look: _Look, piece: _Piece) -> None:
        """Look at the members, where the piece is a container."""
        if not self.settings.unpacking or kind_of(piece.head, piece.size, piece.tail()) is None:
            return
        from pathlib import Path  # noqa: PLC0415

        source = piece.data if piece.data is not None else Path(_name_of(piece, look.path))
        found = unpack(
            source,
            name=os.path.basename(look.path),  # noqa: PTH119 - a path of any bytes
            limits=self.settings.limits,
            passwords=self.settings.passwords,
        )
        for member in found:
            if time.monotonic() - look.begun > self.settings.seconds:
                look.trouble(f"took longer than {self.settings.seconds} s: not looked at to its end",
                             lasting=False)  # fmt: skip
                return
            if isinstance(member, Problem):
                look.trouble(member.reason, member.member)
            else:
                data = member.data
                self._match(look, _Piece(member.name, data, len(data), data, member=member.name))

    def _match(self, look: _Look, piece: _Piece) -> str:
        """Match one piece by hashes and rules. Returns its SHA-256 where it was needed."""
        look.bytes += piece.size
        sums = {a: piece.digest(a) for a in self.definitions.hashes.wanted(piece.size)}
        known = self.definitions.hashes.find(sums.values(), piece.size) if sums else []
        matched = list(self._rules(look, piece, sums))
        if known or matched:
            sums.setdefault("sha256", piece.digest("sha256"))
        sha256 = sums["sha256"].hex() if "sha256" in sums else ""
        look.sha256 = look.sha256 if piece.member is not None else sha256
        look.hits += [_of_hash(look.path, piece.member, sha256, one) for one in known]
        look.hits += [_of_rule(look.path, piece.member, sha256, *one) for one in matched]
        return sha256

    def _rules(
        self, look: _Look, piece: _Piece, sums: dict[str, bytes]
    ) -> Iterator[tuple[yara_x.Rule, Origin]]:
        outside = self._outside(look, piece, sums) if self._uses else {}
        for pack, origins, scanner in self._packs:
            if pack.heads is not None and piece.head[:2] not in pack.heads:
                continue
            for name in pack.uses:
                scanner.set_global(name, outside[name])
            results = self._run(look, piece, scanner)
            for rule in results.matching_rules if results is not None else ():
                yield rule, origins[rule.namespace]

    def _run(self, look: _Look, piece: _Piece, scanner: yara_x.Scanner) -> Any:
        import yara_x  # noqa: PLC0415

        try:
            if piece.data is not None:
                return scanner.scan(piece.data)
            return scanner.scan_file(_name_of(piece, look.path))
        except yara_x.TimeoutError:
            seconds = self.settings.seconds
            look.trouble(f"the rules took longer than {seconds} s", piece.member, lasting=False)
        except (yara_x.ScanError, UnicodeEncodeError) as error:
            look.trouble(f"the rules failed: {visible(str(error))}", piece.member, lasting=False)
        return None

    def _outside(self, look: _Look, piece: _Piece, sums: dict[str, bytes]) -> dict[str, str]:
        """Return what rules may ask of outside, as Loki and THOR give it."""
        path = look.path if piece.member is None else f"{look.path}/{piece.member}"
        plain = path.encode("utf-8", "replace").decode()
        name = plain.replace("\\", "/").rpartition("/")[2]
        given = {
            "filename": name,
            "filepath": plain,
            "extension": f".{name.rpartition('.')[2]}" if "." in name else "",
        }
        if "filetype" in self._uses:
            given["filetype"] = _TYPES.get(piece.head[:2], "")
        if "md5" in self._uses:
            given["md5"] = (sums.get("md5") or piece.digest("md5")).hex()
        if "owner" in self._uses:
            given["owner"] = _owner(look.owner)
        return given


# The names that signature-base's rules compare `filetype` with
_TYPES = {b"MZ": "EXE", b"PK": "ZIP", b"Ra": "RAR", b"\x7fE": "ELF", b"%P": "PDF", b"L\0": "LNK",
          b"\xd0\xcf": "OLE", b"{\\": "RTF", b"MD": "MDMP"}  # fmt: skip
_owners: dict[int | None, str] = {None: ""}


def _owner(number: int | None) -> str:
    """Return the name of a file's owner, "" where there is none."""
    if number is not None and number not in _owners:
        try:
            import pwd  # noqa: PLC0415 - not on Windows

            _owners[number] = pwd.getpwuid(number).pw_name
        except (ImportError, KeyError):
            _owners[number] = ""
    return _owners[number]


def _piece(path: str, opened: int, size: int) -> _Piece:
    if size <= _IN_MEMORY:
        data = _whole(opened, size)
        return _Piece(path, data, len(data), data)
    head = os.read(opened, _HEAD)
    return _Piece(path, head, size, None, opened)


def _whole(opened: int, size: int) -> bytes:
    """Read up to the size that was told; a file that grows is cut there."""
    data = os.read(opened, size)
    if len(data) == size:
        return data
    parts = [data]
    left = size - len(data)
    while left and (part := os.read(opened, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _name_of(piece: _Piece, path: str) -> str:
    """Return a name under which YARA-X opens the very file that is open here."""
    own = f"/proc/self/fd/{piece.opened}"
    return own if os.path.exists(own) else path  # noqa: PTH110


def _of_hash(path: str, member: str | None, sha256: str, known: Known) -> Hit:
    return Hit(
        path=path, member=member, rule=visible(known.name), kind="hash",
        family=visible(known.family), sha256=sha256, licence=visible(known.licence),
        source=known.source,
    )  # fmt: skip


def _of_rule(path: str, member: str | None, sha256: str, rule: yara_x.Rule, origin: Origin) -> Hit:
    metadata = rule.metadata
    told_ = {key: visible(value) for key, value in told(metadata).items()}
    named = next((v for k, v in metadata if k == "signature" and origin.kind == "ndb"), None)
    return Hit(
        path=path, member=member, rule=visible(str(named)) if named else rule.identifier,
        kind=origin.kind, family=told_["family"], sha256=sha256, technique=told_["technique"],
        author=told_["author"], licence=told_["licence"] or visible(origin.licence),
        reference=told_["reference"], source=origin.path,
    )  # fmt: skip
