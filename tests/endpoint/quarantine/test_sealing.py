from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.quarantine import sealing
from sakimori.endpoint.quarantine.sealing import CHUNK, Damaged

KEY = bytes(range(32))
NOISE = random.Random(1).randbytes(2 * CHUNK + 3)


def sealed(content: bytes, key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    sealing.seal(io.BytesIO(content).read, out.write, key)
    return out.getvalue()


def unsealed(data: bytes, key: bytes = KEY) -> bytes:
    return b"".join(sealing.unseal(io.BytesIO(data).read, key))


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    head, at, found = data[:40], 40, []
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[at:end])
        at = end
    return head, found


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1])
@pytest.mark.parametrize("noise", [True, False])
def test_what_is_sealed_is_given_back(size: int, noise: bool) -> None:
    content = NOISE[:size] if noise else bytes(size)
    assert unsealed(sealed(content)) == content


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=8))
@settings(max_examples=40, deadline=None)
def test_short_reads_make_no_difference(content: bytes, steps: list[int]) -> None:
    source, out, left = io.BytesIO(content), io.BytesIO(), list(steps)

    def read(size: int) -> bytes:
        return source.read(min(size, left.pop()) if left else size)

    sealing.seal(read, out.write, KEY)
    assert unsealed(out.getvalue()) == content


def test_the_same_content_is_never_sealed_alike() -> None:
    assert sealed(b"x" * 50) != sealed(b"x" * 50)


def test_what_compresses_takes_less_room() -> None:
    assert len(sealed(bytes(CHUNK * 3))) < 1000


def test_the_content_does_not_show() -> None:
    assert b"recognisable" not in sealed(b"recognisable" * 3)


@pytest.mark.parametrize("content", [b"", b"twenty bytes of text", bytes(2000)])
def test_any_changed_byte_is_found(content: bytes) -> None:
    data = sealed(content)
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 1
        with pytest.raises(Damaged):
            unsealed(bytes(wrong))


def test_any_cut_is_found_and_so_is_what_was_added() -> None:
    data = sealed(NOISE)
    _head, found = pieces(data)
    ends = [40 + sum(map(len, found[:n])) for n in range(3)]
    for end in [0, 7, 39, *ends, *(e + 1 for e in ends), *(e + 4 for e in ends), len(data) - 1]:
        with pytest.raises(Damaged):
            unsealed(data[:end])
    for more in (b"\0", b"\0\0\0\x11", found[-1], found[0]):
        with pytest.raises(Damaged):
            unsealed(data + more)


def test_pieces_that_change_places_are_found() -> None:
    head, (one, two, three) = pieces(sealed(NOISE))
    other = pieces(sealed(NOISE))[1]
    for wrong in (
        [two, one, three],
        [one, three],
        [one, one, three],
        [one, two, other[2]],
        [one, two],
    ):
        with pytest.raises(Damaged):
            unsealed(head + b"".join(wrong))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Damaged):
        unsealed(sealed(b"x"), bytes(32))


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_junk_is_damage_and_nothing_else(junk: bytes) -> None:
    for data in (junk, b"SKMRQ01\n" + junk):
        with pytest.raises(Damaged):
            unsealed(data)


def test_a_record_is_bound_to_what_it_is_about() -> None:
    record = sealing.seal_record(KEY, b"data", b"entry 1")
    assert sealing.unseal_record(KEY, record, b"entry 1") == b"data"
    for key, data, about in (
        (KEY, record, b"entry 2"),
        (bytes(32), record, b"entry 1"),
        (KEY, record[:-1], b"entry 1"),
        (KEY, b"", b"entry 1"),
    ):
        with pytest.raises(Damaged):
            sealing.unseal_record(key, data, about)
