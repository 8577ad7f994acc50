"""Small containers of every kind around given bytes, made by other code than the one under test."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from email.message import EmailMessage
from typing import TYPE_CHECKING

import py7zr
import pycdlib
import pyzipper
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

# The EICAR test file, in two halves: no file of this repository shall be a detection itself.
EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-" + "TEST-FILE!$H+H*").encode()
NAME = "inner.txt"
Files = dict[str, bytes]


def zipped(
    files: Files,
    method: int = zipfile.ZIP_DEFLATED,
    *,
    password: bytes = b"",
    streamed: bool = False,
) -> bytes:
    out = io.BytesIO()
    if password:
        with pyzipper.AESZipFile(out, "w", method, encryption=pyzipper.WZ_AES) as archive:
            archive.setpassword(password)
            for name, data in files.items():
                archive.writestr(name, data)
        return out.getvalue()
    with zipfile.ZipFile(_Forward(out) if streamed else out, "w", method) as archive:  # type: ignore[arg-type]
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class _Forward:
    """A file that cannot go back: zipfile then writes sizes behind the data."""

    def __init__(self, out: io.BytesIO) -> None:
        self.write, self.flush = out.write, out.flush


def zip_crypto(name: str, data: bytes, password: bytes) -> bytes:
    """One member by the traditional PKWARE encryption. Source: APPNOTE 6.1."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    table = []
    for n in range(256):
        value = n
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)

    def step(crc: int, byte: int) -> int:
        return (crc >> 8) ^ table[(crc ^ byte) & 255]

    def update(byte: int) -> None:
        keys[0] = step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = step(keys[2], keys[1] >> 24)

    def lock(plain: bytes) -> bytes:
        out = bytearray()
        for byte in plain:
            key = keys[2] | 2
            out.append(byte ^ (key * (key ^ 1) >> 8 & 255))
            update(byte)
        return bytes(out)

    for byte in password:
        update(byte)
    crc = zlib.crc32(data)
    body = lock(bytes(11) + bytes((crc >> 24,))) + lock(data)
    sizes = struct.pack("<HHHHIII", 1, 0, 0, 0, crc, len(body), len(data))
    local = b"PK\3\4" + struct.pack("<H", 20) + sizes + struct.pack("<HH", len(name), 0)
    local += name.encode()
    central = b"PK\1\2" + struct.pack("<HH", 20, 20) + sizes
    central += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name.encode()
    first = local + body
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(first), 0)
    return first + central + b"PK\5\6" + end


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def seven(files: Files, *, password: str | None = None, filters: object = None) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(
        out, "w", password=password, filters=filters, header_encryption=bool(password)
    ) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    half = len(data) // 2
    frames = [zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:])]
    return frames[0] + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + frames[1]


def cab(files: Files, *, method: int = 1) -> bytes:
    """One folder; blocks of 32 KiB, each packed with the one before as its dictionary."""
    plain = b"".join(files.values())
    parts = [plain[at : at + 32768] for at in range(0, len(plain), 32768)] or [b""]
    data, history = b"", b""
    for part in parts:
        body = part
        if method == 1:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, 0, history)
            body = b"CK" + packer.compress(part) + packer.flush()
            history = part
        data += struct.pack("<IHH", 0, len(body), len(part)) + body
    table, offset = b"", 0
    for name, content in files.items():
        table += struct.pack("<IIHHHH", len(content), offset, 0, 0, 0, 0x20) + name.encode() + b"\0"
        offset += len(content)
    start = 36 + 8 + len(table)
    folder = struct.pack("<IHH", start, len(parts), method)
    head = struct.pack(
        "<IIIIIBBHHHHH", 0, start + len(data), 0, 44, 0, 3, 1, 1, len(files), 0, 0, 0
    )
    return b"MSCF" + head + folder + table + data


def iso(files: Files, *, joliet: bool = True) -> bytes:
    image = pycdlib.PyCdlib()
    image.new(joliet=3 if joliet else None, rock_ridge="1.09")
    for number, (name, data) in enumerate(files.items()):
        image.add_fp(
            io.BytesIO(data),
            len(data),
            f"/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}" if joliet else None,
        )
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()


