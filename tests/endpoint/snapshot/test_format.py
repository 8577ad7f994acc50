from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import zstandard

from sakimori.endpoint.snapshot import Record, diff, read_snapshot, write_snapshot
from sakimori.endpoint.snapshot.model import Gap, Header, Scope, Source, encode, place
from sakimori.errors import EngineError, SakimoriError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = Header(
    tool="test", machine="m", taken="2009-11-25T00:00:00Z", asked={"root": None},
    sources=(Source("hive", "SYSTEM", "SYSTEM.hiv", "0" * 64, ("logs applied",)),),
)  # fmt: skip
SCOPES, GAPS = (Scope("file", ("/",), ("*.log",)),), (Gap("file", "/root", "Permission denied"),)
RECORDS = sorted(
    (Record("file", f"/d/{n}", None, {"type": "file", "sha256": f"{n:064x}"}) for n in range(300)),
    key=place,
)


@pytest.fixture
def snap(tmp_path: Path) -> Path:
    path = tmp_path / "a.snap"
    write_snapshot(path, HEADER, RECORDS, lambda: (SCOPES, GAPS))
    return path


def unpacked(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()


def pack(path: Path, data: bytes) -> None:
    path.write_bytes(zstandard.ZstdCompressor().compress(data))


def test_what_was_written_is_read(snap: Path) -> None:
    read = read_snapshot(snap)
    assert (read.header, read.scopes, read.gaps, read.count) == (HEADER, SCOPES, GAPS, 300)
    assert list(read.records()) == RECORDS
    assert diff(read, read) == []
    assert [path.name for path in snap.parent.iterdir()] == ["a.snap"]


def test_it_is_plain_json_lines_under_zstd(snap: Path) -> None:
    lines = unpacked(snap).splitlines()
    assert len(lines) == 302
    assert lines[0].startswith(b'{"format":"sakimori-snapshot","version":1,')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"/d/17"', b'"/d/18"'),
        (b'"machine":"m"', b'"machine":"n"'),
        (b'"records":300', b'"records":299'),
        (b'"version":1', b'"version":2'),
        (b'"format":"sakimori', b'"format":"otherwise'),
        (b'"sha256":"', b'"sha257":"'),
        (b'\n{"records"', b'\n\n{"records"'),
        (b'"gaps":[', b'"gaps":7,"g":['),
        (b'"sources":[', b'"s":['),
    ],
)
def test_what_was_altered_is_refused(snap: Path, old: bytes, new: bytes) -> None:
    data = unpacked(snap)
    assert old in data
    pack(snap, data.replace(old, new, 1))
    with pytest.raises(SourceError):
        read_snapshot(snap)


def test_a_newer_version_says_so(snap: Path) -> None:
    pack(snap, unpacked(snap).replace(b'"version":1', b'"version":9', 1))
    with pytest.raises(SourceError, match="version 9"):
        read_snapshot(snap)


def test_what_was_cut_short_is_refused_at_every_length(snap: Path) -> None:
    whole, data = snap.read_bytes(), unpacked(snap)
    for length in range(0, len(whole), 97):
        snap.write_bytes(whole[:length])
        with pytest.raises(SourceError):
            read_snapshot(snap)
    pack(snap, data[: data.rindex(b"\n", 0, -1) + 1])  # whole lines, and no trailer
    with pytest.raises(SourceError):
        read_snapshot(snap)


@pytest.mark.parametrize("data", [b"", b"\n", b"[]\n[]\n", b"{}\n{}\n", b"\xff" * 50, b"1\n"])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "plain").write_bytes(data)
    pack(tmp_path / "packed", data)
    for name in ("plain", "packed", "missing"):
        with pytest.raises(SourceError):
            read_snapshot(tmp_path / name)
    with pytest.raises(SourceError):
        read_snapshot(tmp_path)


def test_a_line_that_is_no_record_is_refused_when_it_is_compared(
    tmp_path: Path, snap: Path
) -> None:
    for number, state in enumerate([{"key": 1}, {"object": "x", "key": "", "name": None, "state": {}}, [],
                                    {"object": "registry", "key": "a", "name": "b", "state": {"type": 1, "data": "zz"}}]):  # fmt: skip
        bad = tmp_path / f"{number}.snap"
        write_snapshot(bad, HEADER, [], lambda: (SCOPES, ()))
        first = unpacked(bad).splitlines(keepends=True)[0]
        body = first + encode(state)
        import hashlib  # noqa: PLC0415

        end = {"records": 1, "sha256": hashlib.sha256(body).hexdigest(), "scopes": [], "gaps": []}
        pack(bad, body + encode(end))
        with pytest.raises(SourceError, match="no record"):
            diff(read_snapshot(bad), read_snapshot(snap))


def test_a_failure_leaves_the_older_file(snap: Path) -> None:
    before = snap.read_bytes()

    def broken() -> Iterator[Record]:
        yield RECORDS[0]
        raise SourceError("gone")

    with pytest.raises(SakimoriError, match="gone"):
        write_snapshot(snap, HEADER, broken(), lambda: (SCOPES, GAPS))
    assert snap.read_bytes() == before
    assert [path.name for path in snap.parent.iterdir()] == ["a.snap"]
    with pytest.raises((SourceError, EngineError)):
        write_snapshot(snap / "below", HEADER, [], lambda: (SCOPES, GAPS))
