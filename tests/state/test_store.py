from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from sakimori.engine.lake import Part
from sakimori.errors import StateError
from sakimori.state import AllowEntry, RunRecord, SourceRecord, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SOURCE = SourceRecord(
    id="s1", path="a.log", format="zeek-tsv", head_length=10, head_hash="h1", length=100, line=5,
    hash="x", total_hash="y", imported=NOW, rejected=1, skipped="", warnings=["cut short"],
)  # fmt: skip
PART = Part("conn/day=2024-05-06/s1-0.parquet", "conn", "2024-05-06", sources=("s1",), rows=3,
            bytes=9, first=NOW, last=NOW, filled=("ts", "uid"))  # fmt: skip
ENTRY = AllowEntry(id=0, kind="address", value="10.0.0.9", reason="ours", created=NOW,
                   created_by="me", expires=None)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.sources() == []
    assert store.parts() == []
    assert store.allowed() == []
    assert store.head_lengths() == []
    assert store.last_run() is None
    assert store.count() == 0


def test_a_source_and_its_parts_come_back_as_they_went_in(store: Store) -> None:
    store.record(SOURCE, [PART], [])
    assert store.sources() == [SOURCE]
    assert store.count() == 1
    (part,) = store.parts()
    assert (part.path, part.table, part.rows, part.tail) == (PART.path, "conn", 3, False)
    assert (part.filled, part.sources) == (["ts", "uid"], ["s1"])
    assert (part.first, part.last) == (NOW, NOW)


def test_what_is_recorded_is_there_after_reopening(store: Store, url: str) -> None:
    store.record(SOURCE, [PART], [])
    store.close()
    again = Store(url)
    assert again.sources() == [SOURCE]
    again.close()


def test_times_come_back_in_utc(store: Store) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    store.record(replace(SOURCE, imported=tokyo), [], [])
    (found,) = store.sources()
    assert found.imported == NOW
    assert found.imported.tzinfo == UTC


def test_recording_a_source_again_replaces_it_and_drops_its_parts(store: Store) -> None:
    store.record(SOURCE, [PART], [])
    grown = replace(SOURCE, length=200)
    store.record(grown, [replace(PART, path="conn/day=2024-05-06/s1-1.parquet")], [PART.path])
    assert store.sources() == [grown]
    assert [p.path for p in store.parts()] == ["conn/day=2024-05-06/s1-1.parquet"]


def test_a_record_is_all_or_nothing(store: Store) -> None:
    store.record(SOURCE, [PART], [])
    with pytest.raises(StateError):
        store.record(replace(SOURCE, length=999), [PART], [])  # its path is there already
    assert store.sources() == [SOURCE]
    assert len(store.parts()) == 1


def test_replacing_parts_is_all_or_nothing(store: Store) -> None:
    other = replace(PART, path="other")
    store.record(SOURCE, [PART, other], [])
    with pytest.raises(StateError):
        store.replace_parts([other], [PART.path])
    assert [p.path for p in store.parts()] == [PART.path, "other"]
    store.replace_parts([replace(PART, path="joined")], [PART.path, "other"])
    assert [p.path for p in store.parts()] == ["joined"]


def test_parts_come_by_day_and_of_one_table(store: Store) -> None:
    later = replace(PART, path="b", day="2024-05-07")
    dns = replace(PART, path="a", table="dns", day="2024-05-05")
    store.record(SOURCE, [later, PART, dns], [])
    assert [p.path for p in store.parts()] == ["a", PART.path, "b"]
    assert [p.path for p in store.parts("conn")] == [PART.path, "b"]


def test_candidates_are_found_by_their_head_the_longest_first(store: Store) -> None:
    store.record(SOURCE, [], [])
    store.record(replace(SOURCE, id="s2", length=300, head_length=64), [], [])
    store.record(replace(SOURCE, id="s3", head_hash="h2"), [], [])
    assert [s.id for s in store.sources_by_head("h1")] == ["s2", "s1"]
    assert store.sources_by_head("none") == []
    assert store.head_lengths() == [64, 10]


def test_sources_come_in_the_order_of_import(store: Store) -> None:
    store.record(replace(SOURCE, id="s2", imported=NOW + timedelta(1)), [], [])
    store.record(SOURCE, [], [])
    assert [s.id for s in store.sources()] == ["s1", "s2"]


def test_allow_entries_are_numbered_kept_and_removed(store: Store) -> None:
    first = store.allow(ENTRY)
    second = store.allow(replace(ENTRY, value="10.0.0.8", expires=NOW))
    assert store.allowed() == [
        replace(ENTRY, id=first),
        replace(ENTRY, id=second, value="10.0.0.8", expires=NOW),
    ]
    assert store.disallow(first)
    assert not store.disallow(first)
    assert [e.id for e in store.allowed()] == [second]


def test_the_last_run_is_the_newest(store: Store) -> None:
    for days, name in ((1, "b"), (2, "c"), (0, "a")):
        store.record_run(
            RunRecord(id=name, started=NOW + timedelta(days), seconds=1.5,
                      settings={"internal": ["10.0.0.0/8"]}, result={"hosts": days})
        )  # fmt: skip
    run = store.last_run()
    assert run is not None
    assert (run.id, run.result, run.seconds) == ("c", {"hosts": 2}, 1.5)


def test_a_state_of_a_newer_version_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "state.sqlite") as raw:
        raw.execute("UPDATE meta SET version = 99")
    raw.close()
    with pytest.raises(StateError, match="newer version") as raised:
        Store(url)
    assert raised.value.exit_code == 4


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"not a database" * 100, id="noise"), pytest.param(None, id="a folder")],
)
def test_a_state_that_is_no_database_is_a_state_error(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "state.sqlite"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(StateError) as raised:
        Store(f"sqlite:///{file}")
    assert raised.value.hint
    assert "state.sqlite" in str(raised.value)
