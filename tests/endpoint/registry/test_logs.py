from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.registry.hive import logs_beside, read_hive
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.hive_write import checksum
from sakimori.endpoint.registry.logs import Recovered, is_dirty, marvin32, recover
from sakimori.endpoint.registry.model import Key, Value

if TYPE_CHECKING:
    from pathlib import Path

WHEN = datetime(2009, 11, 25, tzinfo=UTC)


def hive(text: bytes) -> bytes:
    return build_hive([Key("S\\a", WHEN, "BA", "SY", "D:", "", (Value("v", 3, text),))])


OLD, NEW = hive(b"before"), hive(b"after!")  # they differ in one place
SEQUENCE = 1
CHANGED = next(n for n in range(4096, len(NEW), 512) if OLD[n : n + 512] != NEW[n : n + 512]) - 4096


def summed(block: bytes | bytearray) -> bytes:
    new = bytearray(block)
    struct.pack_into("<I", new, 508, checksum(new))
    return bytes(new)


def dirty(data: bytes) -> bytes:
    """Return a hive whose writing began and did not end."""
    new = bytearray(data)
    struct.pack_into("<I", new, 4, SEQUENCE + 1)
    return summed(new)


def base(kind: int, first: int, second: int) -> bytes:
    head = bytearray(OLD[:512])
    struct.pack_into("<II", head, 4, first, second)
    struct.pack_into("<I", head, 28, kind)
    return summed(head)


def old_log(*, kind: int = 1) -> bytes:
    bits = 1 << (CHANGED // 512)
    vector = b"DIRT" + bits.to_bytes((len(OLD) - 4096) // 512 // 8, "little")
    return base(kind, 2, 2) + vector.ljust(512, b"\0") + NEW[4096 + CHANGED : 4096 + CHANGED + 512]


def entry(sequence: int, page: bytes, bins: int = len(OLD) - 4096) -> bytes:
    body = struct.pack("<II", CHANGED, len(page)) + page
    size = (40 + len(body) + 511) & ~511
    body = body.ljust(size - 40, b"\0")
    head = struct.pack("<4s5IQ", b"HvLE", size, 0, sequence, bins, 1, marvin32(body))
    return head + struct.pack("<Q", marvin32(head)) + body


def new_log(*entries: bytes) -> bytes:
    return base(6, 2, 2) + b"".join(entries)


AFTER = NEW[4096 + CHANGED : 4096 + CHANGED + 512]
BEFORE = OLD[4096 + CHANGED : 4096 + CHANGED + 512]


def bins(found: Recovered) -> bytes:
    return found.data[4096:]


def reasons(found: Recovered) -> str:
    return "; ".join(problem.reason for problem in found.problems)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [("", 0x30ED35C100CD3C7D), ("af", 0x48E73FC77D75DDC1), ("e70f", 0xB5F6E1FC485DBFF8)],
)
def test_marvin32_gives_the_published_hashes(data: str, wanted: int) -> None:
    assert marvin32(bytes.fromhex(data), (0x001BDBCC, 0x004FB61A)) == wanted


def test_a_clean_hive_needs_no_log() -> None:
    assert not is_dirty(OLD)
    found = recover(OLD, [("L", new_log(entry(SEQUENCE, AFTER)))], "h")
    assert (found.data, found.clean, found.notes) == (OLD, True, ())


@pytest.mark.parametrize("log", [old_log(), old_log(kind=2), new_log(entry(SEQUENCE, AFTER))])
def test_a_log_finishes_what_was_begun(log: bytes) -> None:
    found = recover(dirty(OLD), [("h.LOG1", log), ("h.LOG2", b"")], "h")
    assert bins(found) == NEW[4096:]
    assert found.clean
    assert "h.LOG1" in found.notes[0]
    assert not is_dirty(found.data)
    assert found.problems == ()


def test_entries_go_on_from_one_log_to_the_next_whatever_their_order() -> None:
    first = new_log(entry(SEQUENCE + 1, AFTER))
    second = new_log(entry(SEQUENCE - 1, bytes(512)), entry(SEQUENCE, BEFORE))
    found = recover(dirty(OLD), [("h.LOG1", first), ("h.LOG2", second)], "h")
    assert bins(found) == NEW[4096:]
    assert [note.partition(":")[0] for note in found.notes] == ["h.LOG2", "h.LOG1"]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (new_log(entry(SEQUENCE + 5, AFTER)), "begins with 6, sequence 1 is wanted"),
        (new_log(entry(SEQUENCE, AFTER)[:-1] + b"x"), "no whole entry"),
        (new_log(entry(SEQUENCE, AFTER, bins=100)), "no whole entry"),
        (old_log()[:508] + b"zzzz" + old_log()[512:], "own checksum"),
        (old_log()[:-1], "no whole pages"),
        (base(1, 3, 2) + old_log()[512:], "not written to its end"),
        (
            summed(old_log()[:12] + bytes(8) + old_log()[20:512]) + old_log()[512:],
            "of another time",
        ),
        (b"text", "no transaction log"),
    ],
)
def test_a_log_that_does_not_fit_is_told_and_not_applied(log: bytes, reason: str) -> None:
    found = recover(dirty(OLD), [("h.LOG1", log)], "h")
    assert reason in reasons(found)
    assert "no transaction log fits" in reasons(found)
    assert not found.clean
    assert bins(found) == OLD[4096:]


