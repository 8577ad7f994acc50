from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.errors import SourceError, StateError
from sakimori.takedown.sinkhole import log
from sakimori.takedown.sinkhole.log import Journal, finished, iso, problems

if TYPE_CHECKING:
    from pathlib import Path


def hit(journal: Journal, count: int = 1) -> bool:
    lines = [
        journal.line(1_700_000_000.5, {"src_ip": "192.0.2.7", "qtype": None}) for _ in range(count)
    ]
    return journal.commit(b"".join(lines), count)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(t) for p in sorted(folder.glob("*.jsonl")) for t in p.read_text().splitlines()
    ]


def test_hits_are_numbered_lines_between_a_start_and_a_stop(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", "s1")
    assert hit(journal, 2)
    assert hit(journal)
    journal.close()
    first, *hits, last = lines(tmp_path / "log")
    assert first["event"] == "start"
    assert [h["uid"] for h in hits] == [f"{journal.run}-{n}" for n in (1, 2, 3)]
    assert hits[0]["ts"] == "2023-11-14T22:13:20.500Z"
    assert "qtype" not in hits[0]
    assert (last["event"], last["hits"], last["last"], last["missed"]) == ("stop", 3, 3, 0)
    assert problems(tmp_path / "log") == []


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", "s1")
    journal.close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    [path] = (tmp_path / "log").glob("*.jsonl")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_is_there_before_commit_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "s1")
    assert hit(journal)
    assert lines(tmp_path)[-1]["uid"] == f"{journal.run}-1"
    journal.close()


def test_it_goes_on_in_a_new_file_when_one_is_large(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "s1", rotate_bytes=300)
    for _ in range(20):
        assert hit(journal)
    journal.close()
    assert len(list(tmp_path.glob("*.jsonl"))) > 3
    assert problems(tmp_path) == []
    assert len([row for row in lines(tmp_path) if "uid" in row]) == 20


def test_files_that_grow_no_more_can_be_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "s1", rotate_bytes=300)
    for _ in range(8):
        assert hit(journal)
    every = sorted(tmp_path.glob("*.jsonl"))
    assert finished(tmp_path) == every[:-1]
    journal.close()
    assert finished(tmp_path) == every


class Disk:
    """os.write as of a disk that is full while `full`, and may take a part before it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full, self.takes, self._write = False, 0, os.write
        monkeypatch.setattr(log.os, "write", self.write)

    def write(self, handle: int, data: bytes) -> int:
        if not self.full:
            return self._write(handle, data)
        if self.takes:
            done, self.takes = self._write(handle, data[: self.takes]), 0
            return done
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("torn", [0, 25])
def test_a_full_disk_is_told_of_and_what_was_missed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    said: list[str] = []
    journal = Journal(tmp_path, "s1")
    journal.on_trouble = said.append
    disk = Disk(monkeypatch)
    assert hit(journal, 2)
    disk.full, disk.takes = True, torn
    assert not hit(journal, 3)
    assert not hit(journal, 4)
    assert said == ["the log cannot be written: No space left on device; nothing is answered now"]
    disk.full = False
    assert not hit(journal)  # it is tried again only after a while
    journal._tried -= 5
    assert hit(journal)
    journal.close()
    assert problems(tmp_path) == []
    gap = next(row for row in lines(tmp_path) if row.get("event") == "gap")
    assert (gap["missed"], gap["last"]) == (8, 10)
    assert lines(tmp_path)[-1] | {"hits": 3, "missed": 8, "last": 11} == lines(tmp_path)[-1]
    assert "8 hits were not answered" in said[-1]


def test_a_log_that_cannot_be_ended_in_order_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    journal = Journal(tmp_path, "s1")
    journal.on_trouble = said.append
    disk = Disk(monkeypatch)
    disk.full = True
    assert not hit(journal, 3)
    journal.close()
    assert said[-1] == "the log ends without its count; 3 hits are not in it"
    assert any("did not end" in told for told in problems(tmp_path))


def test_when_no_new_file_can_be_made_the_old_one_is_used_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    journal = Journal(tmp_path, "s1", rotate_bytes=100)
    journal.on_trouble = said.append

    def refuse(*_: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(log.os, "open", refuse)
    assert hit(journal, 5)
    assert hit(journal)
    journal.close()
    assert "Too many open files" in said[0]
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    assert problems(tmp_path) == []


def test_a_failed_sync_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "s1")

    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(log.os, "fsync", fail)
        journal.sync()
    assert not hit(journal)
    journal.close()


def test_a_folder_that_cannot_be_made_is_an_error_with_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        Journal(tmp_path / "file" / "log", "s1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda t: t[:3] + t[4:], "was due", id="a line taken out"),
        pytest.param(lambda t: [*t[:3], t[3], *t[3:]], "was due", id="a line twice"),
        pytest.param(
            lambda t: [*t[:2], t[3], t[2], *t[4:]], "was due", id="two lines changed about"
        ),
        pytest.param(lambda t: t[:-1], "did not end", id="the end taken away"),
        pytest.param(lambda t: [*t[:2], t[2][:20], *t[3:]], "not a whole line", id="a torn line"),
        pytest.param(lambda t: t[:-2] + t[-1:], "were logged", id="the last hit taken out"),
    ],
)
def test_what_is_wrong_with_a_log_is_found(tmp_path: Path, change: Any, words: str) -> None:
    journal = Journal(tmp_path, "s1")
    hit(journal, 5)
    journal.close()
    [path] = tmp_path.glob("*.jsonl")
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    assert any(words in told for told in problems(tmp_path))


def test_a_folder_without_a_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no sinkhole log"):
        problems(tmp_path)


@pytest.mark.parametrize(
    ("now", "text"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (1_700_000_000.9996, "2023-11-14T22:13:20.999Z"),
     (1_700_000_001.0, "2023-11-14T22:13:21.000Z")],
)  # fmt: skip
def test_times_are_to_the_millisecond(now: float, text: str) -> None:
    assert iso(now) == text
