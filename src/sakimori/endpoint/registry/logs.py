"""Transaction logs of a hive: what Windows had decided to write but had not written yet.

Old logs (`DIRT`, to Windows 8) hold pages of 512 bytes; new ones (`HvLE`, since 8.1) entries with
sequence numbers and Marvin32 hashes. Source: M. Suhanov, "Windows registry file format specification".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.found import Problem
from sakimori.endpoint.registry.hive_write import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SEED = (0x7A4E55C5, 0x82EF4D88)
_ALL = 0xFFFFFFFF
_LARGEST = 256 * 1024 * 1024
_OLD, _NEW = (1, 2), 6  # file types of logs


@dataclass(frozen=True, slots=True)
class Recovered:
    """A hive's bytes after its logs. `clean`: nothing is known to be missing.

    `notes` say what was applied; `problems` why something was not.
    """

    data: bytes
    clean: bool
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    sequence: int
    flags: int
    bins: int
    pages: tuple[tuple[int, bytes], ...]  # offset in the bins, content


def is_dirty(data: bytes) -> str:
    """Say why a hive's file is not what Windows would load; "" when it is."""
    if len(data) < 512:
        return ""
    if checksum(data) != int.from_bytes(data[508:512], "little"):
        return "its base block's checksum is wrong"
    first, second = struct.unpack_from("<II", data, 4)
    if first != second:
        return f"its sequence numbers differ ({first}, {second}): writing was cut off"
    return ""


def recover(data: bytes, logs: Sequence[tuple[str, bytes]], where: str) -> Recovered:
    """Apply the logs (name and bytes, LOG1 before LOG2) that a dirty hive needs. Never raises."""
    why = is_dirty(data)
    if not why:
        return Recovered(data, clean=True)
    usable: list[tuple[str, bytes]] = []
    problems: list[Problem] = []
    for name, log in logs:
        if not log:  # LOG2 often is, and LOG beside the two
            continue
        if reason := _unusable(log):
            problems.append(Problem(name, reason))
        else:
            usable.append((name, log))
    hive = bytearray(data)
    notes = _apply(hive, usable, problems, why)
    if notes:
        struct.pack_into("<I", hive, 508, checksum(hive))
        return Recovered(bytes(hive), clean=True, notes=tuple(notes), problems=tuple(problems))
    told = (
        "no transaction log fits"
        if any(log for _, log in logs)
        else "no transaction log is beside it"
    )
    problems.append(Problem(where, f"{why}, and {told}: last changes may be missing or torn"))
    return Recovered(data, clean=False, problems=tuple(problems))


def _unusable(log: bytes) -> str:
    """Say why a log cannot be used; "" when it can."""
    if len(log) > _LARGEST:
        return "larger than any transaction log (256 MiB)"
    if len(log) < 1024 or log[:4] != b"regf":
        return "no transaction log"
    if checksum(log) != int.from_bytes(log[508:512], "little"):
        return "the log's own checksum is wrong"
    kind = int.from_bytes(log[28:32], "little")
    if kind not in (*_OLD, _NEW):
        return f"file type {kind} is no transaction log"
    first, second = struct.unpack_from("<II", log, 4)
    if kind in _OLD and first != second:
        return "the log was not written to its end"
    return ""


def _apply(
    hive: bytearray, logs: list[tuple[str, bytes]], problems: list[Problem], why: str
) -> list[str]:
    """Change `hive` by the logs; return a note for each that was applied."""
    broken = "checksum" in why
    new = [(name, log) for name, log in logs if int.from_bytes(log[28:32], "little") == _NEW]
    if new:
        return _apply_new(hive, new, problems, broken=broken)
    for name, log in logs:
        # Windows asks the first bin where the base block is broken; eight equal bytes of a broken one do as well.
        stamps = (hive[12:20], hive[4116:4124] if broken else b"")
        if log[12:20] not in stamps:
            problems.append(Problem(name, "of another time than the hive: not applied"))
            continue
        pages = _old_pages(log)
        if not pages or not _fits(hive, pages):
            problems.append(Problem(name, "no whole pages in it that fit the hive: not applied"))
            continue
        hive[:512] = log[:512]
        struct.pack_into("<I", hive, 28, 0)
        _write(hive, int.from_bytes(log[40:44], "little"), pages)
        return [f"{name}: {len(pages)} pages applied ({why})"]
    return []


