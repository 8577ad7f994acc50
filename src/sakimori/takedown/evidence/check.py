"""Verification: everything that is wrong with a bundle or a chain, and where.

Each file is read once, in bounded memory. Nothing is repaired, unpacked or run.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from sakimori.errors import SourceError
from sakimori.takedown.evidence import archive
from sakimori.takedown.evidence.chain import CHAIN, OBJECTS, split
from sakimori.takedown.evidence.record import MAX_LINE, Halves, Malformed, time_text
from sakimori.takedown.evidence.report import LeftOut, Problem, Report
from sakimori.takedown.evidence.seal import SEALS, file_name, read_public
from sakimori.takedown.evidence.stamp import look
from sakimori.takedown.evidence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sakimori.takedown.evidence.archive import Files
    from sakimori.takedown.evidence.report import StampSeen
    from sakimori.takedown.evidence.seal import Public, Statement

MANIFEST, OPENINGS, SUMS, SIGNATURE = (
    "bundle.json",
    "openings.jsonl",
    "SHA256SUMS",
    "SHA256SUMS.sig",
)
SIGNER = "pub.pem"
_SUM = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._/-]*)")
_BLOCK = 1 << 20
_MOST = 64 << 20  # bytes of a list; 100,000 files take 11 MB


@dataclass
class Checking:
    """A verification at work."""

    files: Files
    keys: tuple[Public, ...]
    roots: tuple[bytes, ...]
    walk: Walk
    sizes: dict[str, int]
    before: int  # size of the chain when we began
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sums: bytes | None = None  # SHA256SUMS
    hashes: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def wrong(self, code: str, where: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(code, where, message))


def verify(path: Path, keys: Sequence[Public] = (), roots: Sequence[bytes] = ()) -> Report:
    """Return what is wrong with a bundle (folder, .zip, .tar) or a chain's folder.

    `keys` are the public keys that may have signed; with none, it is only told whose key it was.
    `roots` are certificates (PEM) of stamping authorities that you trust.
    Raises SourceError when there is nothing that could be verified.
    """
    with archive.opened(path) as files:
        walk = Walk(tuple(key.fingerprint for key in keys))
        before = files.sizes().get(CHAIN, 0)  # of a chain that grows: its objects are listed next
        checking = Checking(files, tuple(keys), tuple(roots), walk, files.sizes(), before)
        if CHAIN not in checking.sizes:
            raise SourceError(
                "there is no chain of evidence in this", where=str(path), hint="check the path"
            )
        for where, message in files.faults():
            checking.wrong("changed", where, message)
        bundle = OPENINGS in checking.sizes or MANIFEST in checking.sizes
        if bundle:
            _sums(checking)
        else:
            _hash_all(checking, [n for n in checking.sizes if n.startswith(OBJECTS + "/")])
        _records(checking, bundle=bundle)
        walk.end()
        _objects(checking, bundle=bundle)
        _seal_files(checking, bundle=bundle)
        if bundle:
            _signature(checking)
            _redactions(checking)
        for seq, part in () if bundle else walk.left_out:
            checking.wrong("redaction", f"record {seq}", f"{part} is missing from the chain itself")
        return _report(checking, path, "bundle" if bundle else "chain")


# Files


def _read(checking: Checking, name: str, most: int = 4 << 20) -> bytes | None:
    """Return a small file's bytes, or None when it is missing, too large or unreadable."""
    size = checking.sizes.get(name)
    if size is None:
        checking.wrong("removed", name, "this file is missing")
        return None
    if size > most:
        checking.wrong("format", name, f"this file is larger than {most:,} bytes")
        return None
    try:
        with checking.files.open(name) as file:
            return file.read()
    except archive.UNREADABLE as error:
        checking.wrong("changed", name, f"this file cannot be read: {error}")
        return None


def _hash_all(checking: Checking, names: Sequence[str]) -> None:
    for name in names:
        try:
            with checking.files.open(name) as file:
                checking.hashes[name] = _hash(file)
        except archive.UNREADABLE as error:
            checking.wrong("changed", name, f"this file cannot be read: {error}")


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for block in iter(lambda: file.read(_BLOCK), b""):
        digest.update(block)
    return digest.hexdigest()


