from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.readers import Source, name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,  # as the zstd program does
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
packed = pytest.mark.parametrize("packing", PACKERS)
squeezed = pytest.mark.parametrize("packing", [name for name in PACKERS if name != "plain"])
TEXT = b"".join(b"line %d\n" % n for n in range(5000))


@pytest.fixture
def source(tmp_path: Path) -> Callable[[bytes], Source]:
    def write(content: bytes) -> Source:
        (tmp_path / "log").write_bytes(content)
        return Source(tmp_path / "log")

    return write


@packed
def test_the_content_is_the_same_however_it_is_packed(source: Callable, packing: str) -> None:
    opened = source(PACKERS[packing](TEXT))
    assert b"".join(opened.chunks(1000)) == TEXT
    assert opened.head == TEXT[: 64 * 1024]
    assert opened.digest_of().digest() == hashlib.sha256(TEXT).digest()
    assert opened.warnings == []


@packed
def test_members_one_after_the_other_are_one_content(source: Callable, packing: str) -> None:
    pack = PACKERS[packing]
    opened = source(pack(b"a\n") + pack(b"b\n") + pack(TEXT))
    assert b"".join(opened.chunks()) == b"a\nb\n" + TEXT
    assert opened.warnings == []


@squeezed
def test_what_is_cut_short_gives_what_is_there_and_one_warning(
    source: Callable, packing: str
) -> None:
    noise = b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b"\n" for n in range(20_000))
    whole = PACKERS[packing](noise)
    opened = source(whole[: len(whole) * 2 // 3])
    for _ in range(2):
        got = b"".join(opened.chunks())
        assert noise.startswith(got)
    assert len(got) > len(noise) // 10 or packing == "bzip2"
    assert len(opened.warnings) == 1
    assert packing in opened.warnings[0]


@squeezed
def test_what_is_damaged_in_the_middle_ends_there_with_a_warning(
    source: Callable, packing: str
) -> None:
    whole = bytearray(PACKERS[packing](TEXT))
    whole[len(whole) // 2 : len(whole) // 2 + 20] = b"\xff" * 20
    opened = source(bytes(whole))
    assert TEXT.startswith(b"".join(opened.chunks())[:1000])
    assert opened.warnings


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh"])
def test_a_packed_file_of_its_first_bytes_alone_is_empty_with_a_warning(
    source: Callable, magic: bytes
) -> None:
    opened = source(magic)
    assert opened.head == b""
    assert list(opened.blocks()) == []
    assert opened.warnings


@settings(max_examples=50, deadline=None)
@given(
    data=st.binary(max_size=200),
    packing=st.sampled_from(list(PACKERS)),
    cut=st.integers(0, 200),
)
def test_blocks_give_every_byte_once_in_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, packing: str, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(PACKERS[packing](data))
    opened = Source(path)
    blocks = list(opened.blocks(cut + 1))
    assert b"".join(b.data for b in blocks) == data
    at = 0
    for block in blocks:
        assert block.start == at
        assert block.line == data[:at].count(b"\n") + 1
        assert block.data.endswith(b"\n") != block.tail
        at += len(block.data)
    whole = data[: data.rfind(b"\n") + 1]
    assert (opened.finished, opened.line) == (len(whole), whole.count(b"\n") + 1)
    assert opened.digest.digest() == hashlib.sha256(whole).digest()
    assert opened.rest == data[len(whole) :]


@settings(max_examples=50, deadline=None)
@given(data=st.binary(min_size=1, max_size=200))
def test_any_bytes_can_be_opened(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    for magic in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh9"):
        path.write_bytes(magic + data)
        opened = Source(path)
        assert sum(len(block.data) for block in opened.blocks()) == len(b"".join(opened.chunks()))


@packed
def test_reading_may_begin_where_it_ended_before(source: Callable, packing: str) -> None:
    opened = source(PACKERS[packing](TEXT))
    offset = len(b"".join(TEXT.splitlines(keepends=True)[:1234]))
    opened.begin_at(offset, 1235, opened.digest_of(offset))
    blocks = list(opened.blocks(100))
    assert blocks[0].line == 1235
    assert blocks[0].start == offset
    assert b"".join(b.data for b in blocks) == TEXT[offset:]
    assert opened.digest.digest() == hashlib.sha256(TEXT).digest()


def test_the_digest_of_more_than_there_is_is_none(source: Callable) -> None:
    opened = source(b"four")
    assert opened.digest_of(4).digest() == hashlib.sha256(b"four").digest()
    assert opened.digest_of(2).digest() == hashlib.sha256(b"fo").digest()
    assert opened.digest_of(5) is None


def test_a_line_without_end_is_refused_with_its_number(
    source: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.readers._source.LONGEST_LINE", 1000)
    opened = source(b"a\nb\n" + b"x" * 5000)
    with pytest.raises(SourceError, match=r"log:3: a line is longer") as raised:
        list(opened.blocks(100))
    assert raised.value.hint


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_cannot_be_opened_is_a_source_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(SourceError) as raised:
        Source(path)
    assert str(path) in str(raised.value)
    assert raised.value.hint


def test_progress_counts_the_bytes_on_disk(source: Callable) -> None:
    opened = source(gzip.compress(TEXT))
    seen: list[int] = []
    opened.on_bytes = seen.append
    list(opened.blocks())
    assert sum(seen) == opened.size < len(TEXT)


def test_standard_input_is_read_once_and_can_be_gone_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT)))
    monkeypatch.setattr("sys.stdin", stream)
    opened = Source(None, spool=tmp_path)
    assert opened.name == "-"
    assert b"".join(opened.chunks()) == b"".join(opened.chunks()) == TEXT
    assert len(list(tmp_path.iterdir())) == 1  # beside the lake, not where the disk may be small
    del opened
    assert list(tmp_path.iterdir()) == []


@packed
def test_a_local_file_is_seekable_and_unpacked(source: Callable, packing: str) -> None:
    with source(PACKERS[packing](TEXT)).local_file() as path, path.open("rb") as file:
        file.seek(10)
        assert file.read() == TEXT[10:]


def test_a_name_that_is_no_utf8_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / b"conn-\x93\xfa.log".decode("utf-8", "surrogateescape")
    path.write_bytes(b"x\n")
    assert Source(path).name == name_of(path)
    assert name_of(path).encode().endswith("conn-\ufffd\ufffd.log".encode())
