from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.hits import Hit, Trouble
from sakimori.endpoint.scan import Looked
from sakimori.endpoint.scan.cache import Cache
from sakimori.endpoint.scan.walk import Found

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.0
NOW_NS = int(NOW * 1e9)
OLD = NOW_NS - 10_000_000_000
STATE = (1, 2, 30, OLD, OLD)
FILE = Found("/a/b\udcff\n", STATE)
HIT = Hit(path=FILE.path, member="in\udcff", rule="r", kind="yara", family="F", sha256="00")
SEEN = Looked(path=FILE.path, size=30, bytes=30, state=STATE)


def opened(file: Path, version: str = "v1", now: float = NOW) -> Cache:
    cache = Cache(file, version, now)
    assert cache.note == ""
    return cache


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c" / "scans.sqlite"


@pytest.mark.parametrize(
    "looked",
    [
        SEEN,
        replace(SEEN, sha256="ab", hits=(HIT,), bytes=99),
        replace(SEEN, troubles=(Trouble(path=FILE.path, reason="bomb", member="m"),)),
    ],
    ids=["clean", "hit", "trouble"],
)
def test_what_was_seen_comes_back_as_it_was(file: Path, looked: Looked) -> None:
    cache = opened(file)
    assert cache.known([FILE]) == [None]
    cache.keep([looked], NOW_NS)
    cache.close()
    assert opened(file).known([FILE]) == [looked]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("at", range(5))
def test_any_change_of_a_file_makes_it_unknown(file: Path, at: int) -> None:
    cache = opened(file)
    cache.keep([SEEN], NOW_NS)
    changed = tuple(n + (i == at) for i, n in enumerate(STATE))
    assert cache.known([replace(FILE, state=changed)]) == [None]
    assert cache.known([replace(FILE, path="/a/c")]) == [None]


def test_other_definitions_make_every_file_unknown(file: Path) -> None:
    opened(file).keep([SEEN], NOW_NS)
    assert opened(file, "v2").known([FILE]) == [None]
    assert opened(file, "v1").known([FILE]) == [SEEN]


@pytest.mark.parametrize(
    ("changed", "altered", "kept"),
    [
        (OLD, OLD, True),
        (OLD, NOW_NS - 1_000_000_000, False),
        (NOW_NS - 1_000_000_000, OLD, False),
        (OLD, NOW_NS + 50_000_000_000, False),
        (NOW_NS + 50_000_000_000, OLD, True),  # a time that somebody set
    ],
)
def test_a_file_changed_just_now_is_not_kept(
    file: Path, changed: int, altered: int, kept: bool
) -> None:
    state = (1, 2, 30, changed, altered)
    cache = opened(file)
    cache.keep([replace(SEEN, state=state)], NOW_NS)
    assert (cache.known([replace(FILE, state=state)]) != [None]) is kept


def test_what_may_come_out_otherwise_next_time_is_not_kept(file: Path) -> None:
    cache = opened(file)
    cache.keep([replace(SEEN, lasting=False), replace(SEEN, state=None)], NOW_NS)
    assert cache.known([FILE]) == [None]


def test_a_broken_cache_is_set_aside_begun_anew_and_told(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database at all, but long enough to look like a file of one" * 99)
    cache = Cache(file, "v", NOW)
    assert "damaged" in cache.note
    assert file.with_name("scans.sqlite.broken").exists()
    cache.keep([SEEN], NOW_NS)
    assert cache.known([FILE]) == [SEEN]


def test_a_cache_that_breaks_later_is_begun_anew(file: Path) -> None:
    cache = opened(file)
    cache.keep([replace(SEEN, path=f"/{n}", sha256="x" * 500) for n in range(2000)], NOW_NS)
    cache.close()
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(os.urandom(file.stat().st_size - 8192))
    again = Cache(file, "v1", NOW)
    again.known([replace(FILE, path=f"/{n}") for n in range(2000)])
    again.keep([SEEN], NOW_NS)
    assert "damaged" in again.note
    assert again.known([FILE]) == [SEEN]


def test_a_row_that_is_no_result_is_as_if_it_were_not_there(file: Path) -> None:
    cache = opened(file)
    cache.keep([replace(SEEN, hits=(HIT,))], NOW_NS)
    cache.close()
    with sqlite3.connect(file) as base:
        base.execute("UPDATE seen SET result = '{}'")
    base.close()
    assert opened(file).known([FILE]) == [None]


def test_a_place_that_cannot_be_written_is_told_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "scans.sqlite", "v", NOW)
    assert "cannot be used" in cache.note
    cache.keep([SEEN], NOW_NS)
    assert cache.known([FILE]) == [None]
    cache.close()


def test_two_scans_may_use_it_at_once(file: Path) -> None:
    one, two = opened(file), opened(file)
    one.keep([SEEN], NOW_NS)
    two.keep([replace(SEEN, path="/other")], NOW_NS)
    assert two.known([FILE]) == [SEEN]
    assert one.known([replace(FILE, path="/other")]) != [None]


def test_a_busy_cache_is_told_and_does_no_harm(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sakimori.endpoint.scan.cache._WAIT", 0.05)
    cache = opened(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.keep([SEEN], NOW_NS)
    other.close()
    assert "locked" in cache.note
    assert file.exists()


def test_rows_go_when_nothing_used_them_for_sixty_days(file: Path) -> None:
    cache = opened(file)
    cache.keep([SEEN, replace(SEEN, path="/unused")], NOW_NS)
    cache.close()
    later = opened(file, now=NOW + 50 * 86400)
    later.known([FILE])
    later.close()
    opened(file, now=NOW + 70 * 86400).close()
    last = opened(file, now=NOW + 71 * 86400)
    assert last.known([FILE, replace(FILE, path="/unused")]) == [SEEN, None]


def test_many_files_are_asked_about_at_once(file: Path) -> None:
    cache = opened(file)
    cache.keep([replace(SEEN, path=f"/{n}") for n in range(0, 3000, 2)], NOW_NS)
    begun = time.process_time()
    known = cache.known([replace(FILE, path=f"/{n}") for n in range(3000)])
    assert [looked is not None for looked in known] == [n % 2 == 0 for n in range(3000)]
    assert time.process_time() - begun < 1.0
