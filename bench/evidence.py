"""How fast evidence is recorded, sealed, exported and verified, and in how much memory.

    python bench/evidence.py [RECORDS] [FOLDER]

The folder should be on the disk that will hold evidence: appending one by one waits for it.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sakimori.takedown.evidence import (
    Chain,
    Entry,
    Redaction,
    Wanted,
    export,
    make_key,
    seal_chain,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
BY = {"actor": "aiko", "time": NOW, "tool": "bench"}
BATCH = 1000


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    begun, used = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:34} {count:>9,} {wall:8.2f} s {count / wall:>10,.0f}/s "
          f"{count / cpu:>10,.0f} per CPU-s {peak:7.0f} MB")  # fmt: skip


def entry(number: int) -> Entry:
    body = {
        "to": f"abuse{number}@isp.example", "event": "sinkhole hit", "ip": "192.0.2.9",
        "port": number % 65536, "name": "c2.example",
    }  # fmt: skip
    return Entry(kind="message", body=body, **BY)


def main(count: int, folder: Path) -> None:
    print(f"{'what':34} {'records':>9}      wall       rate      per CPU     peak memory")
    key = make_key(folder / "keys")
    chain = Chain.create(folder / "chain")
    few = min(2000, count)
    with timed("append, one by one, synced", few):
        for n in range(few):
            chain.append(entry(n))
    with timed(f"append, {BATCH} at a time, synced", count):
        for at in range(0, count, BATCH):
            chain.extend([entry(n) for n in range(at, min(at + BATCH, count))])
    with timed("append, one by one, on the long one", few):
        for n in range(few):
            chain.append(entry(n))
    whole = chain.head().seq
    print(f"{'bytes a record':34} {chain.path.stat().st_size / whole:9,.0f}")
    seal_chain(chain, key, **BY)
    with timed("verify the chain", whole):
        assert verify(chain.folder, [key.public]).ok
    for name, redactions in (("b.zip", ()), ("r.tar", (Redaction("to", "personal"),))):
        with timed(f"export {name}", whole):
            export(chain.folder, folder / name, Wanted(key=key, redactions=redactions, **BY))
        with timed(f"verify {name}", whole):
            assert verify(folder / name, [key.public]).ok


if __name__ == "__main__":
    home = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, home)
    finally:
        shutil.rmtree(home)
