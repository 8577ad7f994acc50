"""Scanning side by side: YARA-X alone, sakimori with one worker and two, a re-scan, clamscan.

    python bench/scan.py RULES [--files 28000] [--quick 10] [--below /usr]

RULES: a folder of .yar files or a tar of one, such as signature-base. Scanned are files of /usr, one path
in four by SHA-1 of the path, from 1 byte to 20 MB; with --quick N, one in N of those. Every file is read
once before, so that all find it in memory. Each row is a process of its own; CPU is of the process and
its children, the loading of rules that were compiled before included. clamscan runs where it is
installed, with two signatures of its own: that is its engine, not its database. Aim: at least as many MB
per CPU-second as YARA-X alone, a re-scan 20 times faster, two workers at least 1.7 times one (by the
clock, which needs two idle cores).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner", "md5")


def chosen(below: str, quick: int, most: int) -> list[str]:
    found = []
    for folder, _, names in os.walk(below):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            told = os.lstat(path)
            number = int(hashlib.sha1(os.fsencode(path), usedforsecurity=False).hexdigest(), 16)
            fits = stat.S_ISREG(told.st_mode) and 1 <= told.st_size <= 20_000_000
            if fits and number % 4 == 0 and number // 4 % quick == 0:
                found.append(path)
    return sorted(found)[:most]


def cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def yara_alone(place: Path, paths: list[str]) -> dict[str, Any]:
    import yara_x

    with (place / "plain.yarc").open("rb") as file:
        rules = yara_x.Rules.deserialize_from(file)
    scanner = yara_x.Scanner(rules)
    hits = sum(len(scanner.scan_file(path).matching_rules) for path in paths)
    return {"hits": hits, "files": len(paths)}


def compiled(rules: Path, place: Path) -> None:
    import yara_x

    compiler = yara_x.Compiler(relaxed_re_syntax=True)
    for name in EXTERNALS:
        compiler.define_global(name, "")
    for file in sorted([*rules.rglob("*.yar"), *rules.rglob("*.yara")]):
        compiler.new_namespace(str(file))
        compiler.add_source(file.read_text(errors="replace"))
    with (place / "plain.yarc").open("wb") as out:
        compiler.build().serialize_into(out)


def ours(place: Path, paths: list[str], rules: Path, options: dict[str, Any]) -> dict[str, Any]:
    from sakimori.app import scanning
    from sakimori.config import Machine

    asked = scanning.Asked(paths=tuple(paths), rules=(rules,), **options)
    run = scanning.scan(asked, Machine(store=place / "store"))
    return {"hits": len(run.hits), "files": run.scanned, "errors": len(run.troubles)}


ROWS: dict[str, dict[str, Any]] = {
    "sakimori, 1 worker, not unpacking": {"workers": 1, "caching": False, "unpacking": False},
    "sakimori, 1 worker, unpacking": {"workers": 1, "caching": False},
    "sakimori, 2 workers, not unpacking": {"workers": 2, "caching": False, "unpacking": False},
    "sakimori, 2 workers, unpacking": {"workers": 2},
    "the same again, nothing changed": {"workers": 2},
}


def child(arguments: argparse.Namespace) -> None:
    place = Path(arguments.place)
    paths = (place / "list").read_bytes().decode(errors="surrogateescape").split("\0")
    begun, before = time.perf_counter(), cpu()
    if arguments.row == "YARA-X alone":
        told = yara_alone(place, paths)
    else:
        told = ours(place, paths, Path(arguments.rules), ROWS[arguments.row])
    told |= {"wall": time.perf_counter() - begun, "cpu": cpu() - before}
    told["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))


def clamscan(place: Path) -> dict[str, Any] | None:
    program = shutil.which("clamscan")
    if program is None:
        return None
    (place / "own.ndb").write_text("Own.Test-1:0:*:53414b494d4f52492d544553542d46414d494c592d\n")
    (place / "own.hdb").write_text("44d88612fea8a8f36de82e1278abb02f:68:Own.Test-2\n")
    (place / "lines").write_bytes((place / "list").read_bytes().replace(b"\0", b"\n"))
    for name in ("own.ndb", "own.hdb"):
        (place / "clam").mkdir(exist_ok=True)
        (place / name).replace(place / "clam" / name)
    argv = [program, "-d", str(place / "clam"), "--infected", "-f", str(place / "lines")]
    begun, before = time.perf_counter(), cpu()
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    return {
        "wall": time.perf_counter() - begun,
        "cpu": cpu() - before,
        "hits": done.stdout.count("FOUND"),
    }


def show(name: str, told: dict[str, Any], size: float, files: int) -> None:
    print(
        f"{name:38} {told['wall']:8.2f} {told['cpu']:8.2f} {size / 1e6 / told['cpu']:9.1f}"
        f" {files / told['cpu']:9.0f} {told.get('rss', 0):7.0f} {told['hits']:5} {told.get('errors', ''):>6}",
        flush=True,
    )


def main() -> None:  # noqa: PLR0915 - a table, row by row
    parser = argparse.ArgumentParser()
    parser.add_argument("rules", type=Path)
    parser.add_argument("--files", type=int, default=10**9)
    parser.add_argument("--quick", type=int, default=1)
    parser.add_argument("--below", default="/usr")
    parser.add_argument("--row")
    parser.add_argument("--place")
    arguments = parser.parse_args()
    if arguments.row:
        child(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rules = arguments.rules
        if rules.is_file():
            with tarfile.open(rules) as packed:
                packed.extractall(place / "rules", filter="data")
            rules = place / "rules"
        paths = chosen(arguments.below, arguments.quick, arguments.files)
        (place / "list").write_bytes("\0".join(paths).encode(errors="surrogateescape"))
        size = sum(len(Path(path).read_bytes()) for path in paths)
        print(f"{len(paths):,} files, {size / 1e6:.0f} MB")
        before = cpu()
        compiled(rules, place)
        print(f"compiling: YARA-X alone {cpu() - before:.1f} CPU s", end=", ", flush=True)
        before = cpu()
        from sakimori.endpoint.scan import load

        definitions = load([rules], cache=place / "store" / "cache")
        print(f"sakimori {cpu() - before:.1f} CPU s, {definitions.rules} rules")
        print(f"{'':38} {'wall s':>8} {'CPU s':>8} {'MB/CPU s':>9} {'files/CPU':>9} {'RSS MB':>7} {'hits':>5} {'errors':>6}")  # fmt: skip
        for row in ("YARA-X alone", *ROWS):
            argv = [sys.executable, __file__, str(rules), "--row", row, "--place", folder]
            done = subprocess.run(argv, capture_output=True, check=True, text=True)
            show(row, json.loads(done.stdout), size, len(paths))
        if (told := clamscan(place)) is not None:
            show("clamscan, two signatures", told, size, len(paths))


if __name__ == "__main__":
    main()
