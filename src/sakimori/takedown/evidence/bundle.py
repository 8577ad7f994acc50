"""A bundle: a chain as others get it, with its files, seals, pages and a signed list of all of them.

    chain.jsonl       the headers, one a line; each names the SHA-256 of the line before
    openings.jsonl    the salts and values behind the headers' commitments, line by line
    objects/HASH      the files that records speak of
    seals, stamps     each seal's text and signature; each stamp, with its authority's certificate
    keys/FP.pem       the public keys that signed; pub.pem is the one that signed the list
    bundle.json       case, records, last hash, and what was left out and why
    index.html, INDEX.txt, VERIFY.txt     for people
    SHA256SUMS, SHA256SUMS.sig            every file's hash, and the signature over them

Leaving a value out changes openings.jsonl only: chain.jsonl, its hashes and its seals stay.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, SourceError, StateError
from sakimori.takedown.evidence import archive, pages, redaction
from sakimori.takedown.evidence.archive import Part, of_bytes, of_file
from sakimori.takedown.evidence.chain import CHAIN, OBJECTS, split
from sakimori.takedown.evidence.check import MANIFEST, OPENINGS, SIGNATURE, SIGNER, SUMS, verify
from sakimori.takedown.evidence.record import Halves, Malformed, parse, time_text
from sakimori.takedown.evidence.seal import SEALS, file_name
from sakimori.takedown.evidence.stamp import STAMPED, STAMPS, reply_of
from sakimori.takedown.evidence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sakimori.takedown.evidence.archive import Files
    from sakimori.takedown.evidence.record import Record
    from sakimori.takedown.evidence.redaction import Plan, Redaction
    from sakimori.takedown.evidence.seal import Key

FORMAT = "sakimori-evidence-bundle-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How to export: who does it, when, with what, signed by which key, in which language."""

    key: Key
    actor: str
    time: datetime
    tool: str
    case: str = ""
    lang: str = "en"
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written. `left_out` counts parts; `leaks` names where a value still stands."""

    path: Path
    records: int
    head: str
    unsealed: int
    left_out: int
    leaks: tuple[str, ...]


def export(source: Path, out: Path, wanted: Wanted) -> Exported:
    """Write a chain's folder, or a bundle again with more left out, as the bundle `out`.

    `out` ends in .zip or .tar, or becomes a folder. The same source, key, time and redactions give
    the same bytes. Raises ConfigError when `out` is there or a redaction fits nothing, StateError
    when the source is damaged or the disk full; nothing is left behind then.
    """
    if out.exists():
        raise ConfigError("this is there already", where=str(out), hint="choose another name")
    staging = out.absolute().with_name(f".{out.name}.making")
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of an export that was stopped
        staging.mkdir(parents=True)
        with archive.opened(source) as files:
            making = _Making(files, source, wanted, staging)
            exported = making.run(out)
            ready = staging / f"ready{out.suffix}"
            archive.write(making.parts, ready)
        ready.rename(out)
    except OSError as error:
        raise StateError(
            f"the bundle cannot be written: {error.strerror or error}",
            where=str(out),
            hint="check free space and permissions; nothing was left behind",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return exported


@dataclass
class _Making:
    """An export at work."""

    files: Files
    source: Path
    wanted: Wanted
    staging: Path
    parts: dict[str, Part] = field(default_factory=dict)
    seals: list[pages.SealFile] = field(default_factory=list)
    stamps: list[tuple[str, str, bool]] = field(default_factory=list)
    stamped: str = ""
    size: int = 0  # of the source's chain when we began
    objects: dict[str, int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    earlier: dict[str, Any] = field(default_factory=dict)  # bundle.json of the source
    plan: Plan = field(default_factory=redaction.Plan)
    walk: Walk = field(default_factory=lambda: Walk(any_key=True))

    def run(self, out: Path) -> Exported:
        """Gather every file of the bundle in `parts`."""
        sizes = self.files.sizes()
        self.size = sizes.get(CHAIN, 0)
        if CHAIN not in sizes:
            raise SourceError("there is no chain of evidence here", where=str(self.source))
        if OPENINGS in sizes:
            self._check_bundle()
        self._plan()
        self._search = redaction.Search(self.plan.values)
        self._write_records()
        if self.walk.problems:
            first = self.walk.problems[0]
            raise _damaged(f"{self.source}: {first.where}", first.message)
        for seq, part in self.walk.left_out:
            if part not in self.plan.parts.get(seq, {}):
                raise _damaged(f"{self.source}: record {seq}", f"{part} was taken out of it")
        for digest, size in self.objects.items():
            name = f"{OBJECTS}/{digest}"
            if name not in sizes:
                raise StateError("an object is missing; nothing was exported", where=name)
            self.parts[name] = Part(size, partial(self.files.open, name))
        about = self._about()
        self._pages(about)
        self._sign()
        return Exported(
            out, self.walk.count, self.walk.previous, self.walk.waiting,
            len(about.left_out), tuple(self.leaks),
        )  # fmt: skip

    # Read

    def _check_bundle(self) -> None:
        """Refuse a bundle that does not verify; remember what it left out already."""
        found = verify(self.source)
        if not found.ok:
            first = found.problems[0]
            raise StateError(
                f"the bundle does not verify: {first.message}; nothing was written",
                where=f"{self.source}: {first.where}",
                hint="sakimori evidence verify lists everything that is wrong",
            )
        with self.files.open(MANIFEST) as file:
            self.earlier = json.loads(file.read())
        for left in self.earlier["left_out"]:
            parts = self.plan.parts.setdefault(int(left["record"]), {})
            parts[str(left["part"])] = str(left["reason"])

    def _halves(self) -> Iterator[Halves]:
        with self.files.open(CHAIN) as chain:
            if not self.earlier:
                left = self.size  # others may append: what came after we began is not taken
                for number, line in enumerate(chain, 1):
                    left -= len(line)
                    if left < 0 or not line.endswith(b"\n"):
                        return
                    try:
                        yield split(line[:-1])
                    except Malformed as error:
                        raise _damaged(f"{self.source}: record {number}", error) from error
                return
            with self.files.open(OPENINGS) as openings:
                for header, opening in zip(chain, openings, strict=True):
                    yield Halves(header[:-1], opening[:-1])

    def _records(self) -> Iterator[Record]:
        for number, halves in enumerate(self._halves(), 1):
            try:
                yield parse(halves).record
            except Malformed as error:
                raise _damaged(f"{self.source}: record {number}", error) from error

    def _plan(self) -> None:
        """Find what to leave out; twice through, since an object may stand in earlier records."""
        if not self.wanted.redactions:
            return
        made = redaction.plan(self._records(), self.wanted.redactions)
        if made.hashes:
            for record in self._records():
                redaction.close(made, record, "the same object is left out elsewhere")
        for seq, parts in made.parts.items():
            for part, reason in parts.items():
                self.plan.parts.setdefault(seq, {}).setdefault(part, reason)
        self.plan.values = made.values

    # Write

    def _write_records(self) -> None:
        """Write chain, openings and the bodies of the pages in one pass."""
        names = (CHAIN, OPENINGS, "html", "text")
        chain, openings, html, text = [(self.staging / n).open("wb") for n in names]
        with chain, openings, html, text:
            for halves in self._halves():
                kept = redaction.without(halves, self.plan.parts.get(self.walk.count + 1, {}))
                record = self.walk.take(kept)
                if record is None:
                    return
                chain.write(kept.header + b"\n")
                openings.write(kept.opening + b"\n")
                self._look(kept.opening, f"record {record.seq}")
                shown = pages.rows(record, self.wanted.lang)
                if record.seq <= pages.MOST_IN_HTML:
                    html.write(pages.record_html(record, shown, self.wanted.lang).encode())
                text.write(pages.record_text(record, shown, self.wanted.lang).encode())
                self._take(record)
        for name in (CHAIN, OPENINGS):
            self.parts[name] = of_file(self.staging / name)

    def _look(self, data: bytes, where: str) -> None:
        if self._search(data):
            self.leaks.append(where)

    def _take(self, record: Record) -> None:
        """Note the files that a record brings into the bundle."""
        for thing in record.objects:
            if thing and not thing.where:
                self.objects[thing.sha256] = thing.bytes
        name = file_name(record.seq)
        if record.kind == "seal" and record.seq in self.walk.statements:
            said = self.walk.statements[record.seq]
            self.parts[f"{SEALS}/{name}.txt"] = of_bytes(said.text)
            self.parts[f"{SEALS}/{name}.sig"] = of_bytes(said.signature)
            key = said.signer.fingerprint[:16]
            self.seals.append(pages.SealFile(name, key, said.records, said.head))
        elif record.kind == "stamp" and record.body.get("status") == STAMPED:
            self.parts[f"{STAMPS}/{name}.tsr"] = of_bytes(reply_of(record))
            authority = str(record.body.get("ca", ""))
            if authority:
                self.parts[f"{STAMPS}/{name}.ca.pem"] = of_bytes(authority.encode())
            self.stamps.append((name, file_name(int(record.body["seal"])), bool(authority)))
            self.stamped = str(record.body["stamped"])

    def _about(self) -> pages.About:
        wanted, walk = self.wanted, self.walk
        return pages.About(
            case=wanted.case or str(self.earlier.get("case", "")),
            exported=time_text(wanted.time),
            actor=wanted.actor,
            tool=wanted.tool,
            records=walk.count,
            head=walk.previous,
            key=wanted.key.public.fingerprint,
            sealed=max((s.records for s in walk.seals if s.holds), default=0),
            unsealed=walk.waiting,
            stamped=self.stamped,
            left_out=self.plan.listed,
            elsewhere=walk.elsewhere,
        )

    def _pages(self, about: pages.About) -> None:
        lang = self.wanted.lang
        manifest = {
            "format": FORMAT, "case": about.case, "exported": about.exported,
            "actor": about.actor, "tool": about.tool, "records": about.records,
            "head": about.head, "key": about.key, "left_out": about.left_out,
        }  # fmt: skip
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        self.parts[MANIFEST] = of_bytes(text.encode())
        self._look(text.encode(), MANIFEST)
        self._page("index.html", pages.head_html(about, lang), "html", pages.TAIL_HTML)
        self._page("INDEX.txt", pages.head_text(about, lang), "text", "")
        how = pages.verify_text(about, self.seals, self.stamps, lang)
        self.parts["VERIFY.txt"] = of_bytes(how.encode())
        self.parts[SIGNER] = of_bytes(self.wanted.key.public.pem.encode())
        for fingerprint, public in self.walk.signers.items():
            self.parts[f"keys/{fingerprint[:16]}.pem"] = of_bytes(public.pem.encode())

    def _page(self, name: str, head: str, body: str, tail: str) -> None:
        with (self.staging / name).open("wb") as page, (self.staging / body).open("rb") as records:
            page.write(head.encode())
            shutil.copyfileobj(records, page)
            page.write(tail.encode())
        self.parts[name] = of_file(self.staging / name)

    def _sign(self) -> None:
        """List every file with its hash, and sign the list."""
        lines = []
        for name in sorted(self.parts):
            digest = self._digest(name)
            if name.startswith(OBJECTS + "/") and digest != name.removeprefix(OBJECTS + "/"):
                raise StateError("an object was changed; nothing was exported", where=name)
            lines.append(f"{digest}  {name}\n")
        text = "".join(lines).encode()
        self.parts[SUMS] = of_bytes(text)
        self.parts[SIGNATURE] = of_bytes(self.wanted.key.sign(text))

    def _digest(self, name: str) -> str:
        """Hash a part; look into objects for values that were left out."""
        digest, before, found = hashlib.sha256(), b"", False
        with self.parts[name].open() as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
                if name.startswith(OBJECTS) and not found:
                    found = self._search(before[-4096:] + block)
                    before = block
        if found:
            self.leaks.append(name)
        return digest.hexdigest()


def _damaged(where: str, why: object) -> StateError:
    return StateError(
        f"the chain is damaged: {why}; nothing was exported",
        where=where,
        hint="sakimori evidence verify lists everything that is wrong",
    )
