"""A bundle as a folder, a .zip or a .tar: written the same each time, read without unpacking.

Archives hold their files as they are (no compression), in the order of their names, with one fixed
date. So an archive can be written again from its contents and must come out the same to the byte:
that is how `differs` finds a changed byte that no file inside shows.
Sources: PKWARE APPNOTE 6.3 (zip), POSIX.1-1988 ustar (tar).
"""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol

from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_BLOCK = 1 << 20
_DATE = (1 << 5) | 1  # 1980-01-01, the first day that zip knows
_MOST = 0xFFFFFFFF
ENDINGS = (".zip", ".tar")


@dataclass(frozen=True, slots=True)
class Part:
    """One file to be written: its size in bytes, and how to read it."""

    size: int
    open: Callable[[], IO[bytes]]


def of_bytes(data: bytes) -> Part:
    """Return bytes as a part."""
    return Part(len(data), lambda: io.BytesIO(data))


def of_file(path: Path) -> Part:
    """Return a file as a part. Raises OSError when it is not there."""
    return Part(path.stat().st_size, lambda: path.open("rb"))


class Files(Protocol):
    """The files of a bundle. Names use "/"; nothing is written anywhere."""

    def sizes(self) -> dict[str, int]:
        """Every file's name with its size in bytes."""

    def open(self, name: str) -> IO[bytes]:
        """Open one for reading."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give what is wrong with the container itself: where, and what."""


# Writing


def write(content: Mapping[str, Part], out: Path) -> None:
    """Write files as `out`: a .zip, a .tar or, with another ending, a new folder.

    Raises ConfigError when it is there already or too large for a zip, OSError when the disk is
    full; what was begun is for the caller to remove.
    """
    if out.suffix == ".zip":
        with out.open("xb") as file:
            write_zip(content, file.write)
            _sync(file)
    elif out.suffix == ".tar":
        with out.open("xb") as file:
            write_tar(content, file.write)
            _sync(file)
    else:
        for name in sorted(content):
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for block in _blocks(content[name]):
                    file.write(block)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def write_zip(content: Mapping[str, Part], put: Callable[[bytes], object]) -> None:
    """Write a zip through `put`. Raises ConfigError beyond 4 GiB or 65,535 files."""
    at, directory = 0, b""
    for name in sorted(content):
        crc, size = 0, 0
        for block in _blocks(content[name]):
            crc, size = zlib.crc32(block, crc), size + len(block)
        if at + size > _MOST - (1 << 20) or len(content) > 0xFFFF:
            raise ConfigError("this is too large for a zip", hint="name the bundle *.tar")
        # version, flags, method 0, time, date, crc, sizes, length of the name, no extra field
        same = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, _DATE, crc, size, size, len(name), 0)
        put(b"PK\x03\x04" + same + name.encode("ascii"))
        for block in _blocks(content[name]):
            put(block)
        # made by unix; no comment; disk 0; binary; a file that all may read
        mode = (stat.S_IFREG | 0o644) << 16
        directory += b"PK\x01\x02" + struct.pack("<H", 0x0314) + same
        directory += struct.pack("<HHHII", 0, 0, 0, mode, at) + name.encode("ascii")
        at += 30 + len(name) + size
    put(directory)
    put(b"PK\x05\x06" + struct.pack(
        "<HHHHIIH", 0, 0, len(content), len(content), len(directory), at, 0
    ))  # fmt: skip


def write_tar(content: Mapping[str, Part], put: Callable[[bytes], object]) -> None:
    """Write a tar through `put`. Raises ConfigError when a file is beyond 8 GiB."""
    for name in sorted(content):
        info = tarfile.TarInfo(name)
        info.size, info.mode = content[name].size, 0o644
        try:
            put(info.tobuf(tarfile.USTAR_FORMAT))
        except ValueError as error:
            raise ConfigError(
                f"{name} is too large for a tar", hint="name the bundle without an ending: a folder"
            ) from error
        for block in _blocks(content[name]):
            put(block)
        put(b"\0" * (-info.size % 512))
    put(b"\0" * 1024)


def _blocks(part: Part) -> Iterator[bytes]:
    with part.open() as file:
        yield from iter(lambda: file.read(_BLOCK), b"")


# Reading


