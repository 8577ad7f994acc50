"""One file, read once, with its text where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.decode import Decoded, decode
from sakimori.endpoint.inventory.record import Note, note
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 256 * 1024 * 1024  # bytes; an SBOM of a large image has 100 MB
HIVE = b"regf"


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name as it was given, its bytes, and its text: None where it is none.

    The bytes of a registry hive are only its head: it is read by its path.
    """

    name: str
    path: Path
    data: bytes
    decoded: Decoded | None

    @property
    def text(self) -> str:
        """The text, or "" where the file is none."""
        return self.decoded.text if self.decoded else ""

    @property
    def head(self) -> str:
        """The beginning of the text, by which readers recognise their files."""
        return self.text[:16_384]

    @property
    def encoding(self) -> str | None:
        """The name of the encoding, None where the file is no text."""
        return self.decoded.encoding if self.decoded else None

    def notes(self) -> tuple[Note, ...]:
        """What was assumed to get from bytes to text."""
        if self.decoded is None:
            return ()
        found = []
        if self.decoded.how:
            found.append(note(self.decoded.how, encoding=self.decoded.encoding))
        if self.decoded.broken:
            found.append(note("broken", count=self.decoded.broken, encoding=self.decoded.encoding))
        return tuple(found)


def load(path: Path) -> Source:
    """Read a file. Raises SourceError when it cannot be read, is no file, or is too large."""
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "not a file" if path.exists() else "not there"
            hint = "an image of a system: --root DIR" if path.is_dir() else ""
            raise SourceError(f"this is {kind}", where=str(path), hint=hint)
        with path.open("rb") as file:
            head = file.read(4)
            if head == HIVE:
                return Source(str(path), path, head, None)
            data = head + file.read(LARGEST - 3)
    except OSError as error:
        raise SourceError(error.strerror or str(error), where=str(path)) from error
    except ValueError as error:  # a NUL in the name
        raise SourceError("this is no name of a file", where=repr(str(path))) from error
    if len(data) > LARGEST:
        raise SourceError(
            f"more than {LARGEST >> 20} MiB", where=str(path), hint="this is no inventory"
        )
    return Source(str(path), path, data, decode(data))


def of_bytes(name: str, data: bytes) -> Source:
    """Return a source of bytes that are no file, such as a program's output."""
    from pathlib import Path  # noqa: PLC0415

    return Source(name, Path(name), data, decode(data))
