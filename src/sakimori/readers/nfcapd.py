"""Binary files of nfcapd, nfpcapd and sfcapd (NetFlow v5/v9, IPFIX, sFlow), through nfdump.

Both layouts (1: nfdump 1.6, 2: nfdump 1.7) are recognised; the installed nfdump must know them.
The records are printed as text in a fixed order, so that nfdump's own csv header does not matter.
Source: nfdump(1); the file header, nfdump 1.7's nffile.h.

Two one-way flows become one row as in `nfdump_csv`, over 32 MiB of text (some 150 000 flows) at
a time: more than one five-minute file of most networks.
"""

from __future__ import annotations

import selectors
import shutil
import subprocess  # noqa: TID251 - no endpoint layer here; time limit and no shell below
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.readers._columns import clean
from sakimori.readers._delimited import in_threads
from sakimori.readers._source import Block
from sakimori.readers.nfdump_csv import dialect_of, flows_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Source

NAME = "nfcapd"
TITLE = "NetFlow and IPFIX (nfcapd files)"
WRITES = ("conn",)
GROWS = False

_MAGIC = b"\x0c\xa5"
_LAYOUTS = (b"\x01\x00", b"\x02\x00")
_COLUMNS = ("ts", "te", "pr", "sa", "sp", "da", "dp", "flg", "ipkt", "ibyt", "opkt", "obyt")
_FORMAT = "fmt:" + ",".join(f"%{name}" for name in _COLUMNS)
_CHUNK = 1 << 20
_BLOCK = 32 << 20
_PATIENCE = 120.0  # seconds in which nfdump must print something, or end


def recognises(source: Source) -> bool:
    """Whether the file begins as nfcapd's do."""
    return source.head[:2] == _MAGIC and source.head[2:4] in _LAYOUTS


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read flows as conn rows; `uid` is `file:record`. A cut file gives its whole blocks.

    Raises SourceError when nfdump is not installed, refuses the file, or hangs.
    """
    program = shutil.which("nfdump")
    if not program:
        raise SourceError(
            "nfdump is not installed; it is needed to read nfcapd files",
            where=source.name,
            hint="apt-get install nfdump, or export with nfdump -o csv",
        )
    dialect = dialect_of(_COLUMNS)

    def parse(block: Block) -> Parsed:
        return flows_in(clean(block), dialect, source.name, ("UTC", ""))

    with source.local_file() as path:
        yield from in_threads(_printed(program, path, source), parse, options.threads)


def _printed(program: str, path: Path, source: Source) -> Iterator[Block]:
    """Give what nfdump prints in blocks of whole lines; times in UTC."""
    with tempfile.TemporaryFile() as said, _running(program, path, said) as process:
        yield from _blocks(_chunks(process, source.name))
        code = process.wait(timeout=_PATIENCE)
        said.seek(0)
        words = said.read(2000).decode("utf-8", errors="replace").split("\n")[0].strip()
    if code:
        raise SourceError(
            f"nfdump failed with exit code {code}: {words or 'it said nothing'}",
            where=source.name,
            hint="check the file with nfdump -v FILE; a newer nfdump may know its layout",
        )
    if words:
        source.warnings.append(f"nfdump says: {words}")


@contextmanager
def _running(program: str, path: Path, said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [program, "-r", str(path.resolve()), "-q", "-6", "-N", "-o", _FORMAT]
    process = subprocess.Popen(  # noqa: S603 - no shell, fixed options, an absolute path
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        env={"TZ": "UTC", "LC_ALL": "C"},
        bufsize=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _chunks(process: subprocess.Popen[bytes], name: str) -> Iterator[bytes]:
    """Give the output as it comes.

    Raises SourceError when nothing comes for two minutes.
    """
    pipe = process.stdout
    if pipe is None:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(_PATIENCE):
                raise SourceError(
                    f"nfdump printed nothing for {_PATIENCE:.0f} s",
                    where=name,
                    hint="check the file with nfdump -v FILE",
                )
            chunk = pipe.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def _blocks(chunks: Iterator[bytes]) -> Iterator[Block]:
    held, line, start = bytearray(), 1, 0
    for chunk in chunks:
        held += chunk
        end = held.rfind(b"\n") + 1
        if end and len(held) >= _BLOCK:
            data = bytes(held[:end])
            del held[:end]
            yield Block(data, line, start)
            line, start = line + data.count(b"\n"), start + len(data)
    if held:
        yield Block(bytes(held), line, start)