def _sums(checking: Checking) -> None:
    """Check every file against SHA256SUMS: changed, missing, or not listed."""
    checking.sums = _read(checking, SUMS, _MOST)
    if checking.sums is None:
        return
    listed: dict[str, str] = {}
    for number, line in enumerate(checking.sums.decode("utf-8", "replace").splitlines(), 1):
        match = _SUM.fullmatch(line)
        if match is None or match[2] in listed:
            checking.wrong("format", f"{SUMS}:{number}", "this line names no file, or one twice")
        else:
            listed[match[2]] = match[1]
    present = set(checking.sizes) - {SUMS, SIGNATURE}
    _hash_all(checking, sorted(present))
    for name in sorted(listed.keys() - present):
        checking.wrong("removed", name, "this file is missing")
    for name in sorted(present - listed.keys()):
        checking.wrong("added", name, "this file was put in: the list of files does not name it")
    for name, digest in checking.hashes.items():
        if listed.get(name, digest) != digest:
            checking.wrong("changed", name, "this file was changed: its hash is not the listed one")


def _signature(checking: Checking) -> None:
    """Check who signed the list of files."""
    if checking.sums is None:
        return
    if SIGNATURE not in checking.sizes:
        checking.wrong("unsigned", SUMS, "the list of files is not signed, so anyone can change it")
        return
    signature = _read(checking, SIGNATURE) or b""
    pem = _read(checking, SIGNER) or b""
    try:
        signer = read_public(pem, SIGNER)
    except SourceError as error:
        checking.wrong("key", SIGNER, str(error))
        return
    walk = checking.walk
    if not signer.signed(checking.sums, signature):
        checking.wrong("signature", SUMS, "the signature of the list of files does not hold")
    elif walk.trusted and signer.fingerprint not in walk.trusted:
        wanted = " or ".join(k[:16] for k in walk.expected) or "the key that sealed the chain"
        checking.wrong(
            "key", SUMS, f"the bundle is signed by the key {signer.fingerprint[:16]}, not {wanted}"
        )
    walk.signers.setdefault(signer.fingerprint, signer)


# Records


def _records(checking: Checking, *, bundle: bool) -> None:
    walk = checking.walk
    try:
        with checking.files.open(CHAIN) as chain:
            if not bundle:
                _walk_lines(checking, chain)
                return
            if OPENINGS not in checking.sizes:
                checking.wrong("removed", OPENINGS, "this file is missing")
                return
            with checking.files.open(OPENINGS) as openings:
                _walk_halves(checking, chain, openings)
    except archive.UNREADABLE as error:
        checking.wrong("changed", f"{CHAIN}:{walk.count + 1}", f"it cannot be read: {error}")


def _walk_lines(checking: Checking, chain: IO[bytes]) -> None:
    for line in _lines(checking, CHAIN, chain):
        try:
            halves = split(line)
        except Malformed:
            halves = Halves(line, b"")
        checking.walk.take(halves)


def _walk_halves(checking: Checking, chain: IO[bytes], openings: IO[bytes]) -> None:
    seconds = _lines(checking, OPENINGS, openings)
    for header in _lines(checking, CHAIN, chain):
        opening = next(seconds, None)
        if opening is None:
            checking.wrong("removed", OPENINGS, f"it ends before record {checking.walk.count + 1}")
            opening = b""
        checking.walk.take(Halves(header, opening))
    extra = sum(1 for _ in seconds)
    if extra:
        checking.wrong(
            "truncated", CHAIN, f"{extra} records are missing at the end: their values are here"
        )


def _lines(checking: Checking, name: str, file: IO[bytes]) -> Iterator[bytes]:
    """Give lines without newline; a torn or endless line is a problem, and the end."""
    limit = 2 * MAX_LINE + 100
    left = checking.before if name == CHAIN else checking.sizes[name]
    for number, line in enumerate(iter(lambda: file.readline(limit), b""), 1):
        left -= len(line)
        if left < 0:  # a writer is at work; what it adds is not ours to judge
            return
        if not line.endswith(b"\n"):
            checking.wrong(
                "format", f"{name}:{number}", "the last line is torn, or is longer than a record"
            )
            return
        yield line[:-1]


def _objects(checking: Checking, *, bundle: bool) -> None:
    """Check that each object is there and is what its record says."""
    walk = checking.walk
    for digest, (size, seq) in walk.objects.items():
        name = f"{OBJECTS}/{digest}"
        if name not in checking.sizes:
            checking.wrong("removed", name, f"this object of record {seq} is missing")
        elif checking.hashes.get(name, digest) != digest:
            checking.wrong("changed", name, f"this object of record {seq} was changed")
        elif checking.sizes[name] != size:
            checking.wrong("changed", name, f"record {seq} says it has {size:,} bytes")
    stray = [
        n for n in checking.sizes
        if n.startswith(OBJECTS + "/") and n.removeprefix(OBJECTS + "/") not in walk.objects
    ]  # fmt: skip
    for name in sorted(stray):
        if bundle:
            checking.wrong("added", name, "no record speaks of this object")
        elif not name.startswith(f"{OBJECTS}/."):
            checking.warnings.append(f"{name}: no record speaks of it: a writer was stopped")