def ole(streams: Files) -> bytes:
    """Version 3, each stream as long as 4,096 bytes at least and so in sectors of its own."""
    end, free, sat = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    bodies, table, starts, sizes = [], [sat], [], []
    count = 1
    names = list(streams)
    entries = len(names) + 1
    directory_sectors = (entries * 128 + 511) // 512
    table += [*range(2, directory_sectors + 1), end]
    count += directory_sectors
    for data in streams.values():
        padded = data.ljust(4096, b"\0")
        padded += bytes(-len(padded) % 512)
        sectors = len(padded) // 512
        starts.append(count)
        sizes.append(max(len(data), 4096))
        table += [*range(count + 1, count + sectors), end]
        count += sectors
        bodies.append(padded)
    table += [free] * (-len(table) % 128)
    assert len(table) == 128, "one sector of the table is enough for tests"

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        head = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
        return (
            head
            + struct.pack("<III", free, right, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    directory = entry("Root Entry", 5, free, 1 if names else free, end, 0)
    for number, name in enumerate(names):
        right = number + 2 if number + 1 < len(names) else free
        directory += entry(name, 2, right, free, starts[number], sizes[number])
    directory = directory.ljust(directory_sectors * 512, b"\0")
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6)
    )
    head += bytes(6) + struct.pack("<IIIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0, 0)
    head += struct.pack("<109I", *([0] + [free] * 108))[4:]
    return head + struct.pack("<128I", *table) + directory + b"".join(bodies)


def ole_native(name: str, data: bytes) -> bytes:
    text = name.encode() + b"\0"
    body = struct.pack("<H", 2) + text + text + struct.pack("<II", 0x30000, len(text)) + text
    body += struct.pack("<I", len(data)) + data
    return struct.pack("<I", len(body)) + body


def eml(files: Files) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.net", "invoice"
    mail.set_content("See the file.\n")
    for name, data in files.items():
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def mbox(files: Files) -> bytes:
    one = b"From a@example.com Mon Jan  5 00:00:00 2009\n" + eml(files) + b"\n"
    return (
        b"From x@example.org Mon Jan  5 00:00:00 2009\nFrom: x@example.org\nTo: y@example.org\n\nhi\n\n"
        + one
    )


def gz_twice(data: bytes) -> bytes:
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


WRAPS: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda d: zipped({NAME: d}),
    "zip stored": lambda d: zipped({NAME: d}, zipfile.ZIP_STORED),
    "zip bzip2": lambda d: zipped({NAME: d}, zipfile.ZIP_BZIP2),
    "zip lzma": lambda d: zipped({NAME: d}, zipfile.ZIP_LZMA),
    "zip sizes behind": lambda d: zipped({NAME: d}, streamed=True),
    "zip behind a picture": lambda d: b"GIF89a" + bytes(1000) + zipped({NAME: d}),
    "zip in a program": lambda d: b"MZ" + bytes(1000) + zipped({NAME: d}) + b"signature" * 20,
    "zip AES": lambda d: zipped({NAME: d}, password=b"infected"),
    "zip ZipCrypto": lambda d: zip_crypto(NAME, d, b"infected"),
    "7z": lambda d: seven({NAME: d}),
    "7z encrypted": lambda d: seven({NAME: d}, password="infected"),  # noqa: S106 - what samples are packed with
    "7z in a program": lambda d: b"MZ" + bytes(1000) + seven({NAME: d}),
    "tar pax": lambda d: tarred({NAME: d}),
    "tar gnu": lambda d: tarred({"d/" * 80 + NAME: d}, tarfile.GNU_FORMAT),
    "tar ustar": lambda d: tarred({NAME: d}, tarfile.USTAR_FORMAT),
    "gz": gzip.compress,
    "gz of two members": gz_twice,
    "bz2": lambda d: bz2.compress(d[:9]) + bz2.compress(d[9:]),
    "xz": lambda d: lzma.compress(d[:9]) + bytes(8) + lzma.compress(d[9:]),
    "lzma": lambda d: lzma.compress(d, lzma.FORMAT_ALONE),
    "zstd": zstd,
    "cab stored": lambda d: cab({NAME: d}, method=0),
    "cab MSZIP": lambda d: cab({"a.txt": b"first", NAME: d}),
    "iso": lambda d: iso({NAME: d}),
    "iso Rock Ridge": lambda d: iso({NAME: d}, joliet=False),
    "ole": lambda d: ole({"Contents": d}),
    "ole native": lambda d: ole({"a": b"", "\1Ole10Native": ole_native("x.exe", d)}),
    "eml": lambda d: eml({NAME: d}),
    "mbox": lambda d: mbox({NAME: d}),
}
