"""Time stamps (RFC 3161): another party's word that a seal was there at a time.

What is stamped is the 64 bytes of a seal's signature, so one stamp covers everything before it:

    openssl ts -verify -data seals/000012.sig -in stamps/000013.tsr -CAfile stamps/000013.ca.pem

A try that failed is a record too ("not stamped", and why), so that silence cannot look like a
stamp; the seal stays in the queue (`pending`) until a later try succeeds. This module makes the
question and reads the answer; sending is the caller's. Source: RFC 3161, RFC 5652.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, SourceError
from sakimori.takedown.evidence.record import Entry, time_text
from sakimori.takedown.evidence.report import StampSeen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sakimori.takedown.evidence.record import Record
    from sakimori.takedown.evidence.seal import Statement

STAMPS = "stamps"
STAMPED, NOT_STAMPED = "stamped", "not stamped"
MAX_REPLY = 256 << 10  # bytes; real ones are 1 to 10 KB
_SAYS = {
    1: "granted with changes", 2: "rejected", 3: "waiting", 4: "revocation warning", 5: "revoked",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent to an authority (`application/timestamp-query`), and what it is about."""

    data: bytes
    signature: bytes
    nonce: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An authority's answer. `trusted`: its signature holds under a certificate that we gave."""

    data: bytes
    time: datetime
    trusted: bool


def ask(signature: bytes) -> Question:
    """Return a question about a seal's signature, with a random nonce; asks for SHA-256."""
    import rfc3161_client as rfc3161  # noqa: PLC0415 - slow to import

    builder = rfc3161.TimestampRequestBuilder().data(signature)
    request = builder.hash_algorithm(rfc3161.HashAlgorithm.SHA256).build()
    return Question(request.as_bytes(), signature, request.nonce)


def read(
    data: bytes, signature: bytes, roots: Sequence[bytes] = (), nonce: int | None = None
) -> Answer:
    """Return what an authority answered about `signature`.

    `roots` are certificates in PEM; with none, only what was stamped and when is read. Raises
    SourceError when it refused, stamped something else, or no root vouches for it.
    """
    from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415

    reply = _decoded(data)
    builder = VerifierBuilder(nonce=nonce, roots=certificates(roots))
    info = reply.tst_info
    if not roots:
        if info.message_imprint.message != _imprint(info, signature):
            raise SourceError("the stamp is for something else than this seal")
        if nonce is not None and info.nonce != nonce:
            raise SourceError("the stamp answers another question")
        return Answer(data, info.gen_time, trusted=False)
    try:
        builder.build().verify_message(reply, signature)
    except VerificationError as error:
        raise SourceError(
            f"the stamp does not hold: {_short(error)}",
            hint="give the authority's own root certificate: --tsa-cert FILE",
        ) from error
    return Answer(data, info.gen_time, trusted=True)


def _decoded(data: bytes) -> Any:
    import rfc3161_client as rfc3161  # noqa: PLC0415

    try:
        reply = rfc3161.decode_timestamp_response(sorted_certificates(data))
    except (ValueError, IndexError) as error:
        raise SourceError(
            f"this is no answer of a stamping authority: {_short(error)}",
            hint="check the address: it must speak RFC 3161 over HTTP",
        ) from error
    if reply.status != 0:
        said = "; ".join(str(s) for s in reply.status_string)
        raise SourceError(
            f"the authority did not stamp: {_SAYS.get(reply.status, reply.status)} {said}".strip()
        )
    return reply


def _imprint(info: Any, signature: bytes) -> bytes:
    import hashlib  # noqa: PLC0415

    name = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384",
            "2.16.840.1.101.3.4.2.3": "sha512"}.get(
        info.message_imprint.hash_algorithm.dotted_string
    )  # fmt: skip
    return hashlib.new(name, signature).digest() if name else b""


def _short(error: Exception) -> str:
    text = str(error)
    _before, found, reason = text.partition('data: "')
    return reason.partition('"')[0] if found else text[:200]


def certificates(roots: Iterable[bytes]) -> list[Any]:
    """Return the certificates in PEM texts. Raises ConfigError when one holds none."""
    from cryptography import x509  # noqa: PLC0415 - slow to import

    found: list[Any] = []
    for pem in roots:
        try:
            found += [c for c in x509.load_pem_x509_certificates(pem) if c not in found]
        except ValueError as error:
            raise ConfigError(
                f"this is no certificate: {error}", hint="the authority's root, in PEM"
            ) from error
    return found


