from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sakimori.engine.lake import Lake
from sakimori.errors import EngineError
from sakimori.readers import conform
from sakimori.tables import ALL

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.engine.lake import Part

DAY = 86_400_000_000
NOON = 1_700_049_600_000_000  # 2023-11-15 12:00 UTC


def batch(times: list[int], **columns: list[Any]) -> pa.RecordBatch:
    given = {name: pa.array(values) for name, values in columns.items()}
    given["ts"] = pa.array(times, pa.timestamp("us", "UTC"))
    return conform("conn", given, len(times))


def rows(lake: Lake, parts: list[Part]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pq.read_table(lake.root / part.path).to_pylist()]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_rows_are_split_by_utc_day_and_nothing_is_lost(lake: Lake) -> None:
    writer = lake.writer("s1")
    times = [NOON, NOON + DAY, NOON, NOON + 3 * DAY, 0]
    writer.add("conn", batch(times, uid=["a", "b", "c", "d", "e"]))
    parts = writer.publish()
    assert {(p.day, p.rows) for p in parts} == {
        ("2023-11-15", 2), ("2023-11-16", 1), ("2023-11-18", 1), ("1970-01-01", 1),
    }  # fmt: skip
    assert sorted(row["uid"] for row in rows(lake, parts)) == ["a", "b", "c", "d", "e"]
    assert sorted(lake.files()) == sorted(p.path for p in parts)


@pytest.mark.parametrize(
    ("micros", "day"),
    [
        pytest.param(NOON // DAY * DAY - 1, "2023-11-14", id="last microsecond of a day"),
        pytest.param(NOON // DAY * DAY, "2023-11-15", id="first of the next"),
        pytest.param(-1, "1969-12-31", id="before 1970"),
    ],
)
def test_the_day_is_that_of_the_time_in_utc(lake: Lake, micros: int, day: str) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([micros]))
    (part,) = writer.publish()
    assert part.day == day
    assert part.path == f"conn/day={day}/s1-0.parquet"


def test_a_part_says_what_is_in_its_file(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON, NOON + 5], uid=["a", None], src_port=[None, 0]))
    (part,) = writer.publish()
    assert part.sources == ("s1",)
    assert part.rows == 2
    assert part.bytes == (lake.root / part.path).stat().st_size
    assert part.filled == ("ts", "uid", "src_port", "source_id")
    assert part.first == datetime(2023, 11, 15, 12, tzinfo=UTC)
    assert part.last == datetime(2023, 11, 15, 12, 0, 0, 5, tzinfo=UTC)
    assert pq.read_schema(lake.root / part.path).names == ALL["conn"].arrow().names


def test_a_list_that_holds_something_is_filled_and_an_empty_column_is_not(lake: Lake) -> None:
    writer = lake.writer("s1")
    times = pa.array([NOON], pa.timestamp("us", "UTC"))
    writer.add("dns", conform("dns", {"ts": times, "answers": pa.array([["a"]])}, 1))
    (part,) = writer.publish()
    assert "answers" in part.filled
    assert "ttls" not in part.filled


def test_nothing_is_in_the_lake_before_it_is_published(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON]))
    assert lake.files() == []
    writer.publish()
    assert len(lake.files()) == 1


def test_what_is_discarded_leaves_nothing(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON]))
    writer.discard()
    assert [path for path in lake.root.rglob("*") if path.is_file()] == []


def test_a_second_writer_of_a_source_numbers_on(lake: Lake) -> None:
    for uid in ("a", "b"):
        writer = lake.writer("s1")
        writer.add("conn", batch([NOON], uid=[uid]))
        writer.publish()
    assert len(lake.files()) == 2


def test_unfinished_rows_lie_in_parts_of_their_own(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON], uid=["whole"]))
    writer.add("conn", batch([NOON], uid=["tail"]), tail=True)
    parts = writer.publish()
    assert {(p.tail, rows(lake, [p])[0]["uid"]) for p in parts} == {
        (False, "whole"), (True, "tail"),
    }  # fmt: skip


def test_more_days_than_may_be_open_lose_no_row(lake: Lake) -> None:
    writer = lake.writer("s1")
    for start in range(2):
        times = [NOON + day * DAY for day in range(start, 140, 2)]
        writer.add("conn", batch(times, uid=[f"{start}-{t}" for t in times]))
    for day in range(140):
        writer.add("conn", batch([NOON + day * DAY], uid=[f"again-{day}"]))
    parts = writer.publish()
    assert sum(p.rows for p in parts) == 280
    assert len({row["uid"] for row in rows(lake, parts)}) == 280


def test_many_rows_make_several_groups_in_one_file(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.engine.lake.ROW_GROUP", 100)
    writer = lake.writer("s1")
    for _ in range(5):
        writer.add("conn", batch([NOON] * 60))
    (part,) = writer.publish()
    assert part.rows == 300
    assert pq.ParquetFile(lake.root / part.path).num_row_groups > 1


def test_rejects_are_kept_with_file_line_reason_and_visible_text(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add_rejects([("a.log", 7, "too short", "x\x1b[0m"), ("a.log", 9, "bad", "y" * 500)])
    (part,) = writer.publish()
    first, second = rows(lake, [part])
    assert first == {
        "path": "a.log", "line": 7, "reason": "too short", "text": r"x\u{1b}[0m", "source_id": "s1",
    }  # fmt: skip
    assert len(second["text"]) == 200
    assert (part.table, part.day, part.first) == ("rejects", "", None)


def test_a_stray_file_is_swept_and_a_recorded_one_is_not(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON]))
    (part,) = writer.publish()
    stray = lake.root / "conn/day=2023-11-15/dead-0.parquet"
    stray.write_bytes(b"half")
    (lake.staging() / "rest.parquet").write_bytes(b"half")
    assert lake.sweep({part.path}) == ["conn/day=2023-11-15/dead-0.parquet"]
    assert lake.files() == [part.path]
    assert not (lake.root / ".staging").exists()


def test_removing_what_is_gone_is_no_error(lake: Lake) -> None:
    lake.remove(["conn/day=2023-11-15/none-0.parquet"])


def test_a_disk_that_refuses_is_an_engine_error_and_leaves_nothing_half(lake: Lake) -> None:
    writer = lake.writer("s1")
    writer.add("conn", batch([NOON]))
    lake.root.mkdir(exist_ok=True)
    (lake.root / "conn").write_bytes(b"in the way")
    with pytest.raises(EngineError, match="cannot be written") as raised:
        writer.publish()
    assert raised.value.hint
    writer.discard()
    assert [p for p in lake.root.rglob("*") if p.is_file()] == [lake.root / "conn"]


@pytest.mark.parametrize("batches", [1, 20], ids=["seen at the end", "seen on the way"])
def test_what_fails_while_writing_reaches_the_caller(lake: Lake, batches: int) -> None:
    lake.root.write_bytes(b"in the way")
    writer = lake.writer("s1")

    def write() -> None:
        for _ in range(batches):
            writer.add("conn", batch([NOON]))
        writer.publish()

    with pytest.raises(EngineError, match="cannot be written"):
        write()
    writer.discard()
