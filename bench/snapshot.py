"""How fast snapshots are taken and compared, and in how much memory.

    python bench/snapshot.py [--files DIR]... [--hive FILE]... [--records N]

Files: about 28,000 of the folders named (default: /usr/share and /usr/lib/python3), cold and warm,
with one and two threads. Hives: taken, and the first compared with itself and with each other one.
Records: two made-up snapshots of N files (default 1,000,000) that differ in one in ten thousand.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sakimori.app.snapshotting import Asked, compare, take
from sakimori.endpoint.snapshot import Record, write_snapshot
from sakimori.endpoint.snapshot.model import Header, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)


@contextmanager
def timed(what: str) -> Iterator[list[str]]:
    """Print wall and CPU seconds, and the peak of memory so far; the block may add words."""
    gc.collect()
    gc.disable()
    wall, cpu, words = time.perf_counter(), time.process_time(), list[str]()
    yield words
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    gc.enable()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:44} {cpu:7.2f} CPU s {wall:7.2f} s {peak:6.0f} MB  {' '.join(words)}", flush=True)


def bench_files(folder: Path, paths: list[Path]) -> None:
    for threads in (1, 1, 2):
        out = folder / f"files{threads}.snap"
        with timed(f"take files, {threads} thread(s)") as words:
            taken = take(Asked(paths=tuple(paths), only=("file",), threads=threads), out, now=NOW)
        size = sum(
            os.lstat(os.path.join(top, name)).st_size  # noqa: PTH118
            for path in paths for top, _, names in os.walk(path) for name in names
        )  # fmt: skip
        words.append(f"{taken.counts['file']} files, {size / 1e6:.0f} MB, {taken.size} bytes")
        print(f"    {words[0]}")
    with timed("compare them"):
        compare(folder / "files1.snap", folder / "files2.snap")


def bench_hives(folder: Path, hives: list[Path]) -> None:
    made = []
    for number, path in enumerate(hives):
        made.append(folder / f"{number}.snap")
        with timed(f"take {path.name}") as words:
            taken = take(Asked(hives=(("SYSTEM", path),)), made[-1], now=NOW)
            words.append(f"{taken.counts['registry']} records")
    for other in made:
        with timed(f"compare {hives[0].name} with {hives[made.index(other)].name}") as words:
            words.append(f"{len(compare(made[0], other).found.changes)} changes")


def bench_records(folder: Path, count: int) -> None:
    header = Header(tool="bench", machine="m", taken="2026-03-16T14:45:00Z")
    for name in ("a", "b"):
        with timed(f"write {count:,} records"):
            write_snapshot(folder / f"{name}.snap", header, records(count, name), scopes)
    with timed("compare them") as words:
        words.append(f"{len(compare(folder / 'a.snap', folder / 'b.snap').found.changes)} changes")


def scopes() -> tuple[list[Scope], list[object]]:
    return [Scope("file")], []


def records(count: int, name: str) -> Iterator[Record]:
    for number in range(count):
        changed = name if number % 10_000 == 0 else ""
        yield Record("file", f"/d/{number:09d}", None, {
            "type": "file", "mode": "0644", "uid": 0, "gid": 0, "owner": "root", "group": "root",
            "mtime": f"2026-03-16T14:45:00.{number:09d}Z", "size": number,
            "sha256": f"{number * 0x9E3779B97F4A7C15:064x}"[-64:] + changed,
        })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=Path, action="append")
    parser.add_argument("--hive", type=Path, action="append", default=[])
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench_records(folder, given.records)
        bench_hives(folder, given.hive)
        bench_files(folder, given.files or [Path("/usr/share"), Path("/usr/lib/python3")])


main()