# Records


def stamped(record: Record, answer: Answer, said: Mapping[str, str], entry: Entry) -> Entry:
    """Return the record of a stamp on the seal `record`.

    `said` has "authority" (its address) and, where one was given, "ca" (certificates in PEM).
    `entry` gives actor, time and tool.
    """
    body = {
        "status": STAMPED,
        "seal": record.seq,
        "reply": base64.b64encode(answer.data).decode(),
        "stamped": time_text(answer.time),
        **said,
    }
    return _like(entry, body)


def not_stamped(record: Record, authority: str, reason: str, entry: Entry) -> Entry:
    """Return the record of a try that failed; the seal stays pending."""
    body = {"status": NOT_STAMPED, "seal": record.seq, "authority": authority, "reason": reason}
    return _like(entry, body)


def _like(entry: Entry, body: Mapping[str, Any]) -> Entry:
    return Entry(kind="stamp", actor=entry.actor, time=entry.time, tool=entry.tool, body=body)


def pending(records: Iterable[Record]) -> list[Record]:
    """Return the seals that no stamp covers: those after the last one that was stamped."""
    waiting: list[Record] = []
    for record in records:
        if record.kind == "seal":
            waiting.append(record)
        elif record.kind == "stamp" and record.body.get("status") == STAMPED:
            waiting = [s for s in waiting if s.seq > int(record.body.get("seal", 0))]
    return waiting


def reply_of(record: Record) -> bytes:
    """Return the answer in a stamp's record. Raises SourceError when it holds none."""
    try:
        return base64.b64decode(record.body["reply"], validate=True)
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError("this record holds no stamp") from error


def look(record: Record, seals: Mapping[int, Statement], roots: Sequence[bytes]) -> StampSeen:
    """Return what a stamp's record is worth, given the seals and the certificates we trust."""
    body = record.body
    seal, authority = body.get("seal"), str(body.get("authority", ""))
    number = seal if isinstance(seal, int) else 0
    if body.get("status") != STAMPED:
        reason = str(body.get("reason", ""))
        return StampSeen(record.seq, number, authority, "missing", reason=reason)
    try:
        answer = _held(record, seals, number, roots)
    except (SourceError, ConfigError) as error:
        return StampSeen(record.seq, number, authority, "wrong", reason=str(error))
    status = "trusted" if roots and answer.trusted else "unchecked"
    return StampSeen(record.seq, number, authority, status, time=time_text(answer.time))


def _held(
    record: Record, seals: Mapping[int, Statement], number: int, roots: Sequence[bytes]
) -> Answer:
    statement = seals.get(number)
    if statement is None or statement.kind != "seal":
        raise SourceError(f"it is for the seal {number}, which is not here")
    reply, own = reply_of(record), record.body.get("ca")
    answer = read(reply, statement.signature, roots)
    if not roots and own:
        return read(reply, statement.signature, [str(own).encode()])
    return answer


# DER


def sorted_certificates(data: bytes) -> bytes:
    """Return an answer with its certificates in DER's order.

    Many authorities, openssl's among them, send them in the order of the chain, which BER allows
    and the library refuses. They are not part of what is signed, so the order proves nothing.
    What is no answer is returned as it is.
    """
    try:
        answer = list(_children(data, *_inside(data, 0)))
        content = list(_children(data, answer[1][1], answer[1][2]))
        signed = next(_children(data, content[1][1], content[1][2]))
        for tag, begin, end in _children(data, signed[1], signed[2]):
            if tag == 0xA0:
                return data[:begin] + b"".join(_encoded(data, begin, end)) + data[end:]
    except (IndexError, ValueError, StopIteration):
        pass
    return data


def _encoded(data: bytes, begin: int, end: int) -> list[bytes]:
    found, at = [], begin
    for _tag, _begin, stop in _children(data, begin, end):
        found.append(data[at:stop])
        at = stop
    return sorted(found)


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the value at `at` begins and ends."""
    length, at = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size]), at + size
    if at + length > len(data):
        raise ValueError("the value is cut")
    return at, at + length


def _children(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give tag, begin and end of the content of each value between two places."""
    while at < end:
        begin, stop = _inside(data, at)
        yield data[at], begin, stop
        at = stop
