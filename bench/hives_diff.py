"""Pairs of hives that differ in one layer of Winlogon: what is seen here, and by regipy-diff.

PYTHONPATH=src python bench/hives_diff.py [PATH OF regipy-diff]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

from sakimori.endpoint.registry.hive import read_hive
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.model import Key, Value

WHEN, LATER = datetime(2009, 11, 10, tzinfo=UTC), datetime(2009, 11, 25, tzinfo=UTC)
WINLOGON = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
SHELL = "Explorer.exe\0".encode("utf-16-le")
OTHER = "x.exe\0".encode("utf-16-le")
GOOD = Key(
    WINLOGON, WHEN, "BA", "SY", "D:P(A;CI;KA;;;BA)(A;CI;KR;;;BU)", "", (Value("Shell", 1, SHELL),)
)
CASES = {
    "nothing": GOOD,
    "missing NUL": replace(GOOD, values=(Value("Shell", 1, SHELL[:-2]),)),
    "type": replace(GOOD, values=(Value("Shell", 2, SHELL),)),
    "DACL": replace(GOOD, dacl="D:P(A;CI;KR;;;BA)"),
    "owner": replace(GOOD, owner="BU"),
    "time": replace(GOOD, written=LATER),
    "NUL and time": replace(GOOD, values=(Value("Shell", 1, SHELL[:-2]),), written=LATER),
    "after the NUL": replace(GOOD, values=(Value("Shell", 1, SHELL + b"x\0"),)),
    "text": replace(GOOD, values=(Value("Shell", 1, OTHER),)),
    "text and time": replace(GOOD, values=(Value("Shell", 1, OTHER),), written=LATER),
    "value added": replace(GOOD, values=(*GOOD.values, Value("aux", 1, OTHER))),
    "added, and time": replace(GOOD, values=(*GOOD.values, Value("aux", 1, OTHER)), written=LATER),
}


def ours(one: Path, other: Path) -> str:
    before = {key.path: key for key in read_hive(one, "SOFTWARE").keys}
    after = {key.path: key for key in read_hive(other, "SOFTWARE").keys}
    return ", ".join(
        field.name
        for path, key in before.items()
        for field in fields(key)
        if getattr(key, field.name) != getattr(after[path], field.name)
    )


def regipy(program: str, one: Path, other: Path) -> str:
    ran = subprocess.run(
        [program, str(one), str(other)], capture_output=True, text=True, timeout=120, check=False
    )
    found = re.search(r"Detected (\d+) differences", ran.stdout + ran.stderr)
    return found[1] if found else "no answer"


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else None
    print(f"{'what differs':16} {'here':24} differences by regipy-diff")
    with tempfile.TemporaryDirectory() as folder:
        good, other = Path(folder) / "good", Path(folder) / "other"
        good.write_bytes(build_hive([GOOD]))
        for name, key in CASES.items():
            other.write_bytes(build_hive([key]))
            theirs = regipy(program, good, other) if program else "-"
            print(f"{name:16} {ours(good, other):24} {theirs}", flush=True)


if __name__ == "__main__":
    main()