def _old_pages(log: bytes) -> tuple[tuple[int, bytes], ...]:
    """Return the pages of an old log; none when one of them is cut off."""
    bits = int.from_bytes(log[40:44], "little") // 512
    size = (bits + 7) // 8
    if log[512:516] != b"DIRT" or 516 + size > len(log):
        return ()
    at = (516 + size + 511) & ~511
    pages = []
    for number in range(bits):
        if log[516 + number // 8] >> (number % 8) & 1:
            pages.append((number * 512, log[at : at + 512]))
            at += 512
    return () if at > len(log) else tuple(pages)


def _apply_new(
    hive: bytearray, logs: list[tuple[str, bytes]], problems: list[Problem], *, broken: bool
) -> list[str]:
    read = [(name, log, tuple(_entries(log))) for name, log in logs]
    read.sort(key=lambda item: item[2][0].sequence if item[2] else _ALL)
    if broken:
        hive[:512] = read[0][1][:512]
        struct.pack_into("<I", hive, 28, 0)
    expected = int.from_bytes(hive[8:12], "little")
    notes: list[str] = []
    notes_old: list[str] = []
    for name, _, entries in read:
        applied = 0
        for entry in entries:
            if entry.sequence == expected and _fits(hive, entry.pages):
                _write(hive, entry.bins, entry.pages)
                struct.pack_into("<II", hive, 4, expected, expected)
                struct.pack_into("<I", hive, 144, entry.flags)
                expected, applied = expected + 1, applied + 1
        if applied:
            notes.append(f"{name}: {applied} entries applied, to sequence {expected - 1}")
        elif entries and entries[-1].sequence < expected:
            notes_old.append(
                f"{name}: holds older changes only (to sequence {entries[-1].sequence})"
            )
        else:
            first = f"begins with {entries[0].sequence}" if entries else "holds no whole entry"
            problems.append(Problem(name, f"{first}, sequence {expected} is wanted: not applied"))
    return notes + notes_old if notes else []


def _entries(log: bytes) -> Iterator[_Entry]:
    """Yield a new log's whole entries up to the first that is broken or out of sequence."""
    at, last = 512, None
    while at + 40 <= len(log) and log[at : at + 4] == b"HvLE":
        size, flags, sequence, bins, count = struct.unpack_from("<5I", log, at + 4)
        if size < 40 + 8 * count or size & 511 or at + size > len(log) or bins & 4095:
            return
        if last is not None and sequence != last + 1:
            return
        body = log[at : at + size]
        if struct.unpack_from("<QQ", body, 24) != (marvin32(body[40:]), marvin32(body[:32])):
            return
        pages, place = [], 40 + 8 * count
        for offset, length in struct.iter_unpack("<II", body[40:place]):
            if place + length > size or offset + length > bins:
                return
            pages.append((offset, body[place : place + length]))
            place += length
        yield _Entry(sequence, flags, bins, tuple(pages))
        last, at = sequence, at + size


def _fits(hive: bytearray, pages: Sequence[tuple[int, bytes]]) -> bool:
    """Whether the pages leave no hole: a hive grows by what its log holds, not to where a page says it lies."""
    most = max((offset + len(page) for offset, page in pages), default=0)
    return 4096 + most <= len(hive) + sum(len(page) for _, page in pages)


def _write(hive: bytearray, bins: int, pages: Sequence[tuple[int, bytes]]) -> None:
    most = max((offset + len(page) for offset, page in pages), default=0)
    if len(hive) < 4096 + most:
        hive.extend(bytes(4096 + most - len(hive)))
    for offset, page in pages:
        hive[4096 + offset : 4096 + offset + len(page)] = page
    struct.pack_into("<I", hive, 40, bins)


def marvin32(data: bytes, seed: tuple[int, int] = _SEED) -> int:
    """Return the Marvin32 hash (64 bits); `seed` is its low and high word, as registry logs use it.

    Source: N. Ferguson, US patent 8,555,392; the seed from the format specification.
    """
    low, high = seed
    whole = len(data) & ~3
    tail = int.from_bytes(data[whole:] + b"\x80", "little")
    words = struct.iter_unpack("<I", memoryview(data)[:whole])
    for (word,) in chain(words, ((tail,), (0,))):
        low = (low + word) & _ALL
        high ^= low
        low = ((low << 20 | low >> 12) + high) & _ALL
        high = (high << 9 | high >> 23) & _ALL ^ low
        low = ((low << 27 | low >> 5) + high) & _ALL
        high = (high << 19 | high >> 13) & _ALL
    return high << 32 | low
