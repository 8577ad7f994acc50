"""How fast files go into quarantine and come back, and in how much memory.

    python bench/quarantine.py [MEGABYTES] [FILES] [FOLDER]

FOLDER should be on the disk that will hold the store: each small file waits for it several times.
Half of the large file's bytes are noise, half compress.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sakimori.endpoint.quarantine import Quarantine, open_key

MEGABYTE = 1 << 20


def main(megabytes: int, files: int, folder: Path | None) -> None:
    home = Path(tempfile.mkdtemp(prefix="bench-quarantine-", dir=folder)).resolve()
    try:
        held = Quarantine(home / "store" / "quarantine", open_key(home / "store" / "keys"))
        print(f"{'what':34} {'wall s':>8} {'CPU s':>8} {'a second':>14} {'RSS MB':>7}")
        large(held, home, megabytes)
        small(held, home, files)
    finally:
        shutil.rmtree(home)


def large(held: Quarantine, home: Path, megabytes: int) -> None:
    path = home / "large.bin"
    chance = random.Random(1)
    with path.open("wb") as file:
        for _ in range(megabytes // 2):
            file.write(chance.randbytes(MEGABYTE) + b"text " * (MEGABYTE // 5))
    size = path.stat().st_size / MEGABYTE
    now = datetime.now(UTC)
    begun = clock()
    entry = held.take(path, rule="r", family="f", definitions="1", reason="bench", now=now)
    told(f"take {size:.0f} MB", begun, size, "MB")
    begun = clock()
    assert held.check() == []
    told("check", begun, size, "MB")
    begun = clock()
    held.restore(entry.id, now=now)
    told("restore", begun, size, "MB")
    path.unlink()


def small(held: Quarantine, home: Path, count: int) -> None:
    folder = home / "small"
    folder.mkdir()
    paths = [folder / f"{number}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number * 200)
    now = datetime.now(UTC)
    begun = clock()
    entries = [
        held.take(path, rule="r", family="f", definitions="1", reason="bench", now=now)
        for path in paths
    ]
    told(f"take {count:,} files of 1 kB", begun, count, "files")
    begun = clock()
    assert len([e for e in held.entries() if e.state == "taken"]) == count
    told("list", begun, count, "files")
    begun = clock()
    assert held.check() == []
    told("check", begun, count, "files")
    begun = clock()
    for entry in entries:
        held.restore(entry.id, now=now)
    told("restore", begun, count, "files")


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def told(what: str, begun: tuple[float, float], amount: float, unit: str) -> None:
    wall, cpu = (now - then for now, then in zip(clock(), begun, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = f"{amount / wall:,.0f} {unit}"
    print(f"{what:34} {wall:8.2f} {cpu:8.2f} {rate:>14} {peak:7.0f}", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:] + ["512", "10000", ""][len(sys.argv) - 1 :]
    os.umask(0o077)
    main(int(given[0]), int(given[1]), Path(given[2]) if given[2] else None)
