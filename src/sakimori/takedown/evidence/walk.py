"""Walking a chain: each record against its commitments, its predecessor, its seals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.takedown.evidence.record import NOTHING_BEFORE, Malformed, parse
from sakimori.takedown.evidence.report import Problem, SealSeen
from sakimori.takedown.evidence.seal import statement_of

if TYPE_CHECKING:
    from datetime import datetime

    from sakimori.takedown.evidence.record import Halves, Object, Record
    from sakimori.takedown.evidence.seal import Public, Statement

SELF_PROVING = ("seal", "stamp", "key")  # each carries its own signature; others need a later seal


@dataclass
class Walk:
    """What a walk has seen so far.

    `expected`: fingerprints of keys that the caller trusts; `any_key`: whoever signed is trusted.
    """

    expected: tuple[str, ...] = ()
    any_key: bool = False
    count: int = 0
    previous: str = NOTHING_BEFORE
    seq: int = 0
    first: datetime | None = None
    last: datetime | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seals: list[SealSeen] = field(default_factory=list)
    statements: dict[int, Statement] = field(default_factory=dict)  # of seal and key records
    signers: dict[str, Public] = field(default_factory=dict)
    stamps: list[Record] = field(default_factory=list)
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)  # sha256: bytes, record
    elsewhere: int = 0
    left_out: list[tuple[int, str]] = field(default_factory=list)
    _hashes: bytearray = field(default_factory=bytearray)
    _waiting: list[int] = field(default_factory=list)  # records that no seal covers yet
    _doubted: list[tuple[int, Problem]] = field(default_factory=list)  # signed by unknown keys
    _back: int = 0

    def __post_init__(self) -> None:
        """Trust what the caller trusts."""
        self._trusted = set(self.expected)

    def take(self, halves: Halves) -> Record | None:
        """Check the next record. Returns it, or None when it cannot be read."""
        self.count += 1
        self._hashes += bytes.fromhex(halves.hash)
        try:
            opened = parse(halves)
        except Malformed as error:
            self.wrong("format", str(error))
            self.previous = halves.hash
            self.seq += 1
            return None
        record = opened.record
        for part in opened.wrong:
            self.wrong("changed", f"{part} is not what was recorded")
        self._follow(record)
        self._time(record)
        self._parts(record)
        self._kind(record)
        return record

    def wrong(self, code: str, message: str) -> None:
        """Note that something is wrong with the record at hand."""
        self.problems.append(Problem(code, f"record {self.count}", message))

    def hash_at(self, number: int) -> str:
        """Return the hash of a record by its place, counted from 1; "" when there is none."""
        return self._hashes[32 * (number - 1) : 32 * number].hex() if number > 0 else ""

    def _follow(self, record: Record) -> None:
        """Check number and link. One break gives one problem: we go on from what is here."""
        missing = record.seq - self.seq - 1
        if record.previous != self.previous:
            self.wrong(*_break(record, self.seq, self.previous))
        elif missing:
            self.wrong("order", f"it is numbered {record.seq}, and follows {self.seq}")
        self.seq, self.previous = record.seq, record.hash

    def _time(self, record: Record) -> None:
        if self.last and record.time < self.last:
            self._back += 1
            if self._back == 1:
                self.warnings.append(
                    f"record {self.count} is dated before the record it follows: a clock was wrong"
                )
        self.first = self.first or record.time
        self.last = record.time

    def _parts(self, record: Record) -> None:
        self.left_out += [(record.seq, part) for part in record.left_out]
        for thing in record.objects:
            if thing is not None:
                self._object(thing, record.seq)

    def _object(self, thing: Object, seq: int) -> None:
        if thing.where:
            self.elsewhere += 1
            return
        size, _record = self.objects.setdefault(thing.sha256, (thing.bytes, seq))
        if size != thing.bytes:
            self.wrong("changed", f"object {thing.sha256} has two sizes")

    def _kind(self, record: Record) -> None:
        if record.kind in ("seal", "key"):
            self._signed(record)
        elif record.kind == "stamp":
            self.stamps.append(record)
        if record.kind not in SELF_PROVING:
            self._waiting.append(self.count)

    def _signed(self, record: Record) -> None:
        """Check a seal, or a key that hands over to the next."""
        try:
            statement = statement_of(record.body)
        except SourceError as error:
            self.wrong("signature", str(error))
            return
        self.statements[record.seq] = statement
        self.signers[statement.signer.fingerprint] = statement.signer
        holds = statement.signer.signed(statement.text, statement.signature)
        if not holds:
            self.wrong("signature", "its signature does not hold")
        known = self._known(statement, holds=holds)
        if statement.kind == "seal":
            self._sealed(record, statement, holds=holds, known=known)
        elif holds and known and statement.new:
            self._trusted.add(statement.new.fingerprint)

    def _known(self, statement: Statement, *, holds: bool) -> bool:
        """Whether we trust who signed. Where no key was named, the first good one is taken.

        Another key is a problem unless a later seal by a trusted key covers this record: so who
        knows only the newest key can verify a chain that older keys sealed first.
        """
        signer = statement.signer.fingerprint
        if not self.expected and not self.seals and holds:
            self._trusted.add(signer)
        if self.any_key or signer in self._trusted:
            return True
        wanted = " or ".join(k[:16] for k in self.expected) or "the key of the first seal"
        message = f"it is signed by the key {signer[:16]}, not by {wanted}"
        self._doubted.append((self.count, Problem("key", f"record {self.count}", message)))
        return False

    def _sealed(self, record: Record, statement: Statement, *, holds: bool, known: bool) -> None:
        if self.hash_at(statement.records) != statement.head or statement.records >= self.count:
            holds = False
            self.wrong(
                "changed",
                f"the seal is over {statement.records} records with another hash than they have here",
            )
        self.seals.append(
            SealSeen(record.seq, statement.records, statement.signer.fingerprint,
                     statement.time, holds, known)
        )  # fmt: skip
        if holds and known:
            self._waiting = [n for n in self._waiting if n > statement.records]
            self._doubted = [d for d in self._doubted if d[0] > statement.records]

    def end(self) -> None:
        """Turn what no trusted seal covers into problems."""
        self.problems += [problem for _number, problem in self._doubted]
        self._doubted = []

    @property
    def waiting(self) -> int:
        """How many records no good seal covers."""
        return len(self._waiting)

    @property
    def trusted(self) -> frozenset[str]:
        """Fingerprints of the keys that are expected, and of those they handed over to."""
        return frozenset(self._trusted)


def _break(record: Record, seq: int, previous: str) -> tuple[str, str]:
    """Return code and message for a record that does not name its predecessor."""
    missing = record.seq - seq - 1
    if missing == 0:
        before = f"record {seq} was changed" if seq else "the chain does not begin here"
        return "changed", (
            f"it names {record.previous[:16]} as its predecessor, which hashes to"
            f" {previous[:16]}: {before}, or this one"
        )
    if missing > 0:
        return "removed", f"it is numbered {record.seq}: {missing} before it are missing or moved"
    return "order", f"it is numbered {record.seq}, after {seq}: moved, or put in"
