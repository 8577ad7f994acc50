"""Containers of every kind: what is inside is found; bombs and broken ones end soon and quietly."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pycdlib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

import unpack_samples as samples

from sakimori.endpoint.unpack import READERS, Limits, Member, Problem, kind_of, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1024 * 1024
WORDS = ("wrong", "infected")
CONTENT = samples.EICAR + bytes(range(256)) * 8
SAMPLES = {name: wrap(CONTENT) for name, wrap in samples.WRAPS.items()}
PLAIN = {"iso", "iso Rock Ridge", "tar pax", "tar gnu", "tar ustar"}  # end with padding
HOME = Path(__file__).parents[3] / "src/sakimori/endpoint/unpack"


def members(items: Iterable[Member | Problem]) -> dict[str, bytes]:
    return {item.name: item.data for item in items if isinstance(item, Member)}


def problems(items: Iterable[Member | Problem]) -> list[Problem]:
    return [item for item in items if isinstance(item, Problem)]


def opened(data: bytes, name: str = "file.bin") -> list[Member | Problem]:
    return list(unpack(data, name=name, passwords=WORDS))


def test_every_file_of_the_package_has_a_reader() -> None:
    homes = {reader.__module__.rsplit(".", 1)[-1] for reader in READERS.values()}
    assert homes == {p.stem for p in HOME.glob("[!_]*.py")}


@pytest.mark.parametrize("wrap", samples.WRAPS)
def test_the_test_file_is_found_in(wrap: str) -> None:
    items = opened(samples.WRAPS[wrap](samples.EICAR))
    assert not problems(items)
    assert samples.EICAR in {data.rstrip(b"\0\n") for data in members(items).values()}


@pytest.mark.parametrize("wrap", samples.WRAPS)
def test_the_test_file_is_found_five_layers_deep_in(wrap: str) -> None:
    data = samples.EICAR
    for outer in (wrap, "gz", "zip", wrap, "tar pax"):
        data = samples.WRAPS[outer](data)
    found = members(opened(data))
    assert any(samples.EICAR in d and len(d) < 5000 for d in found.values())
    assert max(name.count("/") for name in found) >= 4


def test_names_are_kept_as_they_are() -> None:
    names = ["../../etc/passwd", "/abs", "a\nb", "C:\\x", "日本.txt", "x" * 150]
    for pack in (samples.zipped, samples.tarred):
        assert list(members(opened(pack(dict.fromkeys(names, b"1"))))) == names


def test_names_of_unknown_encoding_stay_distinct() -> None:
    data = samples.tarred({"ab": b"1"}).replace(b"ab\0", b"\xff\xfe\0", 1)
    broken = bytearray(data)
    broken[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert list(members(opened(bytes(broken)))) == ["\udcff\udcfe"]


def test_a_single_compressed_file_is_named_by_its_file() -> None:
    assert list(members(opened(gzip.compress(b"x"), "report.csv.gz"))) == ["report.csv"]
    assert list(members(opened(lzma.compress(samples.tarred({"a": b""})), "r.txz"))) == [
        "r.tar",
        "r.tar/a",
    ]


def test_links_and_devices_are_named_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link, pipe = tarfile.TarInfo("link"), tarfile.TarInfo("pipe")
        link.type, link.linkname, pipe.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.FIFOTYPE
        archive.addfile(link)
        archive.addfile(pipe)
    assert members(opened(out.getvalue())) == {"link": b"/etc/passwd", "pipe": b""}


def test_a_wrong_password_is_a_problem_of_the_member() -> None:
    for wrap in ("zip AES", "zip ZipCrypto"):
        items = list(unpack(SAMPLES[wrap], passwords=["no"]))
        assert [p.member for p in problems(items)] == ["inner.txt"]
        assert "encrypted" in problems(items)[0].reason


def test_a_member_that_only_its_own_header_names_is_found() -> None:
    hidden = samples.zipped({"hidden": b"h"}, zipfile.ZIP_STORED)
    local = hidden[: hidden.index(b"PK\1\2")]
    assert members(opened(local + samples.zipped({"shown": b"s"}))) == {
        "shown": b"s",
        "hidden": b"h",
    }


def test_a_header_that_contradicts_the_directory_is_read_too() -> None:
    data = bytearray(samples.zipped({"a": samples.EICAR * 9}))
    at = data.index(b"PK\1\2")
    data[at + 10 : at + 12] = b"\0\0"  # the directory says stored
    assert samples.EICAR * 9 in members(opened(bytes(data))).values()
    assert len([i for i in opened(bytes(data)) if isinstance(i, Member)]) == 2


def test_a_zip_without_its_end_gives_its_members() -> None:
    data = samples.zipped({"a": b"1" * 999, "b": b"2"}, streamed=True)
    items = opened(data[: data.index(b"PK\1\2")])
    assert members(items) == {"a": b"1" * 999, "b": b"2"}
    assert "no directory" in problems(items)[0].reason


def test_lzx_cabinets_are_reported() -> None:
    data = samples.cab({"a": b"x"}, method=0x1503)
    assert problems(opened(data)) == [
        Problem("a", "is packed by LZX, which is not known here; left packed")
    ]


def test_msi_names_are_decoded() -> None:
    squeezed = "\u4840" + chr(0x3800 + 10 + (11 << 6)) + chr(0x4800 + 12)
    assert "!ABC" in members(opened(samples.ole({squeezed: b"x"})))


def test_uuencoded_text_of_a_mail_is_taken_out() -> None:
    text = b"From: a@example.com\nSubject: x\n\nhello\nbegin 644 cat.txt\n#0V%T\n`\nend\n"
    assert members(opened(text))["cat.txt"] == b"Cat"


def test_a_sparse_tar_is_spread_out() -> None:
    block = bytearray(tarfile.TarInfo("s").tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[156:157] = b"00000000003\0", b"S"
    block[386:410], block[483:495] = b"00000000005\0" + b"00000000003\0", b"00000000012\0"
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    data = bytes(block) + b"abc".ljust(512, b"\0") + bytes(1024)
    assert members(opened(data)) == {"s": b"\0" * 5 + b"abc" + b"\0" * 2}


class TestBombs:
    """Each ends within two seconds of CPU and is named."""

    ZEROS: ClassVar[bytes] = bytes(16 * MIB)

    @pytest.mark.parametrize("wrap", ["zip bzip2", "zip lzma", "xz", "lzma", "7z", "zstd"])
    def test_of_one_layer(self, wrap: str) -> None:
        began = time.process_time()
        packed = samples.WRAPS[wrap](self.ZEROS)
        built = time.process_time()
        items = opened(packed)
        assert time.process_time() - built < 2 + built - began
        assert "decompression bomb" in problems(items)[-1].reason
        assert any(data.startswith(bytes(100_000)) for data in members(items).values())

    @pytest.mark.parametrize("wrap", ["gz", "zip", "cab MSZIP"])
    def test_of_two_layers(self, wrap: str) -> None:
        items = opened(gzip.compress(samples.WRAPS[wrap](self.ZEROS)))
        assert "decompression bomb" in problems(items)[-1].reason

    def test_of_many_zips_in_zips(self) -> None:
        data = samples.zipped({"0": bytes(MIB)})
        for _ in range(4):
            data = samples.zipped({str(n): data for n in range(16)})
        items = opened(data)
        assert "decompression bomb" in problems(items)[-1].reason
        assert sum(map(len, members(items).values())) < 300 * len(data) + MIB

    def test_of_overlapping_members(self) -> None:
        data = bytearray(samples.zipped({"a": bytes(MIB), "b": bytes(MIB)}))
        at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
        data[at + 42 : at + 46] = struct.pack("<I", 20)
        assert any("over each other" in p.reason for p in problems(opened(bytes(data))))

    def test_of_a_window_larger_than_memory(self) -> None:
        alone = lzma.compress(b"a", lzma.FORMAT_ALONE)
        huge = alone[:1] + struct.pack("<I", 3 << 29) + alone[5:]
        head = bytearray(lzma.compress(b"a")[:24])
        head[16] = 39
        head[20:24] = struct.pack("<I", zlib.crc32(bytes(head[12:20])))
        for data in (huge, bytes(head) + lzma.compress(b"a")[24:]):
            assert "MiB of memory" in problems(opened(data))[0].reason

    def test_of_a_size_that_cannot_be(self) -> None:
        info = tarfile.TarInfo("big")
        info.size = 2**63 - 1
        items = opened(info.tobuf(tarfile.GNU_FORMAT) + b"first")
        assert members(items) == {"big": b"first"}
        assert "ends after 5 of 9,223" in problems(items)[0].reason

    def test_of_layers(self) -> None:
        data = samples.EICAR
        for _ in range(30):
            data = gzip.compress(data)
        assert "8 layers deep" in problems(opened(data))[0].reason

    def test_of_members(self) -> None:
        box = b"From a\nFrom: a\nTo: b\n\nx\n" * 500
        items = list(unpack(box, limits=Limits(members=100)))
        assert "more than 100 members" in problems(items)[-1].reason
        assert len(items) < 110

    def test_of_time(self) -> None:
        items = list(unpack(gzip.compress(bytes(MIB)), limits=Limits(seconds=-1)))
        assert "longer than" in problems(items)[-1].reason

    def test_of_folders_in_a_ring(self) -> None:
        image, out = pycdlib.PyCdlib(), io.BytesIO()
        image.new()
        image.add_directory("/D")
        image.add_fp(io.BytesIO(b"hi"), 2, "/D/F.;1")
        image.write_fp(out)
        image.close()
        data = bytearray(out.getvalue())
        (root,) = struct.unpack_from("<I", data, 16 * 2048 + 158)
        at = data.index(b"\1D", root * 2048) - 32
        (folder,) = struct.unpack_from("<I", data, at + 2)
        extra = bytearray(data[at : at + data[at]])  # a folder in D that is the root again
        extra[2:6] = struct.pack("<I", root)
        end = folder * 2048 + sum(data[folder * 2048 + n] for n in (0, 34))
        end += data[end]
        data[end : end + len(extra)] = extra
        assert members(opened(bytes(data))) == {"D/F": b"hi"}

    def test_of_sectors_in_a_ring(self) -> None:
        data = bytearray(samples.ole({"a": b"x" * 6000}))
        at = data.index(struct.pack("<I", 0xFFFFFFFE), 520)
        data[at : at + 4] = struct.pack("<I", 3)
        data = data.replace(struct.pack("<IQ", 2, 6000), struct.pack("<IQ", 2, 1 << 30))
        assert "in a ring" in problems(opened(bytes(data)))[0].reason

    def test_a_member_too_large_for_memory_is_cut_but_a_tar_in_it_is_read(self) -> None:
        tar = samples.tarred({"filler": bytes(range(256)) * 800, "late": samples.EICAR})
        limits = Limits(member=100_000)
        items = list(unpack(gzip.compress(tar), name="t.tgz", limits=limits))
        assert members(items)["t.tar/late"] == samples.EICAR
        assert len(members(items)["t.tar"]) == 100_000
        assert [p.member for p in problems(items)] == ["t.tar/filler"]


@pytest.mark.parametrize("wrap", SAMPLES)
def test_cut_off_anywhere_nothing_is_raised(wrap: str) -> None:
    data = SAMPLES[wrap]
    for part in range(25):
        for item in opened(data[: len(data) * part // 20]):
            assert isinstance(item, (Member, Problem))


@pytest.mark.parametrize("wrap", SAMPLES)
def test_cut_off_in_the_middle_is_said(wrap: str) -> None:
    data = SAMPLES[wrap]
    data = data[: (data.index(samples.EICAR[:40]) + 1500) if wrap in PLAIN else len(data) * 2 // 3]
    if wrap not in {"zip in a program", "7z in a program", "zip behind a picture", "eml", "mbox"}:
        assert problems(opened(data))  # those are told by their end; a shorter mail is a mail


@pytest.mark.parametrize("wrap", SAMPLES)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.integers(0, 3), st.binary(max_size=8)),
        min_size=1,
        max_size=6,
    )
)
def test_changed_anywhere_nothing_is_raised_or_written(
    wrap: str,
    edits: list[tuple[int, int, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    data = bytearray(SAMPLES[wrap])
    for place, kind, piece in edits:
        at = place % (len(data) + 1)
        end = at + (len(piece) if kind == 0 else 40 if kind == 1 else 0)
        data[at:end] = piece if kind != 1 else b""
    began = time.process_time()
    for item in opened(bytes(data)):
        assert isinstance(item, (Member, Problem))
    assert time.process_time() - began < 2
    assert not list(tmp_path.iterdir())


@given(st.binary(max_size=600))
@settings(max_examples=50, deadline=None)
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    assert kind_of(data, len(data), data) in {None, *READERS}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"hello world",
        b"\x7fELF" + bytes(600),
        b"From here on, it rains.\n",
        bytes(40000),
        b"]\0 is an array",
        b"to: do\nlist",
        b"BZh is not bzip2",
        b"Date: 2009",
    ],
)
def test_what_is_no_container_is_left_alone(data: bytes) -> None:
    assert kind_of(data, len(data), data) is None
    assert opened(data) == []


def test_a_file_is_read_from_disk_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt.gz"
    path.write_bytes(gzip.compress(b"hi"))
    assert list(unpack(path)) == [Member("notes.txt", b"hi")]
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt.gz"]
    with pytest.raises(OSError, match="missing"):
        list(unpack(tmp_path / "missing"))


def test_a_mail_of_thousands_of_parts_within_parts_is_said_in_words() -> None:
    level = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
    mail = b"Subject: x\nMIME-Version: 1.0\n" + b"".join(level % (n, n) for n in range(3000))
    (said,) = problems(opened(mail, "bomb.eml"))
    assert "parts within parts" in said.reason