def _seal_files(checking: Checking, *, bundle: bool) -> None:
    """Check the plain files of seals against the records, both ways."""
    seals = {s: t for s, t in checking.walk.statements.items() if t.kind == "seal"}
    for name in sorted(n for n in checking.sizes if n.startswith(SEALS + "/")):
        _seal_file(checking, name, seals)
    wanted = [f"{SEALS}/{file_name(seq)}.{ending}" for seq in seals for ending in ("txt", "sig")]
    for name in wanted if bundle else ():
        if name not in checking.sizes:
            checking.wrong("removed", name, "this seal is missing")


def _seal_file(checking: Checking, name: str, seals: Mapping[int, Statement]) -> None:
    seq, ending = _numbered(name)
    want = seals.get(seq)
    if seq > checking.walk.count:
        checking.wrong("truncated", name, f"this seals a chain of which record {seq} is missing")
    elif want is None or ending not in ("txt", "sig"):
        checking.wrong("added", name, "no record speaks of this seal")
    elif _read(checking, name) != (want.text if ending == "txt" else want.signature):
        checking.wrong("changed", name, f"this is not the seal of record {seq}")


def _numbered(name: str) -> tuple[int, str]:
    stem, _, ending = name.rpartition("/")[2].partition(".")
    return (int(stem), ending) if stem.isascii() and stem.isdigit() else (0, ending)


# What a bundle says of itself


def _redactions(checking: Checking) -> None:
    """Check that what is left out is what the (signed) bundle names, no more and no less."""
    data = _read(checking, MANIFEST, _MOST)
    try:
        manifest = json.loads(data or b"{}")
        named = {(int(r["record"]), str(r["part"])) for r in manifest["left_out"]}
        fits = (manifest["records"], manifest["head"]) == (
            checking.walk.count, checking.walk.previous,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        checking.wrong("format", MANIFEST, f"this does not describe a bundle: {error!r}")
        return
    checking.manifest = manifest
    if not fits:
        checking.wrong(
            "truncated", MANIFEST, "it names another number of records, or another last hash"
        )
    found = set(checking.walk.left_out)
    for seq, part in sorted(found - named):
        checking.wrong("redaction", f"record {seq}", f"{part} is left out, and nothing says why")
    for seq, part in sorted(named - found):
        checking.wrong("redaction", f"record {seq}", f"{part} is here, but said to be left out")


def _left_out(checking: Checking) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(int(r["record"]), str(r["part"]), str(r.get("reason", "")))
        for r in checking.manifest.get("left_out", ())
    )


def _report(checking: Checking, path: Path, form: str) -> Report:
    walk = checking.walk
    stamps = tuple(look(r, walk.statements, checking.roots) for r in walk.stamps)
    for stamp in stamps:
        if stamp.status == "wrong":
            checking.wrong("stamp", f"record {stamp.record}", stamp.reason)
    if not any(s.holds and s.trusted for s in walk.seals):
        checking.wrong(
            "unsigned", CHAIN, "no seal by a known key holds, so anyone could have made this chain"
        )
    return Report(
        path=str(path),
        form=form,
        records=walk.count,
        head=walk.previous,
        first=time_text(walk.first) if walk.first else "",
        last=time_text(walk.last) if walk.last else "",
        unsealed=walk.waiting,
        objects=len(walk.objects),
        keys=tuple(walk.signers),
        expected=walk.expected,
        seals=tuple(walk.seals),
        stamps=stamps,
        left_out=_left_out(checking),
        problems=(*checking.problems, *walk.problems),
        warnings=(*checking.warnings, *walk.warnings, *_doubts(walk, stamps)),
    )


def _doubts(walk: Walk, stamps: Sequence[StampSeen]) -> Iterator[str]:
    """Give what this verification does not prove."""
    if not walk.expected:
        yield "no key was named, so this shows that one key signed it, not whose: compare the fingerprint"
    if walk.waiting:
        yield f"{walk.waiting} records are not sealed: records could be cut from the end unseen"
    if walk.elsewhere:
        yield f"{walk.elsewhere} objects are named by hash only; their bytes were not checked"
    sealed = max((s.record for s in walk.seals if s.holds), default=0)
    if not any(s.seal >= sealed for s in stamps if s.status in ("trusted", "unchecked")):
        yield "no stamping authority vouches for the time of the last seal"
    if any(s.status == "unchecked" for s in stamps):
        yield "a stamp is not checked against a certificate of yours: --tsa-cert FILE"