UNREADABLE = (
    OSError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, EOFError,
    ValueError, KeyError, zlib.error, struct.error, OverflowError,
)  # fmt: skip # what the two libraries raise for damaged archives


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """Open a bundle or a chain's folder. Raises SourceError when it is neither.

    Reading a file of a damaged archive later may raise any of UNREADABLE.
    """
    if path.is_dir():
        yield Folder(path)
        return
    files = _archive(path)
    try:
        yield files
    finally:
        files.close()


def _archive(path: Path) -> Zip | Tar:
    if not path.is_file():
        raise SourceError("there is no bundle here", where=str(path), hint="check the path")
    try:
        return Zip(path) if zipfile.is_zipfile(path) else Tar(path)
    except UNREADABLE as error:
        raise SourceError(
            f"this is no bundle, or a damaged one: {error}",
            where=str(path),
            hint="a folder, .zip or .tar that `sakimori evidence export` wrote",
        ) from error


class Folder:
    """Files in a folder. A link or device is a fault, and never followed."""

    def __init__(self, root: Path) -> None:
        """Look into a folder."""
        self.root = root

    def _entries(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.root.rglob("*")):
            yield path.relative_to(self.root).as_posix(), path

    def sizes(self) -> dict[str, int]:
        """Every regular file's name with its size."""
        return {
            name: path.stat().st_size
            for name, path in self._entries()
            if path.is_file() and not path.is_symlink()
        }

    def open(self, name: str) -> IO[bytes]:
        """Open one for reading."""
        return (self.root / name).open("rb")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give each entry that is neither file nor folder."""
        for name, path in self._entries():
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                yield name, "this is a link or device, not a file; it was not followed"


class Zip:
    """Files in a zip."""

    def __init__(self, path: Path) -> None:
        """Open an archive."""
        self._path = path
        self._archive = zipfile.ZipFile(path)

    def close(self) -> None:
        """Close it."""
        self._archive.close()

    def sizes(self) -> dict[str, int]:
        """Every file's name with its size."""
        return {i.filename: i.file_size for i in self._archive.infolist()}

    def open(self, name: str) -> IO[bytes]:
        """Open one; compressed ones are refused, so that a small file cannot become a huge one."""
        info = self._archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"{name} is compressed")
        return self._archive.open(info)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give where the archive is not what `write_zip` writes."""
        yield from _differs(self._path, self, write_zip)


class Tar:
    """Files in a tar."""

    def __init__(self, path: Path) -> None:
        """Open an archive."""
        self._path = path
        self._archive = tarfile.open(path, "r:")  # noqa: SIM115 - closed by `close`
        try:
            self._members = self._archive.getmembers()
        except UNREADABLE:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._archive.close()

    def sizes(self) -> dict[str, int]:
        """Every file's name with its size."""
        return {i.name: i.size for i in self._members if i.isreg()}

    def open(self, name: str) -> IO[bytes]:
        """Open one for reading."""
        file = self._archive.extractfile(name)
        if file is None:
            raise tarfile.ReadError(f"{name} is no file")
        return file

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give where the archive is not what `write_tar` writes."""
        yield from _differs(self._path, self, write_tar)


class _Same:
    """Compares what is written with a file, block by block."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.at, self.wrong = file, 0, -1

    def put(self, data: bytes) -> None:
        found = self.file.read(len(data))
        if self.wrong < 0 and found != data:
            pairs = zip(found, data, strict=False)
            step = next((i for i, (a, b) in enumerate(pairs) if a != b), len(found))
            self.wrong = self.at + step
        self.at += len(data)


def _differs(
    path: Path,
    files: Files,
    writer: Callable[[Mapping[str, Part], Callable[[bytes], object]], None],
) -> Iterator[tuple[str, str]]:
    """Write the archive again, into a comparison."""
    with path.open("rb") as file:
        same = _Same(file)
        try:
            writer(_parts(files), same.put)
            rest = file.read(1)
        except (*UNREADABLE, ConfigError) as error:
            yield path.name, f"a file in it cannot be read: {error}"
            return
    if same.wrong >= 0:
        yield path.name, f"the archive itself was changed at byte {same.wrong:,}"
    elif rest:
        yield path.name, f"bytes were added after byte {same.at:,}"


def _parts(files: Files) -> dict[str, Part]:
    return {name: Part(size, partial(files.open, name)) for name, size in files.sizes().items()}
