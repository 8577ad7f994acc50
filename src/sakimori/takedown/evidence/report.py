"""What a verification found, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

CODES = {
    "format": "a line or file has another shape than it must",
    "changed": "bytes are not those that were recorded",
    "removed": "records or files are missing",
    "added": "records or files were put in",
    "order": "records are in another order, or numbered wrongly",
    "truncated": "the chain ends before a record that was sealed",
    "signature": "a signature does not hold",
    "key": "something is signed by another key than expected",
    "stamp": "a time stamp does not hold",
    "unsigned": "nothing is signed, so anyone could have made this",
    "redaction": "something is left out that the bundle does not name",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: its code (see CODES), where, and what, in one sentence."""

    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class SealSeen:
    """A seal: its record, how many records it covers, whose key, and when.

    `holds`: signature and hash are right. `trusted`: the key is an expected one, or a successor's.
    """

    record: int
    records: int
    key: str
    time: str
    holds: bool
    trusted: bool


@dataclass(frozen=True, slots=True)
class StampSeen:
    """A try to have a seal stamped.

    `status` is one of:

    `trusted`    holds under a certificate that the caller gave;
    `unchecked`  holds only under the certificate that came with it, or none was given;
    `missing`    there is no stamp, with the reason (the authority was not reachable or refused);
    `wrong`      it does not hold.
    """

    record: int
    seal: int
    authority: str
    status: str
    time: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a record that was left out: `actor`, `field NAME` or `object N`, and why."""

    record: int
    part: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was checked. `ok` when nothing is wrong; `warnings` say what it does not prove."""

    path: str
    form: str  # "bundle" or "chain"
    records: int
    head: str
    first: str
    last: str
    unsealed: int  # records after the last good seal that nothing else vouches for
    objects: int  # whose bytes were checked
    keys: tuple[str, ...]  # fingerprints that signed
    expected: tuple[str, ...]  # fingerprints that the caller named
    seals: tuple[SealSeen, ...]
    stamps: tuple[StampSeen, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