def test_a_dirty_hive_alone_is_read_and_told() -> None:
    found = recover(dirty(OLD), [], "h")
    assert "no transaction log is beside it" in reasons(found)
    assert not found.clean


def test_a_broken_base_block_comes_back_from_the_log() -> None:
    broken = bytearray(OLD)
    broken[36:40] = b"\xff\xff\0\0"  # the root's place
    found = recover(bytes(broken), [("h.LOG1", old_log())], "h")
    assert found.data[36:40] == OLD[36:40]
    assert found.clean


def test_logs_are_found_beside_the_hive_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "NTUSER.DAT").write_bytes(dirty(OLD))
    (tmp_path / "ntuser.dat.log2").write_bytes(b"")
    (tmp_path / "NTUSER.DAT.LOG1").write_bytes(new_log(entry(SEQUENCE, AFTER)))
    assert [p.name for p in logs_beside(tmp_path / "NTUSER.DAT")] == [
        "NTUSER.DAT.LOG1", "ntuser.dat.log2",
    ]  # fmt: skip
    with_logs = read_hive(tmp_path / "NTUSER.DAT", "HKCU")
    without = read_hive(tmp_path / "NTUSER.DAT", "HKCU", logs=[])
    assert (with_logs.keys[1].values[0].data, with_logs.problems) == (b"after!", ())
    assert (without.keys[1].values[0].data, len(without.problems)) == (b"before", 1)
    assert (tmp_path / "NTUSER.DAT").read_bytes() == dirty(OLD)


def test_a_page_far_beyond_the_hive_is_not_followed_there() -> None:
    far = 0x7FFF0000
    body = struct.pack("<II", far, 512) + AFTER
    body = body.ljust(1024 - 40, b"\0")
    head = struct.pack("<4s5IQ", b"HvLE", 1024, 0, SEQUENCE, far + 4096, 1, marvin32(body))
    log = new_log(head + struct.pack("<Q", marvin32(head)) + body)
    found = recover(dirty(OLD), [("h.LOG1", log)], "h")
    assert len(found.data) == len(OLD)
    assert not found.clean


@given(st.integers(0, 1535), st.binary(min_size=1, max_size=40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_broken_log_is_applied_or_told(place: int, new: bytes, modern: bool) -> None:
    log = bytearray(new_log(entry(SEQUENCE, AFTER)) if modern else old_log())
    log[place : place + len(new)] = new
    found = recover(dirty(OLD), [("h.LOG1", bytes(log))], "h")
    assert bool(found.notes) is found.clean
    assert found.clean or found.problems
