from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess  # noqa: TID251 - writers in processes of their own are what is tested
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError, SourceError, StateError
from sakimori.takedown.evidence import Chain, verify
from sakimori.takedown.evidence import chain as chains
from sakimori.takedown.evidence.record import Halves

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from sakimori.takedown.evidence import Chain, Entry
chain = Chain(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    now = datetime.now(UTC)
    record = chain.append(Entry(kind="note", actor=sys.argv[2], time=now, tool="t", body={"n": n}))
    print(record.seq, flush=True)
"""

# Stops the process with SIGKILL at one place in its third append.
KILLED = """
import os, signal, sys
from sakimori.takedown.evidence import chain as chains
at, calls = sys.argv[4], {"write": 0, "fsync": 0}
real_write, real_fsync = os.write, os.fsync
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def write(handle, data):
    if bytes(data[:2]) != b'{"':
        return real_write(handle, data)
    calls["write"] += 1
    if calls["write"] == 3 and at == "before write":
        die()
    if calls["write"] == 3 and at == "in write":
        real_write(handle, data[: len(data) // 2])
        die()
    return real_write(handle, data)
def fsync(handle):
    calls["fsync"] += 1
    if calls["fsync"] == 3 and at == "before fsync":
        die()
    real_fsync(handle)
    if calls["fsync"] == 3 and at == "after fsync":
        die()
os.write, os.fsync = write, fsync
"""


def start(*words: object, code: str = WRITER) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own Python
        [sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, text=True
    )


def problems(desk: Any) -> list[str]:
    """What is wrong beyond that the chain is not sealed."""
    found = verify(desk.chain.folder).problems
    return [f"{p.code} {p.where}" for p in found if p.code != "unsigned"]


def test_records_follow_each_other(desk: Any) -> None:
    records = [desk.add(n=n) for n in range(3)]
    assert [r.seq for r in records] == [1, 2, 3]
    assert [r.previous for r in records] == ["0" * 64, records[0].hash, records[1].hash]
    assert list(Chain(desk.chain.folder).records()) == records
    assert problems(desk) == []


def test_a_chain_goes_on_after_it_is_opened_again(desk: Any) -> None:
    first = desk.add(n=1)
    desk.chain = Chain(desk.chain.folder)
    assert desk.add(n=2).previous == first.hash


def test_many_entries_are_written_at_once(desk: Any) -> None:
    records = desk.chain.extend([desk.entry(n=n) for n in range(50)])
    assert [r.body["n"] for r in records] == list(range(50))
    assert desk.chain.head().seq == 50
    assert desk.chain.extend([]) == []
    assert problems(desk) == []


def test_of_many_entries_none_is_written_when_one_is_refused(desk: Any) -> None:
    desk.add(n=0)
    with pytest.raises(ConfigError):
        desk.chain.extend([desk.entry(n=1), desk.entry(n={1, 2})])
    assert desk.chain.head().seq == 1


def test_the_folder_of_no_chain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no chain"):
        Chain(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        Chain.create(tmp_path / "file" / "chain")


def test_the_end_is_found_without_reading_the_rest(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.chain.extend([desk.entry(text="x" * 8000) for _ in range(400)])
    read, real = [], os.pread
    monkeypatch.setattr(os, "pread", lambda h, n, at: read.append(n) or real(h, n, at))
    assert Chain(desk.chain.folder).head().seq == 400
    assert sum(read) <= 1 << 20
    read.clear()
    desk.add(n=1)
    assert read == []


# Objects


def test_a_file_is_kept_by_its_hash(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "in.log").write_bytes(b"abc" * 1_000_000)
    kept = desk.chain.keep(tmp_path / "in.log")
    assert kept.sha256 == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert (kept.name, kept.bytes, kept.where) == ("in.log", 3_000_000, "")
    assert (desk.chain.objects / kept.sha256).read_bytes() == b"abc" * 1_000_000
    assert desk.chain.keep(tmp_path / "in.log") == kept
    assert len(list(desk.chain.objects.iterdir())) == 1


def test_a_large_file_can_be_named_by_hash_alone(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "big.log").write_bytes(b"abc")
    kept = desk.chain.keep(tmp_path / "big.log", copy=False)
    assert kept.where == str(tmp_path / "big.log")
    assert kept.bytes == 3
    assert list(desk.chain.objects.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_cannot_be_kept(desk: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(SourceError):
        desk.chain.keep(path)


# A full disk


def full(real: Any, after: int) -> Any:
    """A write that has room for so many bytes, and then fails as a full disk does."""
    left = [after]

    def write(handle: int, data: Any) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(handle, data[: left[0]])
        left[0] -= done
        return done

    return write


@settings(max_examples=30)
@given(room=st.integers(0, 400))
def test_a_full_disk_leaves_the_chain_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, key: Any, room: int
) -> None:
    chain = Chain.create(tmp_path_factory.mktemp("full"))
    entry = chains.Entry(kind="note", actor="aiko", time=NOW, tool="t", body={"n": 1})
    chain.append(entry)
    before = chain.path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", full(os.write, room))
        with pytest.raises(StateError, match="No space left"):
            chain.extend([entry, entry])
    assert chain.path.read_bytes() == before
    assert chain.append(entry).seq == 2


def test_a_write_that_cannot_be_made_sure_of_is_taken_back(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add(n=1)
    before = desk.chain.path.read_bytes()

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StateError):
            desk.add(n=2)
    assert desk.chain.path.read_bytes() == before


def test_a_full_disk_leaves_no_half_object(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full(os.write, 10))
        with pytest.raises(StateError, match="No space left"):
            desk.chain.keep_bytes("x", b"x" * 100)
    assert list(desk.chain.objects.iterdir()) == []


# Crashes


@pytest.mark.parametrize("cut", [1, 2, 40, 300, -1])
def test_a_torn_last_line_is_set_aside_and_said(desk: Any, cut: int) -> None:
    desk.add(n=1)
    whole = desk.chain.path.read_bytes()
    desk.add(n=2)
    both = desk.chain.path.read_bytes()
    torn = both[len(whole) :][:cut]
    desk.chain.path.write_bytes(whole + torn)
    assert problems(desk) == ["format chain.jsonl:2"]

    desk.chain = Chain(desk.chain.folder)
    note, record = desk.chain.extend([desk.entry(n=3)])
    assert (note.kind, note.seq, note.body["bytes"]) == ("note", 2, len(torn))
    assert "torn" in note.body["what"]
    kept = note.objects[0]
    assert (desk.chain.objects / kept.sha256).read_bytes() == torn
    assert (record.seq, record.body["n"]) == (3, 3)
    assert problems(desk) == []


def test_a_chain_whose_first_line_is_torn_begins_anew(desk: Any) -> None:
    desk.chain.path.write_bytes(b'{"header":{"act')
    desk.add(n=1)
    assert [r.seq for r in desk.chain.records()] == [1, 2]
    assert problems(desk) == []


@pytest.mark.parametrize("at", ["before write", "in write", "before fsync", "after fsync"])
def test_killed_in_an_append_nothing_acknowledged_is_lost(desk: Any, at: str) -> None:
    desk.add(n=0)
    process = start(desk.chain.folder, "bot", 4, at, code=KILLED + WRITER)
    said = [int(line) for line in process.communicate(timeout=30)[0].split()]
    assert process.returncode == -signal.SIGKILL
    assert said == [2, 3]

    after = Chain(desk.chain.folder)
    desk.chain = after
    desk.add(n=9)
    records = list(after.records())
    assert [r.body["n"] for r in records[:3]] == [0, 0, 1]
    assert records[-1].body["n"] == 9
    assert [r.kind for r in records].count("note") == len(records)
    assert ("what" in records[3].body) == (at == "in write")
    assert problems(desk) == []


def test_killed_at_any_moment_nothing_acknowledged_is_lost(desk: Any) -> None:
    for pause in (0.0, 0.007):
        process = start(desk.chain.folder, "bot", 100_000)
        assert process.stdout
        said = [int(process.stdout.readline()) for _ in range(3)]
        time.sleep(pause)
        process.kill()
        said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.wait()
        process.stdout.close()
        assert desk.chain.head().seq >= said[-1]
        desk.add(n=-1)
    assert problems(desk) == []


def test_two_processes_append_at_once(desk: Any) -> None:
    writers = [start(desk.chain.folder, name, 30) for name in ("one", "two")]
    said = [[int(n) for n in w.communicate(timeout=60)[0].split()] for w in writers]
    assert [w.returncode for w in writers] == [0, 0]
    assert sorted(said[0] + said[1]) == list(range(1, 61))
    records = list(desk.chain.records())
    for name, seqs in zip(("one", "two"), said, strict=True):
        assert [r.seq for r in records if r.actor == name] == seqs
    assert problems(desk) == []


def test_a_writer_that_does_not_end_is_named(desk: Any) -> None:
    desk.add(n=1)
    waiting = Chain(desk.chain.folder, patience=0.02)
    with desk.chain._locked(), pytest.raises(StateError, match="another program"):
        waiting.append(desk.entry(n=2))
    assert waiting.append(desk.entry(n=2)).seq == 2


# Damage


def test_a_record_changed_before_it_was_sealed_is_named_by_the_next(desk: Any) -> None:
    for n in range(3):
        desk.add(n=n)
    lines = desk.chain.path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"tool":"sakimori 0"', b'"tool":"sakimori 9"')
    desk.chain.path.write_bytes(b"".join(lines))
    assert problems(desk) == ["changed record 3"]


def test_a_record_put_in_place_of_another_is_named_by_the_next(desk: Any) -> None:
    records = [desk.add(n=n) for n in range(3)]
    lines = desk.chain.path.read_bytes().splitlines(keepends=True)
    other = chains.make(desk.entry(n=7), 2, records[0].hash)
    desk.chain.path.write_bytes(lines[0] + chains.joined(other) + lines[2])
    assert problems(desk) == ["changed record 3"]


def test_nothing_is_added_after_a_damaged_last_record(desk: Any) -> None:
    desk.add(n=1)
    data = desk.chain.path.read_bytes()
    desk.chain.path.write_bytes(data.replace(b'"seq":1', b'"seq":x'))
    with pytest.raises(StateError, match="damaged") as caught:
        Chain(desk.chain.folder).append(desk.entry(n=2))
    assert "verify" in caught.value.hint
    with pytest.raises(StateError, match=r"chain.jsonl:1"):
        list(Chain(desk.chain.folder).records())


def test_a_line_without_end_is_not_read_into_memory(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "MAX_LINE", 100)
    desk.chain.path.write_bytes(b"x" * 1000)
    with pytest.raises(SourceError, match="too long"):
        list(desk.chain.lines())


FIELD = st.sampled_from(["opening", 'a"b', "header", "x"])


@settings(max_examples=30)
@given(st.dictionaries(FIELD, st.sampled_from([{"actor": 1}, '","opening":{', "{"]), max_size=3))
def test_a_line_splits_where_it_was_joined(body: dict[str, Any]) -> None:
    made = chains.make(
        chains.Entry(kind="note", actor="a", time=NOW, tool='t","opening":{', body=body),
        1,
        "0" * 64,
    )
    assert chains.split(chains.joined(made)[:-1]) == made
    assert isinstance(made, Halves)
