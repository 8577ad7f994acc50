"""Truth and speed of `inventory` on samples of systeminfo whose file names say what they are.

Usage: python bench/inventory.py [FOLDER]; prints a table, then CPU seconds for 100 files.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from sakimori.endpoint.inventory.collect import read_file
from sakimori.endpoint.inventory.decode import decode

DEFAULT = Path(__file__).parents[1].parent / "shared/data/exposure/systeminfo"


def expected(stem: str) -> tuple[str, int, str]:
    """Family, service pack and architecture that a file name says."""
    first, second, *_ = parts = stem.split("_")
    year = second.replace("r2", " R2").replace("2003 R2", "2003")
    family = {"xp": "Windows XP", "vista": "Windows Vista", "srv": f"Windows Server {year}"}
    packs = [int(p[2]) for p in parts if re.fullmatch(r"sp\d", p)]
    pack = packs[0] if packs else int(stem.startswith("srv_2008_rtm"))
    return family.get(first, f"Windows {first}"), pack, "x86" if "x86" in parts else "x64"


def listed(path: Path) -> set[str]:
    """KB numbers that stand in numbered lines of the file, network cards' apart."""
    read = decode(path.read_bytes())
    return set(re.findall(r"(?m)^ +\[\d+\]: (KB\d+)", read.text)) if read else set()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    paths = sorted(folder.glob("*systeminfo*.txt"))
    if not paths:
        sys.exit(f"no samples at {folder}")
    right = 0
    for path in paths:
        (record,) = read_file(path)
        family, pack, architecture = expected(path.stem)
        found = {u.id for u in record.updates}
        checks = {
            "os": (record.os or "").startswith(family),
            "pack": record.service_pack == pack,
            "arch": record.architecture == architecture,
            "updates": found >= listed(path),
        }
        right += all(checks.values())
        wrong = ", ".join(name for name, good in checks.items() if not good) or "ok"
        print(f"{path.stem[:58]:58} {record.os or '-':42} SP{record.service_pack} "
              f"{record.architecture} {record.language} {record.encoding:9} "
              f"{len(found):3} of {record.said} {wrong}")  # fmt: skip
    print(f"\n{right} of {len(paths)} right")
    started, count = time.process_time(), 0
    while count < 100:
        for path in paths[: 100 - count]:
            read_file(path)
            count += 1
    print(f"{count} files: {time.process_time() - started:.2f} CPU s")


if __name__ == "__main__":
    main()
