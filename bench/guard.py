"""Speed of the guard: a burst of files, the first verdict, an idle hour's share of a core.

    python bench/guard.py [--files 5000] [--idle 20]

The scanner is the built-in one (EICAR and the test family) unless --rules is given.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sakimori import config
from sakimori.app import guarding
from sakimori.endpoint.guard.guard import Guard, Plan
from sakimori.endpoint.guard.seen import Seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--rules", type=Path, action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        watched, store = Path(home, "watched"), Path(home, "store")
        watched.mkdir()
        settings = config.load(options={"machine.store": store})
        scanner, _ = guarding.scanner_of(settings, tuple(asked.rules), ())
        verdicts: list[tuple[float, str]] = []
        guard = Guard(
            Plan(folders=(watched,)), scanner, Seen(Path(home, "seen"), "1"),
            lambda v: verdicts.append((v.latency, v.path)),
        )  # fmt: skip
        ready = threading.Event()
        thread = threading.Thread(target=guard.run, kwargs={"ready": ready.set})
        thread.start()
        ready.wait()
        time.sleep(1)
        before, began = time.process_time(), time.monotonic()
        time.sleep(asked.idle)
        idle = (time.process_time() - before) / (time.monotonic() - began)
        before, began = time.process_time(), time.monotonic()
        for number in range(asked.files):
            Path(watched, f"f{number}").write_bytes(os.urandom(2000))
        written = time.monotonic() - began
        while len(verdicts) < asked.files and time.monotonic() - began < 120:
            time.sleep(0.01)
        took, cpu = time.monotonic() - began, time.process_time() - before
        guard.stop()
        thread.join()
    report(guard, verdicts, Took(asked.files, written, took, cpu, idle))


@dataclass(frozen=True)
class Took:
    """Figures of a run, in seconds; `idle` as a share of a core."""

    files: int
    written: float
    took: float
    cpu: float
    idle: float


def report(guard: Guard, verdicts: list[tuple[float, str]], run: Took) -> None:
    names = {path for _, path in verdicts}
    print(f"files written            {run.files} in {run.written:.2f} s")
    print(
        f"looked at                {len(names)} ({run.files - len(names)} missed) in {run.took:.2f} s"
    )
    print(f"first verdict after      {1000 * (guard.counts.first_latency or 0):.0f} ms")
    print(f"slowest verdict after    {1000 * guard.counts.slowest:.0f} ms")
    print(f"CPU of the burst         {run.cpu:.2f} s (writing included)")
    print(f"CPU when idle            {100 * run.idle:.2f} % of a core")


if __name__ == "__main__":
    main()
